"""The page of licences is that of the packages that are pinned and installed."""

import re

from docs.licences import COPYLEFT, PAGE, licence, page, pinned


def test_the_page_is_up_to_date() -> None:
    """`make licences` writes it."""
    assert PAGE.read_text() == page()


def test_every_package_that_is_pinned_stands_on_it_with_a_licence() -> None:
    """An identifier, and no text of one."""
    rows = dict(re.findall(r"(?m)^\| ([\w.-]+) \| (.+?) \| (?:to|on) ", PAGE.read_text()))
    assert sorted(rows) == pinned()
    assert len(rows) > 50
    known = r"(MIT|MIT-0|Apache-2\.0|BSD-[23]-Clause|0BSD|MPL-2\.0|PSF-2\.0|ZPL-2\.1|Zlib|CC0-1\.0)"
    whole = re.compile(rf"\(?{known}\)?( (AND|OR) \(?{known}\)?)*")
    assert {name: text for name, text in rows.items() if not whole.fullmatch(text)} == {}


def test_a_copyleft_licence_is_named_beneath_the_table() -> None:
    left = {name for name in pinned() if COPYLEFT.search(licence(name))}
    note = PAGE.read_text().partition("## Copyleft")[2]
    assert left
    assert {name for name in left if name not in note} == set()
