"""What JavaScript's own parser takes is read, and nothing that it refuses."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.protocol import Event, EventType, Flaw, FlawKind, decode
from loadkit.protocol.lenient_json import loads, mend


def frame(kind: str = "POLY_AGENT_MESSAGE_CHUNK", **payload: Any) -> bytes:
    envelope = {"type": f"EVENT_TYPE_{kind}", "id": "1", "timestamp": "t", "payload": payload}
    return json.dumps(envelope).encode()  # which writes halves of a character as escapes


def events(data: bytes) -> list[Event]:
    read = decode(data)
    assert not any(isinstance(one, Flaw) for one in read)
    return [one for one in read if isinstance(one, Event)]


def test_a_text_that_is_cut_within_a_character_is_read_and_told() -> None:
    one, told = events(frame(text="ok \ud83d"))
    assert (one.payload["text"], told.type) == ("ok \ud83d", EventType.LONE_SURROGATE)


def test_a_batch_is_told_of_once_behind_its_end() -> None:
    half = json.loads(frame(text="\ud83d"))
    data = {"type": "EVENT_TYPE_EVENT_BATCH", "payload": {"events": [half, half]}}
    kinds = [one.type.name for one in events(json.dumps(data).encode())]
    assert kinds == [*["POLY_AGENT_MESSAGE_CHUNK"] * 2, "EVENT_BATCH", "LONE_SURROGATE"]


def test_anywhere_but_in_a_text_half_a_character_is_its_escape() -> None:
    one, _ = events(frame("POLY_AGENT_JOINED", agent_name="Ada \ud83d", **{"\ude00": ["\udfff"]}))
    assert one.payload == {"agent_name": "Ada \\ud83d", "\\ude00": ["\\udfff"]}


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400, "-" + "9" * 9000])
def test_a_number_beyond_the_greatest_double_is_infinity(number: str) -> None:
    value, cut = loads(f'{{"a": {number}}}')
    assert (abs(value["a"]), cut) == (float("inf"), False)


@pytest.mark.parametrize(
    "text",
    ["NaN", "Infinity", "-Infinity", "\ufeff{}", "[1,]", "01", '"\t"', "[" * 3000 + "]" * 3000],
)
def test_what_javascript_refuses_or_nobody_can_hold_is_refused(text: str) -> None:
    (one,) = decode(text)
    assert isinstance(one, Flaw)
    assert one.kind is FlawKind.MALFORMED_JSON


@given(st.text(), st.integers(0, 50))
def test_halves_that_come_together_are_the_character_again(text: str, at: int) -> None:
    units = text.encode("utf-16-le")
    at = min(2 * at, len(units))
    halves = [part.decode("utf-16-le", "surrogatepass") for part in (units[:at], units[at:])]
    assert mend("".join(halves)) == text


@given(st.text())
def test_what_is_mended_can_be_written_as_utf_8(text: str) -> None:
    mend(text + "\ud83d").encode()
