"""Words of others, read as a terminal, a CI system, a browser or a parser reads them."""

import json
import re
import unicodedata
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from loadkit.security.escaping import (
    SafeLines,
    block,
    code,
    in_json,
    markdown,
    one_line,
    printed,
    visible,
)

PAGE = MarkdownIt("commonmark").enable(["table", "strikethrough"])

SAMPLES = (
    *("::error::x", "a\r::set-output name=x::y", "##vso[task.setvariable]x", "##[group]x"),
    *("section_start:1:x\r\x1b[0K", "##teamcity[x]", "\x1b]0;title\x07", "\x9b31m", "a\u2028b"),
    *("\u202eevil", "a\u200bb", "\ud800", "\x85", "\ufeff", "\U000e0041", "@team #12 !3 GH-4"),
    *("https://evil.example www.evil.example", "[a](http://b)", "![a](b)", "<b onload=x>", "`a"),
    *(
        "``` a",
        "| a | b |",
        "\\| a",
        "\\",
        "# a",
        "- a",
        "1. a",
        "1) a",
        "> a",
        "---",
        "===",
        "|-|",
    ),
    *("a@b.example", "**a** __b__ _c_ ~~d~~", "&lt;&#64;team", "<!-- a", "<http://a.example>"),
    *("deadbeef", "$x$", ":tada:", "[^1]: a", "[a]: b", "    a", "\ta", "/close", "+ a", "* a"),
    *("`@a`@b", "a`` `@team` b", "\\@team", "\\`@team", "x|@y", "``", "@`", "`@", "=1+1", " "),
)
HOSTILE = st.one_of(
    st.sampled_from(SAMPLES),
    st.text(max_size=60),
    st.text(alphabet="`@#|\\<>[]()!*_~-=+:/&;$. \n\r\t1aw", max_size=40),
    st.lists(st.sampled_from(SAMPLES), max_size=4).map(" ".join),
)


def every(samples=SAMPLES):
    def with_examples(test):
        for sample in samples:
            test = example(sample)(test)
        return test

    return with_examples


# --- what is seen


@every()
@given(HOSTILE)
@settings(max_examples=40)
def test_nothing_is_hidden(text: str) -> None:
    """No control but a tab or a line's end, no format, no separator of lines, no half character."""
    for char in visible(text):
        kind = unicodedata.category(char)
        assert char in "\t\n\u200c\u200d" or kind not in ("Cc", "Zl", "Zp", "Cs"), ascii(char)
        assert kind != "Cf" or char in "\u200c\u200d" or "ARABIC" in unicodedata.name(char, "")
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize(
    "text",
    [
        "Grüße, ça va? Ångström · 95 % ≤ 2,5 s → ok",
        "漢字 かな 한국어",
        "السلام عليكم",
        "می\u200cخواهم",
        "क्\u200dष",
        "👩\u200d💻 👨\u200d👩\u200d👧 ❤️\u200d🔥 🇩🇪 1️⃣",
        "a\tb\nc",
        r"C:\temp\new",
    ],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    """In their letters, and with their emojis."""
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\u202eb", r"a\u202eb"),
        ("a\r\x85\x00", r"a\r\x85\0"),
        ("pass\u200dword", r"pass\u200dword"),
        ("\ud800\U000e0041", r"\ud800\U000e0041"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
    ],
)
def test_what_is_hidden_is_an_escape(text: str, told: str) -> None:
    """Nobody wonders what was there."""
    assert visible(text) == told


@given(HOSTILE, st.integers(1, 50))
@settings(max_examples=40)
def test_an_example_is_one_short_line(text: str, most: int) -> None:
    """Whatever its blanks were."""
    told = one_line(text, most)
    assert len(told) <= most
    assert not re.search(r"[\t\n\r]|  ", told)


# --- consoles


def commands(line: str) -> bool:
    """Whether a CI system would act upon a line, by their own rules."""
    bare = re.sub(r"\x1b\[[0-9;]*m", "", line).strip()
    anywhere = ("##[", "##vso[", "##teamcity[", "section_start:", "section_end:")
    return bare.startswith("::") or any(each in line.lower() for each in anywhere)


@given(st.lists(HOSTILE, max_size=5), st.lists(st.integers(1, 5), min_size=1))
@example(["::error"], [1])
@example(["a\n", " ::error"], [2])
@example(["##", "vso[x"], [1])
@example(["a\r::x"], [3])
@settings(max_examples=40)
def test_no_line_is_a_command_however_it_is_written(texts: list[str], sizes: list[int]) -> None:
    """A line may go out in parts of any size, and be broken anywhere."""
    whole, at = "\n".join(texts), 0
    out, told = SafeLines(), ""
    for number in range(len(whole)):
        size = sizes[number % len(sizes)]
        told += out(whole[at : at + size])
        at += size
    assert [line for line in re.split(r"[\r\n]", told) if commands(line)] == []
    assert told.replace("\\", "") == whole.replace("\\", "")


