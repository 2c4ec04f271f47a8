"""Nothing that a stranger has said reaches a terminal, a log or a file but through one place."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = [*sorted((ROOT / "loadkit").rglob("*.py")), ROOT / "locustfile.py"]

NAMES = {"print", "Console", "open", "RotatingFileHandler"}
METHODS = {"write_text", "write_bytes", "open", "write", "writelines", "print_exc", "touch"}
ATTRIBUTES = {
    *("sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__", "os.write", "os.open"),
    *("os.fdopen", "logging.StreamHandler", "logging.FileHandler", "logging.Formatter"),
    *("logging.basicConfig", "json.dump", "pickle.dump", "shutil.copy", "shutil.copyfile"),
}

SOCKETS = "frames to a target, or of the simulator to its clients"
READS = "it reads"
PLAN = "a person writes; a plan of strokes"
WAYS = {
    "output.py": ("the one place that prints: streams that make safe whatever they are given", 9),
    "report/files.py": ("whole files of results: each made by `foreign` for what it is", 3),
    "report/lines.py": ("lines of figures, and the journal; no link is followed", 3),
    "report/journal.py": (f"its lock: {READS}; the journal again, where its disk is full", 2),
    "report/capacity.py": ("a document, by `report.files`, made by `foreign.in_json`", 1),
    "report/completion.py": (f"{READS}; rows of figures", 2),
    "recovery/series.py": (READS, 2),
    "recovery/rebuild.py": ("all results, by `report.files`", 1),
    "swarm/run.py": ("all results, by `report.files`", 1),
    "textfile.py": (READS, 2),
    "plan/piped.py": ("the user's own profile, to a file of this run's processes", 1),
    "plan/human.py": (PLAN, 1),
    "swarm/folder.py": ("the log, whose lines `output.Log` words; rows of figures", 4),
    "swarm/install.py": ("a formatter for `output.Log` to word lines with", 1),
    "simulator/truth.py": ("the simulator's own log of what it did", 3),
    "simulator/socket.py": (SOCKETS, 2),
    "net/link.py": (SOCKETS, 1),
    "net/driver.py": (SOCKETS, 1),
    "net/identity.py": (SOCKETS, 1),
    "net/revisit.py": (SOCKETS, 1),
    "net/tab.py": (SOCKETS, 1),
}
"""By module: why what it writes is safe, and how many ways to write it has."""


def ways(source: str) -> set[str]:
    """What in a module could write something, by its text."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in NAMES or called.rpartition(".")[2] in METHODS:
                found.add(called)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in ATTRIBUTES:
            found.add(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom) and node.module in ("sys", "os", "logging"):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & ATTRIBUTES
    return found


def test_whatever_writes_is_known() -> None:
    """A new way to write is put down here, with the reason why no raw text goes there."""
    found = {
        str(path.relative_to(ROOT / "loadkit")): len(each)
        for path in MODULES
        if path.is_relative_to(ROOT / "loadkit") and (each := ways(path.read_text()))
    }
    assert found == {name: number for name, (_, number) in WAYS.items()}


@pytest.mark.parametrize(
    "source",
    [
        "print(1)",
        "sys.stdout.write(t)",
        "from sys import stderr",
        "path.write_text(t)",
        "with open(p, 'w') as file: pass",
        "with path.open('w') as file: pass",
        "os.write(1, b'')",
        "Console()",
        "logging.StreamHandler()",
        "json.dump(a, file)",
    ],
)
def test_no_way_is_overlooked(source: str) -> None:
    """The test above can fail."""
    assert ways(source)
