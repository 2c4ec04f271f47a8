"""What is told of a conversation that nobody may read."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from locust.env import Environment

from loadkit.chat.effects import Failed, Violation
from loadkit.chat.inputs import ELAPSED, FORCED, Refused
from loadkit.chat.violations import Wrong
from loadkit.errors import Failure, LocalError
from loadkit.figures import Origin
from loadkit.security.redaction import note
from loadkit.swarm.worker.blame import Blame
from loadkit.swarm.worker.hidden_texts import (
    detail_without_words,
    frame_without_words,
    origin_without_words,
)
from loadkit.swarm.worker.locust_recorder import SwarmRecorder
from tests.net.violated import ASKED, ROWS, Step, Visit, chunk, read, told_in

SAID = "Mein Passwort ist Geheim-17"
ID = "7f1e2c9a-0b1d-4c3e-8f5a-6b7c8d9e0f1a"


def without(frame: Any) -> Any:
    return json.loads(frame_without_words(f"0.5 ← {json.dumps(frame)}").split(" ", 2)[2])


def test_a_frame_keeps_what_says_nothing() -> None:
    """Types, ids, numbers, times and states; a text is its length."""
    frame = {
        "type": "EVENT_TYPE_USER_MESSAGE",
        "id": ID,
        "sequence": 7,
        "timestamp": "2026-01-01T00:00:00.5Z",
        "payload": {"text": SAID, "message_id": ID, "state": "TYPING_STATE_STARTED"},
        "metadata": {"custom": {"local_id": ID}},
    }
    hidden = frame["payload"] | {"text": f"({len(SAID)} characters)"}  # type: ignore[operator]
    assert without(frame) == frame | {"payload": hidden}


@pytest.mark.parametrize(
    "line",
    ["… 12 frames", "… 1 frame", "► 0.5 ← (close 1011)", "1.25 ← (7 bytes in a binary frame)"],
)
def test_what_loadkit_says_of_frames_is_no_text(line: str) -> None:
    assert frame_without_words(line) == line


@pytest.mark.parametrize("frame", ["… 12 frames of mine", "(close your eyes)", "[0] {"])
def test_what_only_looks_like_that_is_hidden(frame: str) -> None:
    """A line keeps its mark, its time and its way."""
    hidden = f"({len(frame)} characters)"
    assert frame_without_words(f"▹ 0.5 ←tab[3/20] {frame}") == f"▹ 0.5 ←tab[3/20] {hidden}"
    assert frame_without_words(frame) == hidden


@pytest.mark.parametrize("said", [SAID, "4111-1111-1111-1111", "yes", "REASON_X", "17", "cafe"])
@pytest.mark.parametrize(
    "frame",
    [
        {"type": "{}"},
        {"id": "{}", "timestamp": "{}"},
        {"payload": {"reason": "{} "}},
        {"payload": {"message_id": "{}", "other": ["{}"], "text": {"text": "{}"}}},
        {"{}": 1},
        "{}",
    ],
)
def test_a_text_is_hidden_wherever_it_stands(said: str, frame: Any) -> None:
    """A target may repeat it as anything."""
    told = without(json.loads(json.dumps(frame).replace("{}", said)))
    assert said not in json.dumps(told).replace("(17 characters)", "")


def test_numbers_are_texts_but_for_those_of_the_protocol() -> None:
    """What somebody typed may come back as a number."""
    told = without({"sequence": 3, "payload": {"chunk_index": 1, "text": 4111111111111111}})
    assert told == {"sequence": 3, "payload": {"chunk_index": 1, "text": "(16 characters)"}}


def test_what_is_no_json_is_its_length() -> None:
    """It may have been cut."""
    assert frame_without_words(f"0.5 ← {SAID}") == f"0.5 ← ({len(SAID)} characters)"


def test_only_our_own_words_are_details() -> None:
    """By their kinds."""
    assert detail_without_words(Wrong.UNKNOWN_TYPE, SAID) == f"({len(SAID)} characters)"
    assert detail_without_words(Failure.UPGRADE_REFUSED, SAID) == f"({len(SAID)} characters)"
    assert detail_without_words(Wrong.SEQUENCE_GAP, "7") == "7"
    assert detail_without_words(Wrong.ECHO_MISSING, "") == ""


def test_only_identifiers_say_where() -> None:
    """A target names its sessions, and may name them by anything."""
    assert origin_without_words(Origin("A", ID, "")) == Origin("A", ID, "")
    assert origin_without_words(Origin("A", SAID, SAID)) == Origin("A", *2 * ["(27 characters)"])


def test_names_that_a_target_made_up_are_counted_as_one() -> None:
    """They may be anything, too."""
    recorder = SwarmRecorder(Environment(), 0.0, texts_hidden=True)
    for word in (SAID, "other"):
        recorder.count_named("handoffs.client.reason", word)
    assert recorder.take(1.0).counts == {"handoffs.client.reason.hidden": 2}


def leaves(value: Any) -> Iterator[Any]:
    """All that an event says, by whatever name."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from leaves(each)
    else:
        yield value


