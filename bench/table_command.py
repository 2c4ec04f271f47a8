"""`python -m bench table`: measure the table, or put one that was measured into the docs."""

import argparse
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.processes import ROOT, BenchError, Lab
from bench.rounds import Limits, run
from bench.rows import MANY, NAMES, loads, room
from bench.table import Table
from bench.tools import TOOLS

PAGE: Final = ROOT / "docs" / "performance.md"
BEGIN: Final = "<!-- the table, as `python -m bench table --paste` writes it -->\n"
END: Final = "<!-- end of the table -->\n"
QUICK_MANY: Final = 1000


def main(arguments: list[str]) -> int:
    """Do what was asked for; 0 whatever the targets say, 1 when something broke."""
    names = [tool.name for tool in TOOLS]
    parser = argparse.ArgumentParser(prog="python -m bench table", description=__doc__)
    quick = "one round of a smaller load: eight minutes, and no spread"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--rows", default=",".join(NAMES), metavar="ROW,…", help=", ".join(NAMES))
    parser.add_argument("--tools", default=",".join(names), metavar="TOOL,…", help=", ".join(names))
    parser.add_argument("--rounds", type=int, metavar="N", help="at the most (5)")
    minutes = "no round begins that would not end within so many (40)"
    parser.add_argument("--minutes", type=float, default=40.0, metavar="N", help=minutes)
    others = "a run beside which all else had more of a core is made again, in percent (10)"
    parser.add_argument("--others", type=float, default=10.0, metavar="N", help=others)
    into = "where all values go; what an earlier table there has beside these is kept"
    parser.add_argument("--json", type=Path, metavar="FILE", help=into)
    paste = f"measure nothing: put the table of --json FILE into {PAGE.relative_to(ROOT)}"
    parser.add_argument("--paste", action="store_true", help=paste)
    asked = parser.parse_args(arguments)
    rows, wanted = asked.rows.split(","), asked.tools.split(",")
    strange = [one for one in rows if one not in NAMES] + [
        one for one in wanted if one not in names
    ]
    if strange:
        parser.error(f"no such row or tool: {', '.join(strange)}")
    rounds = asked.rounds or (1 if asked.quick else 5)
    if rounds < 1:
        parser.error("--rounds: 1 or more")
    if asked.paste and (asked.json is None or not asked.json.exists()):
        parser.error("--paste needs the --json FILE of a table that was measured")
    try:
        table = Table(asked.json)
        if asked.paste:
            _paste(table.markdown())
            return 0
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no process stays behind
        tools = []
        for tool in (tool for tool in TOOLS if tool.name in wanted):
            version = tool.version()
            if version is None:
                print(f"{tool.name} is not installed, and left out: {tool.get}", flush=True)
                continue
            table.tool(tool.name, version, tool.records)
            tools.append(tool)
        print(f"{table.machine}; {', '.join(tool.name for tool in tools)}", flush=True)
        many = room(QUICK_MANY if asked.quick else MANY)
        if many < MANY and not asked.quick:
            print(f"memory is measured with {many:,} sessions: open files or memory do for no more")
        began = time.monotonic()
        limits = Limits(rounds, began + asked.minutes * 60, asked.others / 100)
        with TemporaryDirectory(prefix="loadkit-bench-") as folder:
            lab = Lab(Path(folder))
            if lab.first_core is None:
                print("note: fewer than two cores: both ends share what there is")
            try:
                run(lab, table, loads(quick=asked.quick, many=many), tools, limits, rows)
            finally:
                if asked.json is not None:
                    asked.json.write_text(table.to_json(), encoding="utf-8")
    except BenchError as error:
        print(f"the table broke: {error}", file=sys.stderr)
        return 1
    print(f"\n{table.markdown()}\n{time.monotonic() - began:.0f} s in all")
    return 0


def _paste(text: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")
