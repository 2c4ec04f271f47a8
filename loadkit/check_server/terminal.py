"""The table of a check on a terminal, and the exit code of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from loadkit.check_server.checkup import check_server
from loadkit.check_server.table import Row, Verdict
from loadkit.network import Network
from loadkit.output import say
from loadkit.security.credentials import Credentials

__all__ = ["check", "render"]

_STYLES: Final = {
    Verdict.OK: "green",
    Verdict.DIFFERS: "yellow",
    Verdict.WRONG: "bold red",
    Verdict.NOT_SEEN: "dim",
}


def check(
    console: Console,
    url: str,
    environment: Mapping[str, str],
    network: Network,
    *,
    production: bool,
    handoff: str | None,
) -> int:
    """Check a server and tell; returns the exit code: 1 if something is wrong.

    Args:
        environment: holds the secrets.

    Raises:
        UsageError, TargetError: as of `check_server`, and a secret is missing.
    """
    credentials = Credentials.of(environment)
    rows = check_server(url, credentials, say, network, production=production, handoff=handoff)
    render(rows, console)
    return 1 if any(row.verdict is Verdict.WRONG for row in rows) else 0


def render(rows: Sequence[Row], console: Console) -> None:
    """Print it: a line a check, and the sum of them."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("verdict", "tried", "expected", "came"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "verdict")
    part = ""
    for row in rows:
        if row.check.part != part:
            part = row.check.part
            table.add_row(Text(part, "bold"))
        came = Text(row.came)
        table.add_row(
            Text(row.verdict, _STYLES[row.verdict]), row.check.tried, row.check.expected, came
        )
    console.print(table)
    console.print()
    counts = Counter(row.verdict for row in rows)
    order = (Verdict.WRONG, Verdict.DIFFERS, Verdict.NOT_SEEN, Verdict.OK)
    told = " · ".join(f"{counts[each]} {each}" for each in order if counts[each])
    console.print(Text(told), soft_wrap=True)