def repeated(step: Step, word: Any) -> Step:
    """The same with what a person said in the place of that word, wherever it stands."""
    if callable(step):
        return lambda visit: repeated(step(visit), word)
    if isinstance(step, Refused):
        return replace(step, detail=SAID)
    if not isinstance(step, bytes):
        return step
    try:
        return json.dumps(_repeated(json.loads(step), word)).encode()
    except ValueError:  # none that can be read
        return step + SAID.encode()


def _repeated(value: Any, word: Any) -> Any:
    if isinstance(value, dict):
        return {key: _repeated(each, word) for key, each in value.items()}
    if isinstance(value, list):
        return [_repeated(each, word) for each in value]
    return SAID if value == word and type(value) is type(word) else value


def refused(kind: Failure, status: int, times: int = 1) -> Sequence[Step]:
    """A session that cannot come back."""
    return (*ASKED, FORCED, *[ELAPSED, Refused(kind, "no", status)] * times)


SESSIONS: dict[str, Sequence[Step]] = {kind: steps for kind, (steps, _) in ROWS.items()} | {
    "unknown": refused(Failure.UPGRADE_REFUSED, 404),
    "too late": refused(Failure.TOKEN_EXPIRED, 401),
    "gives up": refused(Failure.UPGRADE_REFUSED, 503, times=10),
}


def test_no_kind_that_is_taken_for_ours_holds_a_servers_word() -> None:
    """A server that repeats what was said in any place of what it sends, in sessions of any kind.

    The kinds that do hold it are named, so that they are known to be met at all.
    """
    holding: set[str] = set()
    for kind, steps in SESSIONS.items():
        told = [json.loads(step) for step in steps if isinstance(step, bytes) and step[-1:] == b"}"]
        for word in {(type(word), word): word for word in leaves(told)}.values():
            visit = Visit(streaming=kind != "unasked_streaming")
            with suppress(LocalError):  # the session may take another course than its script
                visit.do(*(repeated(step, word) for step in steps))
            for effect in visit.effects:
                if isinstance(effect, Violation | Failed) and SAID in effect.detail:
                    holding.add(effect.kind)
                    assert SAID not in detail_without_words(effect.kind, effect.detail)
    assert holding == {
        *(Wrong.UNKNOWN_TYPE, Wrong.UNKNOWN_REASON, Wrong.MESSAGE_ID_REUSED),
        *(Wrong.CHUNK_INDEX_MISSING, Wrong.CHUNK_AFTER_COMPLETE, Wrong.WHOLE_BESIDE_CHUNKS),
        *(Failure.UPGRADE_REFUSED, Failure.SESSION_LOST, Failure.TOKEN_EXPIRED),
        Failure.GAVE_UP,
    }


def test_an_exception_leaves_the_process_without_its_secrets() -> None:
    """Who leads does not know them all."""
    told: list[tuple[str, str]] = []
    blame = Blame(*[lambda *text: told.append(text)] * 3)
    note(token := "opaque-header.opaque-claims-0123456789.opaque-signature-0123456789")
    try:
        raise ValueError(f"no way with {token}")
    except ValueError as error:
        blame.take(error)
    ((text, trace),) = told
    assert "ValueError: no way with [secret]" in text
    assert "ValueError: no way with [secret]" in trace


def test_an_exceptions_words_are_left_out_and_its_place_is_told() -> None:
    """A class of the user's may tell what somebody said."""
    told: list[tuple[str, str]] = []
    blame = Blame(*[lambda *text: told.append(text)] * 3)
    blame.texts_hidden = True
    try:
        raise ValueError(SAID)
    except ValueError as error:
        blame.take(error)
    ((text, trace),) = told
    assert "ValueError (test_hidden_texts.py:" in text
    assert SAID not in text + trace
    assert "in test_an_exceptions_words" in trace


@pytest.mark.parametrize("kind", ROWS)
def test_hidden_texts_change_no_mark_and_no_number(kind: str) -> None:
    steps, expected = ROWS[kind]
    visit = Visit(streaming=kind != "unasked_streaming").do(*steps)
    shown = [*read(visit.shown(kind, frame_without_words))]
    assert [line if isinstance(line, int) else line[:1] == "!" for line in shown] == [
        line if isinstance(line, int) else line[:1] == "!" for line in expected
    ]
    told = "".join(map(str, shown))
    assert not any(word in told for word in ("Where", "Whence", "half", "Yes.", "Not ours"))


def test_a_text_that_was_made_shorter_and_is_hidden_keeps_its_length() -> None:
    visit = Visit().do(*ASKED, chunk(6, 1, "word " * 200), chunk(7, 3))
    _, first, _ = visit.shown("chunk_index_gap", frame_without_words)
    assert told_in(first)["payload"]["text"] == "(1,000 characters)"
