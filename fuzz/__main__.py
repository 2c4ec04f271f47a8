"""The command line of the fuzzing: `make fuzz MINUTES=10`."""

import argparse
import importlib
import sys
from pathlib import Path

from fuzz.engines import ENGINES, Outcome, available, run, start
from fuzz.target import cases_of

TARGETS = sorted(
    path.stem for path in Path(__file__).with_name("targets").glob("*.py") if path.stem[0] != "_"
)


def main() -> int:
    """Try every target, or those named; 1 when something broke."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--minutes", type=float, default=10.0, help="in all (10)")
    parser.add_argument("--engine", choices=ENGINES, help="that one alone (every one there is)")
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)  # be an engine's process
    asked = parser.parse_args()
    if unknown := sorted(set(asked.targets) - set(TARGETS)):
        parser.error(f"no such target: {', '.join(unknown)}")
    if asked.seconds is not None:
        run(asked.targets[0], asked.engine, asked.seconds)
    engines = available()
    if asked.engine is not None:
        if asked.engine not in engines:
            parser.error(f"{asked.engine} is not installed: pip install {asked.engine}")
        engines = [asked.engine]
    if "atheris" not in available():
        print("atheris is not installed: by hypothesis alone")
    targets = asked.targets or TARGETS
    faults = [fault for name in targets for fault in _kept(name)]
    print(f"{'target':<14}{'engine':<12}{'inputs':>12}{'a second':>10}  faults", flush=True)
    share = asked.minutes * 60 / len(targets) / len(engines)
    total = 0
    for name in targets:
        for engine in engines:
            outcome = start(name, engine, share)
            total += outcome.inputs
            print(_row(name, engine, outcome), flush=True)
            if outcome.fault:
                where = outcome.case or "no input is known"
                faults.append(f"{name}, {engine}: {where}\n{outcome.fault}")
    print(f"{total:,} inputs, {len(faults)} faults")
    for fault in faults:
        print(f"\n{fault}")
    return 1 if faults else 0


def _kept(name: str) -> list[str]:
    """The faults that kept cases bring about again."""
    check = importlib.import_module(f"fuzz.targets.{name}").TARGET.check
    faults = []
    for path in cases_of(name):
        try:
            check(path.read_bytes())
        except Exception as error:
            faults.append(f"{name}, a case that is kept: {path}\n{error!r}")
    return faults


def _row(name: str, engine: str, outcome: Outcome) -> str:
    rate = outcome.inputs / outcome.seconds if outcome.seconds > 0 else 0.0
    faults = 1 if outcome.fault else 0
    return f"{name:<14}{engine:<12}{outcome.inputs:>12,}{rate:>10,.0f}  {faults}"


if __name__ == "__main__":
    sys.exit(main())
