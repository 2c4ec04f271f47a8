"""A page is one file, and what strangers say in it is text."""

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.pages.page import Chart, document, drawn, table, text


class Tags(HTMLParser):
    """What a reader of HTML makes of a page: its elements, its texts, its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def a_chart(label: str = "p50, ms") -> Chart:
    return Chart(
        id="one",
        kind="lines",
        title="One",
        question="?",
        says="rises",
        columns={"t": [0.0, 1.0], "p50": [1.5, None]},
        labels={"p50": label},
    )


@given(st.text(max_size=60))
def test_a_text_is_read_as_it_is_written_but_for_what_is_hidden(said: str) -> None:
    """No element comes of it, in an attribute or beside one."""
    page = Tags(f'<p title="{text(said)}">{text(said)}</p>')
    assert [tag for tag, _ in page.tags] == ["p"]
    assert page.tags[0][1]["title"] == "".join(page.texts)


@pytest.mark.parametrize("said", ["\x1b[31m", "\u202e", "\u2066", "\x00", "\u200b"])
def test_what_is_hidden_is_shown(said: str) -> None:
    """Colours of a terminal, and marks that turn a line round."""
    assert said not in text(f"a{said}b")


@given(st.text(max_size=60) | st.just("</script><!--<script>"))
def test_what_a_chart_is_drawn_from_ends_no_script(label: str) -> None:
    """It is read from the page as it was put there."""
    page = document("t", drawn(a_chart(label)), [a_chart(label)], {"marks": []})
    parsed = Tags(page)
    assert [tag for tag, _ in parsed.tags].count("script") == 3
    island = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert island is not None
    found = json.loads(island[1])["charts"][0]["columns"]
    assert found == [
        {"name": "t", "label": "t", "values": [0.0, 1.0]},
        {"name": "p50", "label": label, "values": [1.5, None]},
    ]


def test_it_fetches_nothing() -> None:
    """All that it needs is in it, and a policy forbids the rest."""
    parsed = Tags(document("t", drawn(a_chart()), [a_chart()], {"marks": []}))
    for tag, attributes in parsed.tags:
        assert not {"src", "href", "srcset", "action"} & attributes.keys(), (tag, attributes)
    policies = [a.get("content") for tag, a in parsed.tags if a.get("http-equiv")]
    assert len(policies) == 1
    assert str(policies[0]).startswith("default-src 'none';")


def test_a_chart_says_what_is_seen_in_it() -> None:
    parsed = Tags(drawn(a_chart()))
    assert [a.get("aria-label") for _, a in parsed.tags if a.get("role") == "img"] == ["rises"]


def test_a_table_names_its_columns_and_its_rows() -> None:
    parsed = Tags(table(("kind", "count"), [("a", "1")], caption="c"))
    scopes = [attributes["scope"] for tag, attributes in parsed.tags if tag == "th"]
    assert scopes == ["col", "col", "row"]
