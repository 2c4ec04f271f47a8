"""Do the unit tests notice when the code is wrong? `make mutants PARTS='protocol chat' COUNT=50`.

cosmic-ray writes mutants of a package: an operator, a number or a condition changed. A sample of
them is tried, one after the other, in a copy of this tree, against the package's own unit tests.
Those that no test notices are printed: each is a hole in the tests, or changes nothing that counts.
"""

import argparse
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
PARTS = ("protocol", "chat", "measure")
LEFT_OUT = (".venv", ".git", "results", ".hypothesis", ".mypy_cache", ".ruff_cache")
SAME = ("Is_Eq", "IsNot_NotEq", "Eq_Is", "NotEq_IsNot")
"""Ends of operators whose mutants mean the same, as the code compares types and members so."""
LONGEST = 300.0  # seconds of the tests; a mutant that takes longer has been noticed

CONFIG = """
[cosmic-ray]
module-path = ["loadkit/{part}"]
timeout = {longest}
excluded-modules = []
test-command = "{python} {script} --try {part} {whole}"

[cosmic-ray.distributor]
name = "local"
"""


def main() -> None:
    """Print the survivors of each part, and its rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cosmic_ray", type=Path, help="the folder of its programs")
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--count", type=int, default=50, help="mutants of each (50)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (1)")
    if sys.argv[1:2] == ["--try"]:
        sys.exit(_tests(*sys.argv[2:]))
    asked = parser.parse_args()
    programs = asked.cosmic_ray.resolve()
    rates = []
    for part in asked.parts:
        with TemporaryDirectory(prefix="loadkit-mutants-") as folder:
            tree, whole = Path(folder, "tree"), Path(folder, "whole")
            shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*LEFT_OUT))
            shutil.copytree(ROOT / "loadkit", whole)
            rates.append(_try(part, tree, programs, asked.count, random.Random(asked.seed)))
    print("\n".join(rates))


def _try(part: str, tree: Path, programs: Path, count: int, rng: random.Random) -> str:
    config = CONFIG.format(
        part=part,
        longest=LONGEST,
        python=sys.executable,
        script=Path(__file__).resolve(),
        whole=tree.with_name("whole"),
    )
    tree.joinpath("mutants.toml").write_text(config)
    _call(tree, programs / "cosmic-ray", "baseline", "mutants.toml")
    _call(tree, programs / "cosmic-ray", "init", "mutants.toml", "mutants.sqlite")
    with sqlite3.connect(tree / "mutants.sqlite") as session:
        every = sorted(
            session.execute(
                "SELECT module_path, start_pos_row, operator_name, occurrence, job_id "
                "FROM mutation_specs"
            )
        )
        telling = [row for row in every if not row[2].endswith(SAME)]
        taken = {row[-1] for row in rng.sample(telling, min(count, len(telling)))}
        for table in ("mutation_specs", "work_items"):
            rest = [(row[-1],) for row in every if row[-1] not in taken]
            session.executemany(f"DELETE FROM {table} WHERE job_id = ?", rest)
    _call(tree, programs / "cosmic-ray", "exec", "mutants.toml", "mutants.sqlite")
    _call(tree, programs / "cr-report", "--surviving-only", "--show-diff", "mutants.sqlite")
    with sqlite3.connect(tree / "mutants.sqlite") as session:
        outcomes = [row[0] for row in session.execute("SELECT test_outcome FROM work_results")]
    killed = sum("KILLED" in str(outcome).upper() for outcome in outcomes)
    share = f"{killed} of {len(outcomes)} noticed"
    return f"{part}: {share}, of {len(telling):,} mutants there are"


def _tests(part: str, whole: str) -> int:
    """Run the tests of the mutant that stands in this folder: those of its own module first."""
    mutated = (
        path
        for path in Path("loadkit", part).rglob("*.py")
        if path.read_bytes() != Path(whole, path.relative_to("loadkit")).read_bytes()
    )
    own = (Path("tests", part, f"test_{path.stem}.py") for path in mutated)
    first = [str(path) for path in own if path.is_file()]
    options = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    return subprocess.call([sys.executable, *options, *first, f"tests/{part}"])


def _call(tree: Path, *words: object) -> None:
    subprocess.run([str(word) for word in words], cwd=tree, check=True)


if __name__ == "__main__":
    main()
