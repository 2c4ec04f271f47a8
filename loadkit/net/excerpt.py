"""Which of a session's frames show a violation: what came, and what makes it wrong."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from loadkit.chat.effects import Violation
from loadkit.chat.violations import Wrong
from loadkit.protocol import Event, EventType, Flaw, decode, lenient_json
from loadkit.protocol.expectations import NEEDED, WRONG, left_out
from loadkit.security.redaction import redact

LOOKED_AT: Final = 1 << 14
"""Bytes kept of the beginning of each frame: more than is told."""

_TAIL: Final = 1 << 10  # and of the end of a longer one

LONGEST_LINE: Final = 380  # characters, the stamp included: the rest would be cut off
LONGEST_TEXT: Final = 60  # characters that are told of each text where a frame is longer
MOST_OF_A_LIST: Final = 3  # elements that are told then
DEEPEST: Final = 6  # and how deep
MOST_EVENTS: Final = 1_000  # of a batch that are looked at; a right one has 256 at most


class NotedFrame(NamedTuple):
    """A frame that is remembered, `number` among those of its session; as `kept` has it.

    Attributes:
        stamp: when it came or went (seconds, monotonic).
        way: an arrow: from the server, or to it.
    """

    number: int
    stamp: float
    way: str
    frame: bytes


def kept(frame: bytes) -> bytes:
    """What is kept of a frame: all, but for the middle of one that is very long."""
    if len(frame) <= LOOKED_AT:
        return frame
    return b"%b\xe2\x80\xa6%b" % (frame[:LOOKED_AT], frame[-_TAIL:])


class _Part(NamedTuple):
    """An event of a frame, at its place among all and in its batch; or a frame that holds none."""

    at: int
    noted: NotedFrame
    place: str
    event: Mapping[str, Any]

    @property
    def type(self) -> str:
        return str(self.event.get("type", "")).removeprefix("EVENT_TYPE_")

    @property
    def payload(self) -> Mapping[str, Any]:
        found = self.event.get("payload")
        if not isinstance(found, dict):
            found = self.event.get(self.type.lower())
        return found if isinstance(found, dict) else {}

    @property
    def sequence(self) -> int:
        found = self.event.get("sequence")
        return found if type(found) is int else 0

    @property
    def is_ours(self) -> bool:
        return self.noted.way.startswith("→")


def excerpt(
    violation: Violation, noted: Sequence[NotedFrame], happening: object, recent: int, since: float
) -> list[str]:
    """Tell the frames that led to a violation, in lines, and mark those that show it.

    Args:
        noted: all that is remembered, in order.
        happening: the event or the flaw at which it was found; anything else for the clock.
        recent: how many of the last frames are told though they are not needed.
        since: when the session began (seconds, monotonic).

    In front of those that `loadkit.protocol.expectations` needs stands `WRONG` or `NEEDED`. An
    event of a batch has a line of its own, with its place in the batch.
    """
    kind, sent = violation.kind, violation.sent
    if sent is not None and all((each.stamp, each.frame) != sent for each in noted):
        number = max((each.number for each in noted if each.stamp < sent[0]), default=0)
        noted = sorted(
            [*noted, NotedFrame(number, sent[0], "→", sent[1])], key=lambda each: each.stamp
        )
    parts = [*_parts(noted)]
    wrong = _wrong(violation, parts, happening)
    needed = [] if wrong is None else [wrong]
    if wrong is None:
        pass
    elif kind in _BEFORE:
        fits, earlier = _BEFORE[kind], [*reversed(parts[: wrong.at])]
        if sent is not None:
            earlier = [each for each in earlier if each.noted.stamp <= sent[0]] or earlier
        found = next((each for each in earlier if fits(each, wrong)), None)
        needed += [] if found is None else [found]
    elif kind in _HIGHEST:
        earlier = [each for each in parts[: wrong.at] if 0 < each.sequence != wrong.sequence]
        if _TAB.fullmatch(violation.detail):  # whenever that was
            earlier = [each for each in parts if each.noted.way == "←tab"]
        if kind in (Wrong.EVENT_LOST, Wrong.SEQUENCE_GAP):
            earlier = [each for each in earlier if each.sequence < wrong.sequence]
        needed += [max(earlier, key=lambda each: each.sequence)] if earlier else []
    return [*_lines(noted, wrong, needed, recent, since)]


def _lines(
    noted: Sequence[NotedFrame],
    wrong: _Part | None,
    needed: Sequence[_Part],
    recent: int,
    since: float,
) -> Iterator[str]:
    by_frame: dict[int, list[_Part]] = {}
    for part in sorted(needed, key=lambda each: each.at):
        by_frame.setdefault(id(part.noted), []).append(part)
    told = 0
    for index, each in enumerate(noted):
        shown = by_frame.get(id(each), [])
        if not shown and index < len(noted) - recent:
            continue
        if each.number > told + 1:
            yield left_out(each.number - told - 1)
        told = max(told, each.number)
        if not shown:
            yield f"{each.stamp - since:.6f} {each.way} {_raw(each)}"
        for part in shown:
            mark = WRONG if part is wrong else NEEDED
            yield f"{mark}{each.stamp - since:.6f} {each.way}{part.place} {_told(part)}"
    if noted and noted[-1].number > told:
        yield left_out(noted[-1].number - told)


def _wrong(violation: Violation, parts: Sequence[_Part], happening: object) -> _Part | None:
    """What should not be, or not be there."""
    kind, came = violation.kind, [each for each in parts if not each.is_ours]
    if kind == Wrong.HEARTBEAT_NOT_ECHOED and violation.sent is not None:
        return next(each for each in parts if each.noted.stamp == violation.sent[0])
    if kind == Wrong.NOT_CLOSED:
        came = [each for each in came if each.type == "SESSION_END"] or came
    elif kind == Wrong.SEQUENCE_GAP and violation.detail.isdigit():
        return _behind(came, int(violation.detail))
    elif found := _TAB.fullmatch(violation.detail):
        own = [each for each in came if each.noted.way == "←"]
        return _behind(own, int(found[1]))
    elif isinstance(happening, Flaw):
        last = [each for each in came if came[-1].noted is each.noted]
        return next((each for each in last if _is_flawed(each, happening)), None)
    elif isinstance(happening, Event):
        found_at = [each for each in came if _is(each, happening)]
        came = came if happening.type is EventType.EVENT_BATCH else found_at
    return came[-1] if came else None


_TAB: Final = re.compile(r"a tab saw events up to ([0-9]+) of [0-9]+")


def _behind(came: Sequence[_Part], number: int) -> _Part | None:
    later = [each for each in came if each.sequence > number]
    return min(later, key=lambda each: each.sequence, default=came[-1] if came else None)


def _is(part: _Part, event: Event) -> bool:
    named = event.payload.get("type") if event.type is EventType.UNKNOWN else str(event.type)
    if part.event.get("type") != named or part.sequence != (event.sequence or 0):
        return False
    return event.id is None or part.event.get("id") == event.id


def _is_flawed(part: _Part, flaw: Flaw) -> bool:
    if not part.place:
        return True  # it is all that the frame has
    try:
        read = decode(json.dumps(_element(part)))[0]
    except RecursionError:
        return False
    return isinstance(read, Flaw) and flaw.detail.startswith(read.detail)


def _element(part: _Part) -> Any:
    """An event as it came; in a batch there may be things that are none."""
    return part.event[""] if [*part.event] == [""] else part.event


# What an earlier one must be to show, together with a wrong one, what is wrong.


def _of_type(*names: str) -> Callable[[_Part, _Part], bool]:
    return lambda earlier, _: not earlier.is_ours and earlier.type in names


def _of_same(field: str) -> Callable[[_Part, _Part], bool]:
    def fits(earlier: _Part, wrong: _Part) -> bool:
        value = wrong.payload.get(field)
        return value is not None and earlier.payload.get(field) == value

    return fits


def _is_said(earlier: _Part, _: _Part) -> bool:
    return earlier.is_ours and earlier.type == "USER_MESSAGE"


def _opens(earlier: _Part, _: _Part) -> bool:
    return earlier.type in (_OPENS_OURS if earlier.is_ours else _OPENS)


_same_message: Final = _of_same("message_id")
_OPENS_OURS: Final = ("REQUEST_POLY_AGENT_JOIN", "USER_MESSAGE", "USER_END_SESSION")
_STEPS: Final = (
    "POLY_AGENT_JOINED",
    "POLY_AGENT_TRIGGERED_HANDOFF",
    "LIVE_AGENT_JOINED",
    "HANDOFF_FAILED",
    "HANDOFF_TIMEOUT",
)
_OPENS: Final = (*_STEPS, "POLY_AGENT_MESSAGE", "LIVE_AGENT_MESSAGE", "LIVE_AGENT_LEFT")
_BEFORE: Final[dict[str, Callable[[_Part, _Part], bool]]] = {
    Wrong.SESSION_START_REPEATED: _of_type("SESSION_START"),
    Wrong.EVENT_AFTER_END: _of_type("SESSION_END"),
    Wrong.EVENT_REPEATED: lambda earlier, wrong: earlier.event.get("id") == wrong.event.get("id"),
    Wrong.MESSAGE_ID_REUSED: _same_message,
    Wrong.UNEXPECTED_EVENT: _opens,
    Wrong.ECHO_MISSING: _is_said,
    Wrong.ECHO_ALTERED: _is_said,
    Wrong.THINKING_WITHOUT_ANSWER: _of_type("POLY_AGENT_THINKING"),
    Wrong.SECOND_GREETING: _of_type("POLY_AGENT_JOINED"),
    Wrong.CHUNK_INDEX_GAP: _same_message,
    Wrong.CHUNK_INDEX_REPEATED: lambda earlier, wrong: (
        _same_message(earlier, wrong) and _of_same("chunk_index")(earlier, wrong)
    ),
    Wrong.CHUNK_AFTER_COMPLETE: lambda earlier, wrong: (
        _same_message(earlier, wrong) and earlier.payload.get("is_complete") is True
    ),
    Wrong.WHOLE_BESIDE_CHUNKS: _same_message,
    Wrong.HANDOFF_OUT_OF_ORDER: _of_type(*_STEPS),
    Wrong.QUEUE_POSITION_ROSE: lambda earlier, _: (
        earlier.type == "HANDOFF_QUEUE_STATUS"
        and not earlier.payload.keys().isdisjoint(("position", "position_in_queue"))
    ),
    Wrong.BOT_AFTER_LEFT: _of_type("POLY_AGENT_LEFT"),
    Wrong.WRONG_CLOSE_CODE: _of_type("SESSION_END"),
}
"""The last of these is shown too; of a kind without a row, that one event shows it."""

_HIGHEST: Final = frozenset(
    {Wrong.EVENT_LOST, Wrong.REPLAY_BEFORE_CURSOR, Wrong.SEQUENCE_GAP, Wrong.SEQUENCE_NOT_RISING}
)
"""The one with the highest number before is shown too."""


# --- reading, and telling


def _parts(noted: Sequence[NotedFrame]) -> Iterator[_Part]:
    at = 0
    for each in noted:
        frame = _read(each.frame)
        payload = frame.get("payload", frame.get("event_batch"))
        events = payload.get("events") if isinstance(payload, dict) else None
        if frame.get("type") != EventType.EVENT_BATCH or type(events) is not list or not events:
            yield _Part(at, each, "", frame)
            at += 1
            continue
        for number, event in enumerate(events[:MOST_EVENTS], 1):
            given = event if isinstance(event, dict) else {"": event}
            yield _Part(at, each, f"[{number}/{len(events)}]", given)
            at += 1


def _read(frame: bytes) -> dict[str, Any]:
    """What a frame says, as far as it is there; nothing if it is no object."""
    for loads in (orjson.loads, lambda text: lenient_json.loads(text)[0]):
        try:
            value = loads(frame)
        except ValueError:
            continue
        return value if type(value) is dict else {}
    return _read_cut(frame.decode(errors="replace")) if len(frame) > LOOKED_AT else {}


def _read_cut(text: str) -> dict[str, Any]:
    """The events at the beginning of a batch that was cut, or what tells one event from others."""
    if found := _EVENTS.search(text):
        events, reader, at = list[Any](), json.JSONDecoder(), found.end()
        while True:
            try:
                event, at = reader.raw_decode(text, at)
            except (ValueError, RecursionError):
                break
            events.append(event)
            at = _COMMA.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing too
        if events:
            return {"type": EventType.EVENT_BATCH, "payload": {"events": events}}
    fields = {name: json.loads(value) for name, value in reversed(_FIELD.findall(text))}
    top = {name: fields.pop(name) for name in ("type", "id", "sequence") if name in fields}
    return {**top, "payload": fields}


_EVENTS: Final = re.compile(r'"events"\s*:\s*\[\s*')
_COMMA: Final = re.compile(r"\s*,?\s*")
_FIELD: Final = re.compile(
    r'"(type|id|sequence|message_id|chunk_index|is_complete)"\s*:\s*'
    r'("[\w:.-]*"|[0-9]{1,15}|true|false|null)'
)


def _raw(noted: NotedFrame) -> str:
    return noted.frame.decode(errors="replace")


def _told(part: _Part) -> str:
    """An event as it came, or where that is too long for a line, with its texts made shorter."""
    raw = _raw(part.noted)
    if not part.event or (not part.place and len(raw) <= LONGEST_LINE):
        return raw
    event = _element(part)
    try:
        if len(text := _written(event)) <= LONGEST_LINE:
            return text
    except RecursionError:
        pass
    return _written(_short(event, DEEPEST))


def _written(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace").decode()


def _short(value: Any, deep: int) -> Any:
    if type(value) is str:
        if len(value) <= LONGEST_TEXT:
            return value
        # Before the cut: what is left of an encoded secret may be too little to know it by.
        return f"{redact(value)[:LONGEST_TEXT]}… ({len(value):,} characters)"
    if type(value) is int and abs(value) > 10**18:
        return float(value) if abs(value) < 10**300 else str(value)[:20]
    if isinstance(value, dict | list) and not deep:
        return "…"
    if type(value) is dict:
        # What an event is comes first, however much it says.
        ordered = sorted(value.items(), key=lambda item: isinstance(item[1], dict | list))
        return {_short(key, 0): _short(each, deep - 1) for key, each in ordered[:12]}
    if type(value) is list:
        more = [f"… {len(value) - MOST_OF_A_LIST} more"] if len(value) > MOST_OF_A_LIST else []
        return [*(_short(each, deep - 1) for each in value[:MOST_OF_A_LIST]), *more]
    return value
