"""What is imported is declared in `pyproject.toml`, and pinned in `requirements.txt`."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.sources import parsed, statements

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TO_RUN = {canonicalize_name(one.name): one for one in map(Requirement, PROJECT["dependencies"])}
TO_DEVELOP = {
    canonicalize_name(one.name): one
    for one in map(Requirement, PROJECT["optional-dependencies"]["dev"])
}
OPTIONAL = {"atheris", "picows"}
"""Used where somebody has installed it: what has no wheels for some Pythons (`make fuzz`), or is
only there to be compared with (`make bench`)."""

IMPORT = re.compile(r"^ *(?:import|from) +(\w+)", re.MULTILINE)
"""What looks like one, as a line of a text may."""

SHIPPED = ("loadkit", "locustfile.py")
OTHERS = ("tests", "bench", "fuzz", "docs", "hatch_build.py")


def files(place: str) -> list[Path]:
    path = ROOT / place
    return [path] if path.suffix else sorted(path.rglob("*.py"))


OURS = {"loadkit", "hatch_build", *OTHERS} | {path.stem for path in files("tests")}
"""Our own modules; tests import their helpers by their bare names too."""


def foreign(place: str) -> set[str]:
    """The packages of others that are imported somewhere in a place, inside of functions too."""
    found, known = set[str](), sys.stdlib_module_names | OURS | OPTIONAL
    for path in files(place):
        if not {*IMPORT.findall(path.read_text())} - known - found:
            continue  # nothing that is new here, so that few have to be parsed
        for node in statements(parsed(path)):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names} - known
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found |= {node.module.partition(".")[0]} - known
    return found


@cache
def origins() -> dict[str, set[str]]:
    """By the name that is imported, the distributions that it comes in."""
    found = packages_distributions()
    return {name: {canonicalize_name(one) for one in found[name]} for name in found}


def undeclared(place: str, declared: set[str]) -> set[str]:
    return {name for name in foreign(place) if not origins().get(name, set()) & declared}


@pytest.mark.parametrize("place", SHIPPED)
def test_what_is_shipped_imports_what_is_installed_with_it(place: str) -> None:
    """Not what happens to be there since another package asks for it."""
    assert undeclared(place, {*TO_RUN}) == set()


@pytest.mark.parametrize("place", OTHERS)
def test_what_is_run_in_the_checkout_imports_what_is_declared(place: str) -> None:
    """Among what is there to run, or to develop."""
    assert undeclared(place, {*TO_RUN, *TO_DEVELOP}) == set()


def test_nothing_is_declared_in_vain() -> None:
    """What is installed with it is imported by it."""
    used = set().union(*(origins()[name] for place in SHIPPED for name in foreign(place)))
    assert TO_RUN.keys() - used == set()


def test_what_is_declared_is_pinned_in_a_version_that_fits() -> None:
    """Else the next `make lock` would change it."""
    text = (ROOT / "requirements.txt").read_text()
    pins: dict[str, list[str]] = {}
    for name, version in re.findall(r"(?m)^([\w.-]+)==([\w.]+)", text):
        pins.setdefault(canonicalize_name(name), []).append(version)
    for name, declared in (TO_RUN | TO_DEVELOP).items():
        assert pins.get(name), name
        assert all(declared.specifier.contains(version) for version in pins[name]), name


def test_the_version_of_locust_is_bounded_above() -> None:
    """The next minor version may rename what is replaced in it."""
    bounds = {each.operator for each in TO_RUN["locust"].specifier}
    assert bounds & {"<", "<=", "==", "~="}