def test_what_is_no_command_is_left_alone() -> None:
    """A namespace, a heading, a time."""
    text = "std::error\n## [a]\n12:30\n# vso\nsection: 1\n"
    assert SafeLines()(text) == text


def test_our_own_command_is_passed_and_what_follows_is_looked_at() -> None:
    """In the same line, and in the next."""
    out = SafeLines()
    out.passed("::error::ours\n")
    assert out("::warning::theirs") == r":\:warning::theirs"
    out.passed("\n##")
    assert out("vso[x") == r"vso\[x"


# --- Markdown


def flat(tokens: list[Token]) -> list[Token]:
    found = []
    for each in tokens:
        found += [each, *flat(each.children or [])]
    return found


def read(page: str, around: set[str]) -> tuple[str, str]:
    """What a reader sees of a page, and what of that is no code; it must hold nothing else."""
    tokens = flat(PAGE.parse(page))
    kinds = {each.type.removesuffix("_open").removesuffix("_close") for each in tokens}
    assert kinds <= around | {"inline", "text", "code_inline", "text_special"}, (page, kinds)
    seen = [each for each in tokens if each.type in ("text", "code_inline", "text_special")]
    plain = [each.content if each.type != "code_inline" else " " for each in seen]
    return "".join(each.content for each in seen), "".join(plain)


ALIVE = re.compile(r"@\w|://|www\.|#\d|!\d|GH-\d|mailto:|xmpp:|\b[0-9a-f]*\d[0-9a-f]{7,}\b", re.I)
LINE = {"paragraph"}
ITEM = {"paragraph", "bullet_list", "list_item"}
CELL = {"table", "thead", "tbody", "tr", "th", "td"}


@example("-- -")
@every()
@given(HOSTILE)
@settings(max_examples=40)
def test_a_page_holds_text_and_nothing_that_lives(text: str) -> None:
    """In a line, an item and a cell: no markup, and no link or name that a site brings to life."""
    safe, blanks = markdown(text), re.compile(r"\s+")
    expected = blanks.sub("", visible(text).replace("|", ""))
    for page, around in (
        (f"{safe}\n", LINE),
        (f"- {safe}\n", ITEM),
        (f"| a | b |\n|---|---|\n| {safe} | end |\n", CELL),
    ):
        seen, plain = read(page, around)
        assert not ALIVE.search(plain), (page, plain)
        shown = blanks.sub("", seen.replace("|", "").replace(r"\x7c", ""))
        shown = shown.removeprefix("ab").removesuffix("end") if around is CELL else shown
        assert shown == expected


@every()
@given(HOSTILE)
@settings(max_examples=40)
def test_code_is_code_to_its_end(text: str) -> None:
    """Whatever backticks are in it."""
    tokens = flat(PAGE.parse(f"a {code(text)} b\n"))
    assert [each.type for each in tokens if each.type in ("text", "code_inline")] == [
        *("text", "code_inline", "text")
    ]
    lines = "\n".join(["", *block(text), "", "behind"])
    kinds = [each.type for each in PAGE.parse(lines)]
    assert kinds == ["fence", "paragraph_open", "inline", "paragraph_close"]


def test_ordinary_words_are_as_readable_as_they_were() -> None:
    """Figures, names of metrics, sentences."""
    for text in (
        "response.p95 812 ms ≤ 2,500 ms",
        "3 × unknown_type: NEW_TYPE",
        "p50/p95 at 12:30",
    ):
        assert markdown(text) == text


# --- JSON and XML


@every()
@given(HOSTILE)
@settings(max_examples=40)
def test_json_means_the_same_and_hides_nothing(text: str) -> None:
    """Even for who prints the file on a terminal."""
    told = in_json(json.dumps({"a": [text]}, ensure_ascii=False, indent=1))
    assert json.loads(told) == {"a": [text]}
    assert visible(told) == told


@every()
@given(HOSTILE)
@settings(max_examples=40)
def test_xml_can_hold_it(text: str) -> None:
    """Every character of it is one that XML knows."""
    element = ElementTree.Element("a", b=printed(text))
    element.text = printed(text)
    again = ElementTree.fromstring(ElementTree.tostring(element, encoding="unicode"))
    assert again.text == (printed(text) or None)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", [*"a\n `:#_@&\\", "a.", "\x1b[0m"])
def test_the_work_grows_with_the_text_and_no_faster(unit: str) -> None:
    """Results of a stranger may hold a word without end: a moment, where each of its letters
    looked for the end of it would take an hour.
    """
    text = f"a{unit * (100_000 // len(unit))}b"
    for told in (markdown(text), code(text), in_json(text), SafeLines()(text)):
        assert told.strip(" `")[0] == "a"
