"""Secrets are found by their value, however a text has them."""

import base64
import json
import secrets
from html import unescape
from textwrap import wrap
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.security import redaction
from loadkit.security.redaction import MARK, SHORTEST, hold, note, redact, release, remember, spare

CONNECTOR = "s3cr3t.Connector~Token-0123456789"


def part(length: int) -> str:
    return secrets.token_urlsafe(length)[:length]


def token(head: str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9") -> str:
    """An access token as servers make them: many begin alike."""
    return f"{head}.{part(120)}.{part(43)}"


def percent(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


ENCODINGS = {
    "as it is": str,
    "percent signs": percent,
    "percent signs twice": lambda text: quote(percent(text)),
    "an encoded URL": quote,
    "escapes of JSON": lambda text: "".join(f"\\u{ord(char):04X}" for char in text),
    "JSON in JSON": lambda text: json.dumps(json.dumps("\n" + text)),
    "bytes": lambda text: "".join(f"\\x{ord(char):02x}" for char in text),
    "numbers of HTML": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "HTML in hexadecimal": lambda text: "".join(f"&#x{ord(char):X};" for char in text),
    "names of HTML": lambda text: text.replace("_", "&lowbar;").replace(".", "&period;"),
    "wrapped lines": lambda text: "\n    ".join(wrap(text, 20)),
    "lines of a mail": lambda text: "\r\n".join(wrap(text, 30)),
    "escapes of Markdown": lambda text: text.replace("_", r"\_").replace("-", r"\-"),
    "characters without a width": lambda text: "\u200b".join(text),
    "colours": lambda text: "\x1b[0m".join((text[:40], text[40:])),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 behind something": lambda text: base64.urlsafe_b64encode(f"x:{text}".encode()).decode(),
}


def leaks(told: str, secret: str) -> list[str]:
    """The pieces of a secret that are left in a text, looked for in each of its readings."""
    readings = {told, unescape(told), unquote(told), unquote(unquote(told))}
    readings |= {"".join(reading.split()) for reading in readings}
    pieces = (secret[at : at + SHORTEST] for at in range(len(secret) - SHORTEST + 1))
    return [piece for piece in pieces if any(piece in reading for reading in readings)]


@pytest.mark.parametrize("secret", [CONNECTOR, token(), token("opaque-to-us")])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_secret_is_found_however_it_is_written(secret: str, encoding: str) -> None:
    """What stands around it stays."""
    remember(secret) if secret == CONNECTOR else note(secret)
    told = redact(f"before {ENCODINGS[encoding](secret)} behind")
    assert told.startswith("before ")
    assert told.endswith(" behind")
    assert MARK in told
    assert len(told) < 40


@given(cut=st.integers(SHORTEST, 150), of=st.sampled_from(["first", "rest"]))
@settings(max_examples=50)
def test_a_piece_of_a_secret_is_secret(cut: int, of: str) -> None:
    """Cut by a limit, or split over two fields: neither half is left."""
    mine = token()
    note(mine)
    first, rest = mine[:cut], mine[cut:]
    told = json.loads(redact(json.dumps({"type": first, "id": rest})))
    assert told == {"type": MARK, "id": MARK}
    assert redact(f"<{first if of == 'first' else rest}>") == f"<{MARK}>"


def test_all_tokens_that_begin_alike_are_found() -> None:
    """The index knows each of them by its own pieces."""
    every = [token("opaque-and-alike") for _ in range(300)]
    for one in every:
        note(one)
    assert [one for one in every if leaks(redact(f"x {one} y"), one)] == []
    assert [one for one in every if leaks(redact(one[60:]), one)] == []


def test_a_token_that_this_process_never_had_is_known_by_its_shape() -> None:
    """A process that leads knows none of its workers' tokens."""
    assert redact(f"a {token()} b") == f"a {MARK} b"
    assert redact(f"a {token()[:70]} b") == f"a {MARK} b"


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
@settings(max_examples=50)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    """Whatever escapes it has."""
    remember(CONNECTOR)
    assert redact(text) == text


@given(st.lists(st.text(max_size=30), max_size=6))
@settings(max_examples=50)
def test_json_stays_json(texts: list[str]) -> None:
    """A secret beside escapes takes none of them along."""
    remember(CONNECTOR)
    texts = [f"{text}{CONNECTOR}{text}" for text in texts]
    told = json.loads(redact(json.dumps(texts)))
    assert len(told) == len(texts)
    assert all(MARK in each for each in told)


def test_a_short_secret_is_a_word_and_a_tiny_one_is_none() -> None:
    """Nobody can read a report in which every second letter is wiped out."""
    for secret in ("hunter2", "abc", "%41%42%43"):
        remember(secret)
    told = f"{MARK}, hunter22, a.hunter2.b, abc, {MARK}. {MARK}"
    assert redact("hunter2, hunter22, a.hunter2.b, abc, %41%42%43. hunter2") == told


def test_a_targets_own_host_is_no_secret() -> None:
    """It may be registered by its domain; whichever is known first."""
    remember("shop.example", whole=True)
    spare("api.shop.example")
    remember("shop.example", whole=True)
    remember("other.example", whole=True)
    told = "https://api.shop.example for shop.example"
    assert redact(told) == told
    assert redact("for other.example, not another.example") == f"for {MARK}, not another.example"


def test_tokens_are_forgotten_some_time_after_their_sessions() -> None:
    """Those of sessions that live are not; what is left is bounded."""
    before, pieces = len(redaction._held), len(redaction._index)
    hold(mine := token("opaque"))
    for _ in range(3000):
        hold(other := token("opaque"))
        release(other)
    assert redact(mine) == MARK
    assert len(redaction._held) - before == 1001
    assert len(redaction._index) - pieces < 1001 * 10
    release(mine)
    assert len(redaction._held) - before == 1000


def test_the_work_is_in_proportion_to_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tens of thousands of sessions live in one process: a text is looked at once all the same."""

    class Counted(dict[str, str]):
        looks = 0

        def __contains__(self, key: object) -> bool:
            self.looks += 1
            return super().__contains__(key)

    monkeypatch.setattr(redaction, "_index", index := Counted())
    for _ in range(2000):
        hold(token())
    text = "the quick, brown fox. " * 40
    redact(text)
    assert 0 < index.looks <= len(text)


def test_a_secret_without_end_is_found_by_its_beginning() -> None:
    """An answer may hold 64 KB of one."""
    before = len(redaction._index)
    note(long := f"a.b.{part(60_000)}")
    assert len(redaction._index) - before < 200
    assert redact(f"x {long[:3000]} !") == f"x {MARK} !"  # which no secret has


def test_a_secret_that_repeats_itself_takes_no_longer() -> None:
    """A server may choose its tokens so, and send back what is like them."""
    note(f"{'a' * 20_000}.{'a' * 20_000}.{'a' * 20_000}")
    assert redact("a" * 20_000) == MARK
