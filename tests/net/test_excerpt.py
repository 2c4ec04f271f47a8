"""The frames that show a violation: of each kind those that are needed, from a real session's."""

import json
from random import Random

import pytest

from loadkit.chat.inputs import START, Opened
from loadkit.measure.recorder import FRAME_LENGTH
from loadkit.net.excerpt import LOOKED_AT
from loadkit.protocol.expectations import EXPECTED
from loadkit.security import redaction
from loadkit.verdict.violation_details import smallest

from .violated import ASKED, JOINED, NUMBERED, ROWS, Visit, batch, chunk, event, read, told_in


def test_each_kind_is_tried() -> None:
    assert ROWS.keys() == EXPECTED.keys()


@pytest.mark.parametrize("kind", ROWS)
def test_a_violation_is_shown_by_the_frames_that_it_needs(kind: str) -> None:
    """And by no others, of which their number is told."""
    steps, expected = ROWS[kind]
    visit = Visit(streaming=kind != "unasked_streaming").do(*steps)
    shown = [*read(visit.shown(kind))]
    assert len(shown) == len(expected), shown
    for line, wanted in zip(shown, expected, strict=True):
        if isinstance(wanted, int):
            assert line == wanted, shown
        else:
            assert isinstance(line, str)
            assert line.startswith("!") == wanted.startswith("!"), shown
            for word in wanted.removeprefix("!").split():
                assert word in line, shown


def test_an_event_of_a_batch_has_a_line_of_its_own() -> None:
    """However long the batch is, and though both that show it are in it."""
    many = [event("LANGUAGE_CHANGED", number, language_code="x" * 500) for number in range(2, 200)]
    visit = Visit().do(START, Opened(), batch(event("SESSION_START", 1), *many, many[-2], many[-1]))
    kept = visit.recorder.take(9.0).evidence
    for one, place, number in zip(kept, ("[198/201]", "[199/201]"), (198, 199), strict=True):
        first, second = smallest("event_repeated", [one])["frames"]
        assert first.startswith(f"  3.000000 ←{place} ")
        assert second.startswith(f"► 3.000000 ←[{number + 2}/201] ")
        for line in (first, second):
            told = told_in(line)
            assert told["sequence"] == number
            assert told["payload"]["language_code"] == "x" * 60 + "… (500 characters)"


def test_what_shows_it_is_told_of_frames_of_any_size() -> None:
    """Its long texts are made shorter, wherever they stand."""
    text = "word " * 25_000
    visit = Visit().do(*ASKED, chunk(6, 1, text), chunk(7, 3, text))
    frames = visit.shown("chunk_index_gap")
    assert [told_in(line)["payload"]["chunk_index"] for line in frames[1:]] == [
        1,
        3,
    ]
    assert all(len(line) <= FRAME_LENGTH for line in frames)


def test_of_a_frame_that_was_cut_in_memory_the_beginning_is_read() -> None:
    """A batch of more than is kept, and later an event of it once more."""
    many = [event("LANGUAGE_CHANGED", number, language_code="x" * 500) for number in range(2, 200)]
    assert len(batch(*many)) > 2 * LOOKED_AT
    visit = Visit().do(
        START, Opened(), batch(event("SESSION_START", 1), *many), JOINED, many[-4:][0]
    )
    assert len(visit.shown("event_repeated")) == 2  # that one was cut off
    visit = Visit().do(START, Opened(), batch(event("SESSION_START", 1), *many), many[3])
    earlier, _, wrong = visit.shown("sequence_not_rising")
    assert told_in(earlier)["sequence"] > told_in(wrong)["sequence"] == 5


@pytest.mark.parametrize(
    "element", ['"' + "x" * 1_000 + '"', "[" * 500 + "]" * 500, "7", '{"type": "\\ud83d"}', "null"]
)
def test_an_element_of_a_batch_that_is_none_is_the_one_that_is_marked(element: str) -> None:
    good = json.loads(batch(event("SESSION_START", 1), NUMBERED[1]))["payload"]["events"]
    first, second = map(json.dumps, good)
    events = f"[{first}, {element}, {second}]"
    frame = f'{{"type": "EVENT_TYPE_EVENT_BATCH", "payload": {{"events": {events}}}}}'
    visit = Visit().do(START, Opened(), frame.encode())
    (line,) = visit.shown("malformed_envelope")
    assert line.startswith("► 3.000000 ←[2/3] ")


def test_a_secret_is_none_in_what_is_made_shorter() -> None:
    secret = "a-token-of-a-connector-that-nobody-is-to-see"
    redaction.remember(secret)
    text = "x" * 30 + secret + "y" * 600
    visit = Visit().do(*ASKED, chunk(6, 1, text), chunk(7, 3, text))
    told = "".join(visit.shown("chunk_index_gap"))
    assert told.count("[secret]") == 2
    assert secret[:12] not in told


@pytest.mark.parametrize("form", ["%{:02x}", "\\u{:04x}", "&#{};"])
def test_an_encoded_token_is_none_in_what_is_made_shorter(form: str) -> None:
    """What the cut leaves of it would be too little to know it by."""
    token = "e30." + "".join(Random(3).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=200))
    redaction.note(token)
    text = "".join(form.format(ord(char)) for char in token)
    visit = Visit().do(*ASKED, chunk(6, 1, text), chunk(7, 3, text))
    first, second = (
        told_in(line)["payload"]["text"] for line in visit.shown("chunk_index_gap")[1:]
    )
    assert first == second == f"[secret]… ({len(text):,} characters)"
