"""The page of licences is that of the packages that are pinned and installed."""

import hashlib
import json
import re

from docs.licences import COPYLEFT, PAGE, licence, page, pinned
from docs.vendor import ASSETS, RECORD


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


def test_what_is_shipped_of_others_is_as_it_was_fetched() -> None:
    """Nobody edits it here; its licence and its notice are beside it."""
    record = json.loads(RECORD.read_text())
    content = (ASSETS / record["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == record["sha256"]
    assert b"licenses/LICENSE-2.0" in content[:1_000]
    assert "Apache License" in (ASSETS / f"{record['name']}.LICENSE.txt").read_text()
    assert "Apache ECharts" in (ASSETS / f"{record['name']}.NOTICE.txt").read_text()


def test_a_copyleft_licence_is_named_beneath_the_table() -> None:
    left = {name for name in pinned() if COPYLEFT.search(licence(name))}
    note = PAGE.read_text().partition("## Copyleft")[2]
    assert left
    assert {name for name in left if name not in note} == set()
