"""What the documentation names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATHS = {path.name: path for path in (*ROOT.glob("[A-Z]*.md"), *ROOT.glob("docs/*.md"))}
PAGES = {name: path.read_text() for name, path in PATHS.items()}
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


@pytest.mark.parametrize("page", PAGES)
def test_a_test_that_is_named_exists(page: str) -> None:
    """The file, and the function in it."""
    for file, function in TEST.findall(PAGES[page]):
        path = ROOT / file
        assert path.is_file(), f"{file} is not there"
        assert not function or re.search(rf"\bdef {function}\(", path.read_text()), function


def test_each_promise_of_security_has_its_test() -> None:
    """Every row of the table names one at least."""
    _, _, rest = PAGES["security.md"].partition("## How each promise is held")
    rows = [line for line in rest.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 5
    assert [row for row in rows if not TEST.search(row.rpartition(" | ")[2])] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_make_target_that_is_named_exists(page: str) -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
    assert set(re.findall(r"`make ([a-z]+)", PAGES[page])) <= targets


@pytest.mark.parametrize("page", PAGES)
def test_a_link_to_a_page_leads_to_it(page: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]*)?\)", PAGES[page]):
        assert (PATHS[page].parent / target).exists(), f"{page} has a link to {target}"


def test_the_map_names_what_is_there() -> None:
    """Every package and every module of it; a package may be left out where it is clear."""
    named = re.findall(r"`((?:[a-z_]+/)*)([a-z_]+\.py)?`", PAGES["ARCHITECTURE.md"])
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "loadkit").rglob("*.py")}
    there |= {"loadkit/locustfile.py", *(f"tests/{path.name}" for path in ROOT.glob("tests/*.py"))}
    places = {f"/{path}" for path in there}
    lacking = {
        f"{folder}{file}"
        for folder, file in named
        if (folder or file) and not any(f"/{folder}{file}" in place for place in places)
    }
    assert lacking == set()
    packages = {path.parent.name for path in (ROOT / "loadkit").glob("*/*/__init__.py")}
    packages |= {path.parent.name for path in (ROOT / "loadkit").glob("*/__init__.py")} - {"plan"}
    assert {name for name in packages if f"{name}/`" not in PAGES["ARCHITECTURE.md"]} == set()
