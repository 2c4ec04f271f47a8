"""Imports go down only, and each library has one home: the table of the design, checked."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.sources import MODULES, ROOT, parsed, statements

LONGEST = 410  # lines of a module

FLOORS = (
    "compiled",  # before anything else: what the rest is loaded as
    "loadkit",  # the package itself: its version
    *(
        "errors",
        "exit_codes",
        "figures",
        "actions",
        "security",
        "codec",
        "config",
        "flags",
        "output",
        "network",
        "machine",
    ),
    *("stats", "protocol", "profile", "people", "chat"),
    *("measure", "soak", "verdict", "report", "results", "compare"),
    *("net", "simulator", "readiness", "fleet", "capacity", "check_server", "planner", "pages"),
    *("swarm", "locustfile", "start_locust", "launch", "commands", "cli", "__main__"),
    *("plan", "redaction"),  # where a locustfile of before finds two names
)
"""The units of the house from the ground up. Each may import what is named before it, so that there
is no circle of them."""

APART = {
    "people": {"protocol"},
    "chat": {"people", "profile", "stats"},
    "measure": {"chat", "people", "protocol"},
    "report": {"chat", "people", "protocol"},
    "net": {"measure", "people", "profile", "report", "results", "soak", "stats", "verdict"},
    "simulator": {"chat", "measure", "net", "people", "profile", "stats"},
    "swarm": {"check_server", "planner", "simulator"},
    "launch": {"swarm"},
    "commands": {"swarm"},
    "cli": {"swarm"},
}
"""What a unit may not know though it stands below: one mistake must not hide in both ends of a
wire, a conversation does not know who talks, and Locust is loaded in processes of its own alone."""

EXCEPTIONS: dict[tuple[str, str], str] = {}
"""(module, module) that breaks the table, with the reason. Empty is best."""

HOMES = {
    "locust": {"swarm", "locustfile"},
    "aiohttp": {"simulator"},
    "uvloop": {"simulator"},
    "jwt": {"simulator"},
    "websockets": {"net"},
    "gevent": {"net", "swarm", "locustfile"},
    "geventhttpclient": {"net"},
    "hdrh": {"stats"},
    "rich": {
        "capacity",
        "check_server",
        "cli",
        "compare",
        "planner",
        "readiness",
        "report",
        "swarm",
    },
}
"""Which units may import a library."""

PURE = {"protocol", "chat", "people", "profile", "stats", "measure", "soak", "verdict"}
"""Units without I/O on a network and without a clock of their own."""

IMPURE = {"asyncio", "gevent", "select", "selectors", "socket", "ssl", "threading", "time"}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unit_of(module: str) -> str:
    """`loadkit.chat.session` is of `chat`; `loadkit` and `locustfile` are of themselves."""
    parts = module.split(".")
    return parts[1] if parts[0] == "loadkit" and len(parts) > 1 else parts[0]


def imports(tree: ast.AST, module: str, *, package: bool) -> Iterator[str]:
    """Every module that a source imports, at its top or inside a function, as a full name."""
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")
            base = base[: len(base) - node.level + package] if node.level else []
            target = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                below = ROOT.joinpath(*target.split("."), alias.name)
                is_module = below.is_dir() or below.with_suffix(".py").is_file()
                yield f"{target}.{alias.name}" if is_module else target


@cache
def imports_of(path: Path) -> set[str]:
    module = name_of(path)
    return set(imports(parsed(path), module, package=path.name == "__init__.py"))


def allowed(importer: str, imported: str) -> bool:
    """Whether the table lets one unit import another."""
    if importer == imported:
        return True
    below = FLOORS.index(imported) < FLOORS.index(importer)
    return below and imported not in APART.get(importer, ())


def upward(path: Path) -> set[tuple[str, str]]:
    """What a module imports against the table, exceptions included."""
    mine = name_of(path)
    return {
        (mine, other)
        for other in imports_of(path)
        if other.split(".")[0] in ("loadkit", "locustfile")
        and not allowed(unit_of(mine), unit_of(other))
    }


def libraries_of(path: Path) -> set[str]:
    return {other.split(".")[0] for other in imports_of(path)}


def test_a_module_has_its_place_in_the_table() -> None:
    """Every one of them, and no place is empty."""
    assert len(MODULES) > 100
    assert {unit_of(name) for name in map(name_of, MODULES)} == set(FLOORS)


def test_a_module_imports_only_what_stands_below_it() -> None:
    """But for the exceptions, each of which is still needed."""
    assert set().union(*map(upward, MODULES)) == EXCEPTIONS.keys()


def circles(knows: dict[str, set[str]]) -> set[frozenset[str]]:
    """Modules that know each other, directly or round a corner."""
    knows = {name: others.copy() for name, others in knows.items()}
    for middle in knows:  # Warshall's closure
        for others in knows.values():
            if middle in others:
                others |= knows[middle]
    in_one = {name: {other for other in knows[name] if name in knows[other]} for name in knows}
    return {frozenset(others) for others in in_one.values() if others}


def test_no_modules_import_each_other() -> None:
    """Nor round a corner, nor for their types alone."""
    names = set(map(name_of, MODULES))
    knows = {name_of(path): imports_of(path) & names for path in MODULES}
    assert circles(knows) == set()


def test_a_circle_is_found_however_long_it_is() -> None:
    """And what merely leads there is none."""
    knows = {"a": {"b"}, "b": {"c"}, "c": {"d", "b"}, "d": {"a"}, "e": {"a"}, "f": set[str]()}
    assert circles(knows) == {frozenset("abcd")}
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == set()


def test_a_library_is_imported_only_at_its_home() -> None:
    """And every home is lived in."""
    used = {(name_of(path), lib) for path in MODULES for lib in libraries_of(path) & HOMES.keys()}
    assert {(name, lib) for name, lib in used if unit_of(name) not in HOMES[lib]} == set()
    assert HOMES.keys() - {lib for _, lib in used} == set()


def test_a_pure_module_knows_no_socket_clock_or_thread() -> None:
    """The time is given to it."""
    pure = [path for path in MODULES if unit_of(name_of(path)) in PURE]
    assert {unit_of(name_of(path)) for path in pure} == PURE
    assert {(name_of(path), lib) for path in pure for lib in libraries_of(path) & IMPURE} == set()


def test_a_module_is_short_enough_to_be_read() -> None:
    """What is longer is two modules."""
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


@pytest.mark.parametrize(
    ("source", "package", "found"),
    [
        ("import gevent.socket as s", False, {"gevent.socket"}),
        ("from loadkit.errors import Failure", False, {"loadkit.errors"}),
        ("from loadkit import errors", False, {"loadkit.errors"}),
        ("from loadkit import __version__", False, {"loadkit"}),
        ("from . import table", False, {"loadkit.chat.table"}),
        ("from .table import ROWS", True, {"loadkit.chat.table"}),
        ("from ..protocol.types import EventType", False, {"loadkit.protocol.types"}),
        ("def f():\n    import locust", False, {"locust"}),
        ("if TYPE_CHECKING:\n    from loadkit.net import driver", False, {"loadkit.net.driver"}),
    ],
)
def test_no_way_of_writing_an_import_is_overlooked(
    source: str, package: bool, found: set[str]
) -> None:
    module = "loadkit.chat" if package else "loadkit.chat.session"
    assert set(imports(ast.parse(source), module, package=package)) == found


@pytest.mark.parametrize(
    ("importer", "imported", "verdict"),
    [
        ("chat", "protocol", True),
        ("protocol", "chat", False),
        ("chat", "people", False),
        ("measure", "chat", False),
        ("people", "profile", True),
        ("profile", "people", False),
        ("stats", "measure", False),
        ("verdict", "soak", True),
        ("net", "chat", True),
        ("net", "profile", False),
        ("net", "simulator", False),
        ("simulator", "errors", True),
        ("simulator", "chat", False),
        ("simulator", "net", False),
        ("report", "verdict", True),
        ("report", "results", False),
        ("swarm", "report", True),
        ("swarm", "launch", False),
        ("locustfile", "swarm", True),
        ("locustfile", "cli", False),
        ("cli", "launch", True),
        ("cli", "swarm", False),
        ("swarm", "planner", False),
    ],
)
def test_the_table_says_what_the_design_says(importer: str, imported: str, verdict: bool) -> None:
    assert allowed(importer, imported) is verdict
