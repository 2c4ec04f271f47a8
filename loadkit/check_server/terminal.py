"""The table of a check on a terminal, and the exit code of it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from loadkit.check_server.checkup import check_server
from loadkit.check_server.table import CheckRow, CheckVerdict
from loadkit.exit_codes import ExitCode
from loadkit.net.preflight.preflight import raise_interrupts_quietly
from loadkit.network import Network
from loadkit.output import remark, say
from loadkit.security.credentials import Credentials
from loadkit.security.escaping import in_json

SCHEMA: Final = "loadkit.check/1"

_STYLES: Final = {
    CheckVerdict.OK: "green",
    CheckVerdict.DIFFERS: "yellow",
    CheckVerdict.WRONG: "bold red",
    CheckVerdict.NOT_SEEN: "dim",
}


def check(
    console: Console,
    url: str,
    environment: Mapping[str, str],
    network: Network,
    *,
    production: bool,
    handoff: str | None,
    as_json: bool,
) -> int:
    """Check a server and tell; returns the exit code: 1 if something is wrong."""
    credentials = Credentials.of(environment)
    raise_interrupts_quietly()
    announce = remark if as_json else say
    rows = check_server(url, credentials, announce, network, production=production, handoff=handoff)
    is_wrong = any(row.verdict is CheckVerdict.WRONG for row in rows)
    code = ExitCode.FAILED if is_wrong else ExitCode.OK
    if as_json:
        say(document(rows, url, code))
    else:
        render(rows, console)
    return code


def document(rows: Sequence[CheckRow], url: str, code: int) -> str:
    """Return it as JSON: `docs/check-server.md` has its keys."""
    counts = Counter(row.verdict for row in rows)
    checks = [
        {"key": row.key, **row.check._asdict(), "verdict": row.verdict, "came": row.came}
        for row in rows
    ]
    told = {
        "schema": SCHEMA,
        "target": url,
        "exit_code": code,
        "counts": {verdict: counts[verdict] for verdict in CheckVerdict},
        "checks": checks,
    }
    return in_json(json.dumps(told, indent=1, ensure_ascii=False))


def render(rows: Sequence[CheckRow], console: Console) -> None:
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
    order = (CheckVerdict.WRONG, CheckVerdict.DIFFERS, CheckVerdict.NOT_SEEN, CheckVerdict.OK)
    told = " · ".join(f"{counts[each]} {each}" for each in order if counts[each])
    console.print(Text(told), soft_wrap=True)
