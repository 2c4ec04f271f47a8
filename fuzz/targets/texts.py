"""A text of others does nothing to what it is written to, and tells no secret."""

import base64
import json
import re
import unicodedata
from urllib.parse import quote

from hypothesis import strategies as st
from markdown_it import MarkdownIt

from fuzz.target import Target
from loadkit.security import escaping, redaction

SECRET = "k3y-9f2c17ab55d04e8e"  # of no kind that is known by its looks
redaction.remember(SECRET)
WAYS = (
    SECRET,
    quote(SECRET.replace("-", "%2D"), safe="%"),
    "".join(f"%{byte:02X}" for byte in SECRET.encode()),
    "".join(f"\\u{ord(letter):04x}" for letter in SECRET),
    base64.b64encode(SECRET.encode()).decode(),
    f"{SECRET[:10]}\n{SECRET[10:]}",
    SECRET[:14],
)
PAGE = MarkdownIt("commonmark").enable("table")
SEEN = {"text", "code_inline", "text_special", "softbreak"}
SIGNS = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\u110bd\u110cd"


def check(data: bytes) -> None:
    """Two bytes: where a secret is put, and in which form; then the text."""
    head, text = data[:2].ljust(2, b"\0"), data[2:].decode("utf-8", "surrogateescape")
    at = head[0] % (len(text) + 1)
    text = text[:at] + WAYS[head[1] % len(WAYS)] * (head[1] < 128) + text[at:]
    for write in (escaping.one_line, escaping.printed, escaping.markdown, escaping.code):
        told = write(text)
        _nothing_hidden(told)
        assert SECRET not in told, f"{write.__name__} tells a secret"
        assert SECRET[:14] not in told, f"{write.__name__} tells most of a secret"
    line = escaping.one_line(text)
    assert len(line) <= 200
    assert "\n" not in line
    assert escaping.visible(escaping.visible(text)) == escaping.visible(text)
    _nothing_commanded(text, head[0])
    _a_cell(text)
    _same_json(data[2:].decode("utf-8", "replace"))


def _nothing_hidden(told: str) -> None:
    for letter in told:
        kind = unicodedata.category(letter)
        joins = letter in "\u200c\u200d" or letter in SIGNS
        hidden = (kind in ("Cc", "Cf", "Cs", "Zl", "Zp") and letter not in "\n\t") and not joins
        # Tags, and signs of scripts that few fonts have, are of no effect on a line.
        assert not hidden or ord(letter) > 0xFFFF, f"{letter!r} is written"


def _nothing_commanded(text: str, at: int) -> None:
    """However a line is put together."""
    lines = escaping.SafeLines()
    text = escaping.visible(text)
    at %= len(text) + 1
    told = lines(text[:at]) + lines(text[at:])
    assert told.replace("\\", "") == text.replace("\\", ""), "it says something else"
    for line in re.split(r"[\r\n]", told):
        assert not line.strip().startswith("::"), "a command of GitHub Actions"
        for mark in ("##[", "##vso[", "##teamcity[", "section_start:", "travis_fold:"):
            assert mark not in line.lower(), f"a command: {mark}"


def _a_cell(text: str) -> None:
    """One cell of a table, in which there are words and code, and nothing is alive."""
    told = escaping.markdown(text)
    assert "\n" not in told
    tokens = PAGE.parse(f"| a | b |\n| - | - |\n| {told} | end |\n")
    cells = [token for token in tokens if token.type == "inline"]
    assert len(cells) == 4, "it is more than a cell"
    assert cells[3].content == "end"
    kinds = {child.type for child in cells[2].children or []}
    assert kinds <= SEEN, f"{kinds - SEEN} in a cell"
    tokens = PAGE.parse(told)
    assert [token.type for token in tokens] in ([], ["paragraph_open", "inline", "paragraph_close"])


def _same_json(text: str) -> None:
    if redaction.redact(text) != text:
        return
    document = json.dumps({"said": text}, ensure_ascii=False)
    told = escaping.in_json(document)
    _nothing_hidden(told)
    assert json.loads(told) == {"said": text}


PIECES = st.one_of(
    st.sampled_from(
        [
            *("::error::", "::", "##vso[task", "##[", "section_start:1:x", "\x1b[31m"),
            "\x1b]0;t\x07",
            *("\u202e", "\u2028", "\u200d", "\u2066", "\x85", "\ufeff", "\U000e0041", "\ud800"),
            *("@team", "https://a.example", "www.a.b", "#1", "|", "`", "``", "\\", "[a](b)", "<b>"),
            *("&lt;", "* ", "- ", "1. ", "# ", "===", "---", "> ", "    ", "\t", "\r", "\n", "~~~"),
            *("$x$", ":+1:", "=1+1", "eyJ", "%25", "\\u005c", "&#x3a;", "\u0627", "\U0001f469"),
        ]
    ),
    st.text(max_size=6),
)
TARGET = Target(
    "texts",
    check,
    st.builds(
        lambda head, pieces: head + "".join(pieces).encode("utf-8", "surrogatepass"),
        st.binary(min_size=2, max_size=2),
        st.lists(PIECES, max_size=12),
    ),
    (
        b"\0\0::error::a",
        b"\5\1| `@team` | https://x.example/y |",
        "\3\2\u202eab\u2028c".encode(),
        b'\7\3{"a": "\\u001b[0m"}',
    ),
    (b"::", b"##[", b"##vso[", b"`", b"|", b"\xe2\x80\xa8", b"\xe2\x80\xae", b"https://", b"\\"),
)
