"""What the documentation names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in sorted(
        [
            *ROOT.glob("[A-Z]*.md"),
            *ROOT.glob("docs/**/*.md"),
            ROOT / "results/README.md",
            ROOT / "examples/README.md",
        ]
    )
}
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
FILE = re.compile(r"`((?:loadkit|tests|bench|fuzz|profiles|docs)/[\w/.-]+)`")
DECISIONS = "docs/decisions/README.md"


@pytest.mark.parametrize("page", PAGES)
def test_a_test_that_is_named_exists(page: str) -> None:
    """The file, and the function in it."""
    for file, function in TEST.findall(PAGES[page]):
        path = ROOT / file
        assert path.is_file(), f"{file} is not there"
        assert not function or re.search(rf"\bdef {function}\(", path.read_text()), function


@pytest.mark.parametrize("page", PAGES)
def test_a_file_or_a_package_that_is_named_exists(page: str) -> None:
    """From the top of the checkout."""
    assert [name for name in FILE.findall(PAGES[page]) if not (ROOT / name).exists()] == []


def test_each_decision_is_in_the_list() -> None:
    """And the list has no other."""
    there = {path.name for path in (ROOT / "docs/decisions").glob("*.md")} - {"README.md"}
    assert set(re.findall(r"\| \[[^]]+\]\(([\w-]+\.md)\)", PAGES[DECISIONS])) == there


def test_each_promise_of_security_has_its_test() -> None:
    """Every row of the table names one at least."""
    _, _, rest = PAGES["docs/security.md"].partition("## How each promise is held")
    rows = [line for line in rest.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 5
    assert [row for row in rows if not TEST.search(row.rpartition(" | ")[2])] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_make_target_that_is_named_exists(page: str) -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
    assert set(re.findall(r"`make ([a-z]+)", PAGES[page])) <= targets


@pytest.mark.parametrize("page", PAGES)
def test_a_link_leads_to_a_page_and_to_a_title_of_it(page: str) -> None:
    """As GitHub makes anchors of titles."""
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([\w-]+))?\)", PAGES[page]):
        there = (ROOT / page).parent / target if target else ROOT / page
        assert there.exists(), f"{page} has a link to {target}"
        if anchor:
            assert anchor in anchors(there.read_text()), f"{page} has a link to {target}#{anchor}"


def anchors(text: str) -> set[str]:
    """Those of a page's titles."""
    titles = re.findall(r"(?m)^#+ (.*)$", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text))
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_map_names_what_is_there() -> None:
    """Every package and module; a module's package may be left out where it is clear."""
    named = re.findall(r"`((?:[a-z_]+/)*)([a-z_]+\.py)?`", PAGES["ARCHITECTURE.md"])
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "loadkit").rglob("*.py")}
    tests = (ROOT / "tests").rglob("test_*.py")
    there |= {
        "loadkit/locustfile.py",
        "hatch_build.py",
        *(path.relative_to(ROOT).as_posix() for path in tests),
    }
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
