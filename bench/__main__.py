"""The command line of the benchmarks."""

import argparse
import json
import shutil
import signal
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import accuracy, capacity, compression, exchange, idle, setups, soak, table_command
from bench.figures import Figure, table
from bench.processes import BenchError, Lab, machine

PARTS = {
    "exchange": exchange.run,
    "idle": idle.run,
    "setups": setups.run,
    "accuracy": accuracy.run,
    "capacity": capacity.run,
    "compression": compression.run,
    "paced": exchange.run_paced,
    "soak": soak.run,
}
ONCE = ("accuracy", "capacity", "soak")  # one round is many runs


def main() -> int:
    """Run the parts that were asked for; 0 whatever the targets say, 1 when something broke."""
    if sys.argv[1:2] in ([], ["table"]):
        return table_command.main(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="+", metavar="PART", help=", ".join(PARTS))
    repeats = f"rounds of each part (3; {', '.join(ONCE)}: 1)"
    parser.add_argument("--repeat", type=int, metavar="N", help=repeats)
    found = shutil.which("k6")
    k6 = "the k6 to compare with (default: the one on the PATH)"
    parser.add_argument("--k6", type=Path, metavar="PATH", default=found and Path(found), help=k6)
    users = f"soak: how many at once ({soak.USERS:,})"
    parser.add_argument("--users", type=int, metavar="N", default=soak.USERS, help=users)
    lasts = f"soak: how long it is measured ({soak.SECONDS})"
    parser.add_argument("--seconds", type=int, metavar="N", default=soak.SECONDS, help=lasts)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value there too")
    parser.epilog = "Without a PART: the table beside other tools (python -m bench table --help)."
    asked = parser.parse_args()
    unknown = sorted(set(asked.parts) - set(PARTS))
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}")
    if asked.repeat is not None and asked.repeat < 1:
        parser.error("--repeat: 1 or more")
    if asked.k6 is not None and not asked.k6.is_file():
        parser.error(f"--k6: there is no {asked.k6}")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no process stays behind
    described = machine()
    print(described, flush=True)
    began = time.monotonic()
    figures: list[Figure] = []
    with TemporaryDirectory(prefix="loadkit-bench-") as folder:
        lab = Lab(Path(folder), asked.k6)
        if not lab.pinned:
            print("note: fewer than two cores, nothing is pinned: both ends share what there is")
        parts = PARTS | {"soak": partial(soak.run, users=asked.users, seconds=asked.seconds)}
        for name in asked.parts:
            try:
                figures += parts[name](lab, asked.repeat or (1 if name in ONCE else 3))
            except BenchError as error:
                print(f"{name} broke: {error}", file=sys.stderr)
                return 1
    print(f"\n{table(figures)}\n\n{time.monotonic() - began:.0f} s in all")
    if asked.json is not None:
        content = {"machine": described, "figures": [asdict(figure) for figure in figures]}
        asked.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
