"""Nothing that a stranger has said reaches a terminal, a log or a file but through one place."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = [*sorted((ROOT / "loadkit").rglob("*.py")), ROOT / "locustfile.py"]

NAMES = {"print", "Console", "open"}
METHODS = {"write_text", "write_bytes", "open", "write", "writelines", "print_exc", "touch"}
ATTRIBUTES = {
    *("sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__", "os.write", "os.open"),
    *("os.fdopen", "logging.StreamHandler", "logging.FileHandler", "logging.Formatter"),
    *("logging.basicConfig", "json.dump", "pickle.dump", "shutil.copy", "shutil.copyfile"),
}

SOCKETS = "frames to a target, or of the simulator to its clients"
RESULTS = "by `report.files`, which makes each file safe for what it is"
WAYS = {
    "output.py": (
        "the one place that prints: streams that make safe whatever they are given",
        {"logging.Formatter", "os.open", "os.write", "stream.write", "super().write"}
        | {"sys.stderr", "sys.stderr.write", "sys.stdout", "sys.stdout.write"},
    ),
    "results/run_folder.py": (
        "whole files: each made by `escaping` for what it is",
        {"file.write", "open", "os.open"},
    ),
    "results/line_file.py": (
        "lines of figures, and the journal, of texts that workers have made safe",
        {"open", "os.open", "self._file.write"},
    ),
    "results/journal.py": (
        "the journal again, where its disk was full",
        {"self._path.write_bytes"},
    ),
    "results/journal_lock.py": ("it locks", {"path.open"}),
    "results/completion.py": ("rows of figures", {"series.write"}),
    "capacity/document.py": (RESULTS, {"write_text"}),
    "compare/command.py": (RESULTS, {"write_text"}),
    "pages/comparison_page.py": ("HTML, as the next", {"write_text"}),
    "pages/report.py": ("HTML, of which `pages.page` makes each text safe", {"write_text"}),
    "results/rebuild.py": (RESULTS, {"write"}),
    "swarm/run.py": (RESULTS, {"write"}),
    "swarm/run_files.py": (
        "the log, whose lines `output.Log` words; rows of figures",
        {
            "(self.path / 'loadkit.log').touch",
            "logging.Formatter",
            "self._series.write",
            "self._turns.write",
        }
        | {"write"},
    ),
    "swarm/install.py": ("a formatter for `output.Log`", {"logging.Formatter"}),
    "security/textfile.py": ("it reads", {"os.fdopen", "os.open"}),
    "profile/piped.py": ("the user's own profile, for this run's processes", {"copy.write_text"}),
    "people/person.py": ("strokes of a keyboard, as a plan", {"self._writer.write"}),
    "simulator/app/truth_log.py": (
        "the simulator's own log of what it did",
        {"file.write", "path.open", "self._file.write"},
    ),
    "simulator/app/socket.py": (SOCKETS, {"self._transport.write", "transport.write"}),
    "net/websocket/link.py": (SOCKETS, {"self._stream.write"}),
}
"""By module: why what it writes is safe, and the ways to write that it has."""


LAST = {name.rpartition(".")[2] for name in {*NAMES, *METHODS, *ATTRIBUTES}}


def ways(source: str) -> set[str]:
    """What in a module could write something, by its text."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and last_of(node.func) in LAST:
            called = ast.unparse(node.func)
            last = called.rpartition(".")[2]
            if (called in NAMES or last in METHODS) and not (last == "open" and reads(node)):
                found.add(called)
        elif last_of(node) in LAST and ast.unparse(node) in ATTRIBUTES:
            found.add(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom) and node.module in ("sys", "os", "logging"):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & ATTRIBUTES
    return found


def last_of(node: ast.AST) -> str:
    """The last word of a dotted name."""
    return getattr(node, "attr", getattr(node, "id", ""))


def reads(call: ast.Call) -> bool:
    """Whether a call of `open` names no way to write: of a path, or of another thing."""
    at = 1 if isinstance(call.func, ast.Name) else 0
    given = [*call.args[at : at + 1], *(key.value for key in call.keywords if key.arg == "mode")]
    modes = [mode.value for mode in given if isinstance(mode, ast.Constant)]
    named = ast.unparse(call.func).startswith("Link.")
    return named or (len(modes) == len(given) and not any(set("wax+") & set(m) for m in modes))


def test_whatever_writes_is_known() -> None:
    """A new way to write is put down here, with the reason why no raw text goes there."""
    found = {
        str(path.relative_to(ROOT / "loadkit")): each
        for path in MODULES
        if path.is_relative_to(ROOT / "loadkit") and (each := ways(path.read_text()))
    }
    assert found == {name: known for name, (_, known) in WAYS.items()}


@pytest.mark.parametrize(
    "source",
    [
        "print(1)",
        "sys.stdout.write(t)",
        "from sys import stderr",
        "path.write_text(t)",
        "with open(p, 'w') as file: pass",
        "with open(p, mode) as file: pass",
        "with path.open('w') as file: pass",
        "with path.open(mode='a') as file: pass",
        "os.write(1, b'')",
        "Console()",
        "logging.StreamHandler()",
        "json.dump(a, file)",
    ],
)
def test_no_way_is_overlooked(source: str) -> None:
    """The test above can fail."""
    assert ways(source)


@pytest.mark.parametrize("source", ["open(p)", "p.open('rb')", "p.open(encoding='utf-8')"])
def test_what_reads_writes_nothing(source: str) -> None:
    """And is left alone."""
    assert not ways(source)
