"""What the documentation names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = {path.name: path.read_text() for path in (ROOT / "README.md", *ROOT.glob("docs/*.md"))}
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
    folder = ROOT if page == "README.md" else ROOT / "docs"
    for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]*)?\)", PAGES[page]):
        assert (folder / target).exists(), f"{page} has a link to {target}"
