"""A hostile conversation: whatever events a server sends, work and memory stay in proportion.

The driver is the real one, and so are session and recorder; the socket is a list of frames. What is
counted is calls, of Python and of C: no clock has a say in it.
"""

import gc
import json
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import count, cycle
from random import Random
from time import perf_counter
from types import SimpleNamespace
from typing import Any, Final

import gevent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.actions import ActionKind, Cue, UserAction
from loadkit.chat.events import session_end
from loadkit.chat.inputs import ELAPSED, START, Closed, Opened
from loadkit.chat.personas import Policy
from loadkit.measure.recorder import Recorder
from loadkit.net.driver import Driver
from loadkit.net.http.entry import Entry
from loadkit.net.http.target import Target
from loadkit.net.interfaces import SessionContext, SessionPlan
from loadkit.net.websocket.link import Traffic
from loadkit.protocol import Event, EventType, Flaw, decode
from loadkit.security.credentials import Credentials
from tests.hostile.peer import Wire, greet, peer, reply
from tests.rfc6455 import TEXT, close_frame, frame

LONGEST_GAP: Final = 2.0  # seconds that nobody else has a turn; without trouble 0.01
CALLS_A_BYTE: Final = 3  # an ordinary event of 200 bytes makes some 60
CALLS_BESIDE: Final = 10_000  # for what happens once: examples, transcripts
EFFECTS_A_BYTE: Final = 0.25  # eight for the shortest event that can mean something
MOST_KEPT: Final = 400_000  # bytes of a session when an attack is over: the last frames, above all
MOST_MEANWHILE: Final = 64_000_000  # bytes: a frame of 1 MB that is read, of two bytes an object
NESTED: Final = b"[" * 1_000 + b"]" * 1_000  # readable, and too deep for Python to write or compare
FRAME: Final = 900_000  # bytes: below what a frame may have

Events = Iterator[dict[str, Any]]
_ids = count()


def event(kind: str, sequence: int | None = None, *, id: Any = None, **payload: Any) -> Any:
    return {
        "type": f"EVENT_TYPE_{kind}",
        "id": f"i{next(_ids)}" if id is None else id,
        "timestamp": "",
        "sequence": sequence,
        "payload": payload,
    }


def text(value: Any) -> bytes:
    """As JSON, what is nested deeply too, which Python would not write."""
    return json.dumps(value, separators=(",", ":")).encode().replace(b'"NESTED"', NESTED)


def batch(*events: Any) -> bytes:
    return text({"type": "EVENT_TYPE_EVENT_BATCH", "payload": {"events": events}})


class Talker:
    """Says something whenever it may."""

    away_s = None

    def react(self, at: float, heard: str, cue: Cue, offered: Any = ()) -> list[UserAction]:
        return [UserAction(at, ActionKind.SAY, offered[-1] if offered else "Where is my order?")]


class Line:
    """A link that is always there; keeps the ids of what was said, for echoes."""

    def __init__(self) -> None:
        self.stamp, self.closed = 1.0, None
        self.said: list[str] = []

    def send(self, frame: bytes, *, more: bool = False) -> None:
        sent = json.loads(frame)
        if "metadata" in sent:
            self.said = [sent["metadata"]["custom"]["local_id"]]

    def close(self, code: int) -> None:
        self.closed = code  # type: ignore[assignment]

    drop = close

    def events(self, message: bytes) -> list[Event | Flaw]:
        """As a link does it, but for the turns that others have."""
        return decode(message)


class Victim:
    """A session whose server is about to turn hostile."""

    def __init__(self, recorder: Recorder) -> None:
        target: Any = SimpleNamespace(network=SimpleNamespace(secrets=()))
        policy, rng = Policy(patience=1e9, queue_patience=1e9), Random(7)
        credentials = Credentials("connector-secret-9f2c", "shop.example")
        setting = SessionContext(target, credentials, recorder, Traffic(), policy, rng)
        self.driver: Any = Driver(setting, Talker(), SessionPlan(streaming=True))
        self.driver._entry = Entry("e30.e30.c2ln", "a-session", "an-id")
        self.driver._feed(0.0, START)
        self.socket()

    def socket(self) -> None:
        self.driver._to = None
        self.line = self.driver._link = Line()
        self.driver._feed(self.line.stamp, Opened())

    def take(self, *frames: bytes) -> None:
        for each in frames:
            if self.driver._finish is not None or self.driver._link is not self.line:
                return
            self.driver._take(self.line, each)
            acts = self.driver._acts
            while acts.due and self.driver._finish is None:
                now = perf_counter()
                self.driver._feed(now, acts.done(now, acts.due.pop(0)))

    def greeted(self) -> "Victim":
        self.take(batch(event("SESSION_START", 1)), text(event("POLY_AGENT_JOINED", 2)))
        self.take(text(event("POLY_AGENT_MESSAGE", 3, text="Hello", message_id="m0")))
        return self

    def echoed(self) -> "Victim":
        """The talker has asked, and the server has heard it."""
        echo = event("USER_MESSAGE", 4, message_id="u0", text="Where is my order?")
        self.take(text(echo | {"metadata": {"custom": {"local_id": self.line.said[0]}}}))
        return self

    def resumed(self) -> "Victim":
        self.driver._link = None
        self.driver._feed(2.0, Closed(1006))
        self.driver._feed(self.driver._session.deadline, ELAPSED)
        self.socket()
        return self


def fresh(recorder: Recorder) -> Victim:
    return Victim(recorder)


def begun(recorder: Recorder) -> Victim:
    victim = Victim(recorder)
    victim.take(batch(event("SESSION_START", 1)))
    return victim


def waiting(recorder: Recorder) -> Victim:
    return Victim(recorder).greeted().echoed()


def resumed(recorder: Recorder) -> Victim:
    return waiting(recorder).resumed()


# --- the attacks: events without end --------------------------------------------------------------


def leaps(by: int) -> Callable[[], Events]:
    return lambda: (event("LANGUAGE_CHANGED", 4 + by * number) for number in count(1))


def same(*values: Any) -> Callable[[], Events]:
    return lambda: cycle(values)


def chunks(index: Callable[[int], Any], of: Callable[[int], Any], said: str = "") -> Any:
    def endless() -> Events:
        for number in count(1):
            payload = {"chunk_index": index(number), "message_id": of(number), "text": said}
            yield event("POLY_AGENT_MESSAGE_CHUNK", **payload)

    return endless


def kinds(*names: str, **payload: Any) -> Callable[[], Events]:
    return lambda: (event(name, **payload) for name in cycle(names))


def numbered(kind: str, field: str, value: Callable[[int], Any]) -> Callable[[], Events]:
    return lambda: (event(kind, **{field: value(number)}) for number in count(1))


def starts() -> Events:
    for number in count(1):
        told = {"heartbeat_interval_seconds": number, "max_reconnect_attempts": number}
        yield event("SESSION_START", 4 + number, capabilities=told)


def nested(number: int) -> Any:
    return "NESTED"


def long(number: int) -> str:
    return f"{number}" + "w" * 5_000


MANY_OFFERS = [{"message_text": "x" * 2_000}] * 20 + [{"message_text": "y"}] * 200

ATTACKS: dict[str, tuple[Callable[[Recorder], Victim], Callable[[], Events]]] = {
    "numbers 10,000 apart in a replay": (resumed, leaps(10_000)),
    "numbers 10,000 apart": (waiting, leaps(10_000)),
    "numbers a million million apart": (waiting, leaps(10**12)),
    "numbers nine apart": (waiting, leaps(9)),
    "numbers nine apart in a replay": (resumed, leaps(9)),
    "numbers that fall": (waiting, lambda: (event("LANGUAGE_CHANGED", -n) for n in count())),
    "things that are no events": (waiting, same(1)),
    "empty objects": (waiting, same({})),
    "no objects and empty ones in turns": (waiting, same(1, {}, [], "", None)),
    "types that nobody knows": (
        waiting,
        lambda: ({"type": f"t{n}", "id": f"{n}", "timestamp": ""} for n in count()),
    ),
    "types of 5,000 letters": (
        waiting,
        lambda: ({"type": long(n), "id": f"{n}", "timestamp": ""} for n in count()),
    ),
    "heartbeats": (waiting, same({"type": "EVENT_TYPE_HEARTBEAT"})),
    "one id again and again": (waiting, kinds("POLY_AGENT_THINKING", id="same")),
    "ids of 5,000 letters": (
        waiting,
        lambda: (event("LANGUAGE_CHANGED", 4 + n, id=long(n)) for n in count(1)),
    ),
    "an answer without an end": (waiting, chunks(lambda n: n, lambda n: "m", "x" * 100)),
    "an answer of empty chunks": (waiting, chunks(lambda n: n, lambda n: "m")),
    "chunks that are all the first": (waiting, chunks(lambda n: 1, lambda n: "m")),
    "chunks from the last to the first": (waiting, chunks(lambda n: 2**60 - n, lambda n: "m")),
    "a chunk of each of many answers": (waiting, chunks(lambda n: 1, lambda n: f"m{n}")),
    "chunks of answers with long names": (waiting, chunks(lambda n: n, long)),
    "chunks nested deeply": (waiting, chunks(nested, nested)),
    "a greeting without an end": (begun, chunks(lambda n: n, lambda n: "m", "x" * 100)),
    "answers to nobody": (
        waiting,
        lambda: (event("POLY_AGENT_MESSAGE", text="x", message_id=f"m{n}") for n in count()),
    ),
    "answers nested deeply": (waiting, numbered("POLY_AGENT_MESSAGE", "message_id", nested)),
    "offers without an end": (
        waiting,
        kinds("POLY_AGENT_MESSAGE", text="Yes?", response_suggestions=MANY_OFFERS),
    ),
    "echoes of what nobody said": (
        waiting,
        lambda: (
            event("USER_MESSAGE") | {"metadata": {"custom": {"local_id": long(n)}}} for n in count()
        ),
    ),
    "starts": (waiting, starts),
    "joins": (waiting, kinds("POLY_AGENT_JOINED", "REQUEST_POLY_AGENT_JOIN")),
    "hand-offs that fail": (waiting, kinds("POLY_AGENT_TRIGGERED_HANDOFF", "HANDOFF_FAILED")),
    "hand-offs that succeed": (waiting, kinds("POLY_AGENT_TRIGGERED_HANDOFF", "LIVE_AGENT_JOINED")),
    "places in a queue": (waiting, numbered("HANDOFF_QUEUE_STATUS", "position_in_queue", int)),
    "the server's excuses": (
        waiting,
        kinds("SYSTEM_MESSAGE", message="Error: Conversation not found"),
    ),
    "high load": (waiting, kinds("SYSTEM_MESSAGE", message="experiencing high load")),
    "before the start": (fresh, kinds("POLY_AGENT_THINKING")),
    "after the end": (waiting, kinds("SESSION_END", reason="REASON_NATURAL_END")),
    "ends for a reason nested deeply": (waiting, numbered("SESSION_END", "reason", nested)),
    "elsewhere, again and again": (
        waiting,
        numbered("CLIENT_HANDOFF_REQUIRED", "queue_name", long),
    ),
    "receipts": (waiting, kinds("USER_READ_MESSAGE")),
}


def frames(endless: Events, size: int) -> list[bytes]:
    """Batches of a full frame each, of that many bytes together."""
    made: list[bytes] = []
    left = size
    while left > 0:
        room, held = min(left, FRAME), list[Any]()
        while room > 0:
            one = next(endless)
            held.append(one)
            room -= len(text(one)) + 1
        made.append(batch(*held))
        left -= len(made[-1])
    return made


def work(victim: Victim, sent: list[bytes]) -> tuple[int, int]:
    """How many calls a driver makes of frames, and how many effects it performs."""
    calls = effects = 0
    performs = Driver._perform.__code__

    def note(at: Any, what: str, _: Any) -> None:
        nonlocal calls, effects
        if what in ("call", "c_call"):
            calls += 1
            effects += what == "call" and at.f_code is performs

    sys.setprofile(note)
    try:
        victim.take(*sent)
    finally:
        sys.setprofile(None)
    return calls, effects


@pytest.mark.parametrize("attack", ATTACKS)
def test_work_is_in_proportion_to_what_was_sent(attack: str) -> None:
    state, endless = ATTACKS[attack]
    sent = frames(endless(), 60_000)
    size = sum(map(len, sent))
    calls, effects = work(state(Recorder()), sent)
    assert calls <= CALLS_A_BYTE * size + CALLS_BESIDE
    assert effects <= EFFECTS_A_BYTE * size


def kept(attack: str, size: int) -> tuple[int, int]:
    """What a session has grown by when an attack is over, and at most meanwhile, in bytes."""
    state, endless = ATTACKS[attack]
    recorder = Recorder()
    victim = state(recorder)
    sent = frames(endless(), size)
    gc.collect()
    tracemalloc.start()
    try:
        victim.take(*sent)
        gc.collect()
        return tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


GREEDY = {  # and bytes that would not fit
    "an answer without an end": 4_000_000,
    "numbers nine apart": 250_000,
    "chunks of answers with long names": 1_000_000,
    "ids of 5,000 letters": 1_000_000,
    "things that are no events": 200_000,
    "offers without an end": 1_000_000,
}


@pytest.mark.parametrize("attack", GREEDY)
def test_a_session_keeps_little_of_an_attack(attack: str) -> None:
    now, at_most = kept(attack, GREEDY[attack])
    assert now < MOST_KEPT
    assert at_most < MOST_MEANWHILE


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_session_keeps_no_more_of_a_longer_attack(attack: str) -> None:
    now, at_most = kept(attack, 3_000_000)
    assert now < MOST_KEPT
    assert at_most < MOST_MEANWHILE


NUMBERS = st.one_of(
    st.integers(-(2**63), 2**64 - 1),
    st.sampled_from([0, 1, 5, 12, 10_000, 10**9]),
    st.floats(allow_nan=False, allow_infinity=False),
)
VALUES = st.one_of(NUMBERS, st.text(max_size=20), st.none(), st.booleans(), st.just([]))
FIELDS = (
    *("message_id", "text", "chunk_index", "is_complete", "reason", "queue_name", "message"),
    *("position_in_queue", "response_suggestions", "capabilities", "estimated_wait_seconds"),
)
RANDOM = st.builds(
    lambda kind, sequence, payload, id: event(kind.name, sequence, id=id, **payload),
    st.sampled_from([kind for kind in EventType if kind is not EventType.UNKNOWN]),
    st.one_of(st.none(), st.integers(-1, 2**64 - 1), st.integers(0, 40)),
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4),
    st.text(max_size=3),
)


whatever_is_sent = given(
    state=st.sampled_from([fresh, begun, waiting, resumed]),
    events=st.lists(RANDOM | VALUES, min_size=1, max_size=30),
    times=st.integers(1, 40),
)


@whatever_is_sent
@settings(max_examples=20)
def test_work_is_in_proportion_whatever_is_sent(
    state: Callable[[Recorder], Victim], events: list[Any], times: int
) -> None:
    in_proportion(state, events, times)


@pytest.mark.slow
@whatever_is_sent
@settings(max_examples=400)
def test_work_is_in_proportion_however_much_is_tried(
    state: Callable[[Recorder], Victim], events: list[Any], times: int
) -> None:
    in_proportion(state, events, times)


def in_proportion(state: Callable[[Recorder], Victim], events: list[Any], times: int) -> None:
    sent = [batch(*events)] * times
    size = sum(map(len, sent))
    calls, effects = work(state(Recorder()), sent)
    assert calls <= CALLS_A_BYTE * size + CALLS_BESIDE
    assert effects <= EFFECTS_A_BYTE * size + 20  # the end of a session


def test_nesting_beyond_what_can_be_read_is_one_flaw() -> None:
    """However deep, and wherever it stands."""
    for deep in (2_000, 100_000):
        assert len(decode(b'{"type":' + b"[" * deep + b"]" * deep + b"}")) == 1


# --- over real sockets ----------------------------------------------------------------------------


class Guest:
    """Says so many lines, and leaves."""

    away_s = None

    def __init__(self, lines: int) -> None:
        self._left = lines

    def react(self, at: float, *_: Any) -> list[UserAction]:
        self._left -= 1
        if self._left < 0:
            return [UserAction(at, ActionKind.LEAVE)]
        return [UserAction(at, ActionKind.SAY, "Where is my order?")]


def lived(
    upgrade: Callable[[Wire], object], lines: int = 0, *, seconds: float = 30
) -> dict[str, Any]:
    """A whole session with a server that does so; what was counted, and how late others were."""
    recorder, late = Recorder(), 0.0

    def others() -> None:
        nonlocal late
        last = perf_counter()
        while True:
            gevent.sleep(0.01)
            now = perf_counter()
            late, last = max(late, now - last), now

    with peer(upgrade=upgrade) as hostile:
        setting = SessionContext(
            target=Target.resolve(hostile.url),
            credentials=Credentials("connector-secret-9f2c", "shop.example"),
            recorder=recorder,
            traffic=Traffic(),
            policy=Policy(),
            rng=Random(7),
        )
        beside = gevent.spawn(others)
        with gevent.Timeout(seconds):
            Driver(setting, Guest(lines), SessionPlan(streaming=True)).run(perf_counter())
        gevent.sleep(0.02)
        beside.kill()
    assert late < LONGEST_GAP
    counts: dict[str, Any] = recorder.take(0.0).counts
    return counts


def never_closes(wire: Wire) -> None:
    greet(wire)
    wire.send(wire.echo(wire.read_event("USER_END_SESSION")))
    wire.send(wire.event("SESSION_END", {"reason": "REASON_USER_END"}))
    wire.silence()


def test_a_server_that_never_closes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_end, "TO_CLOSE", 0.3)
    counts = lived(never_closes)
    assert (counts["violations.not_closed"], counts["ended.user_end"]) == (1, 1)


def starts_again(wire: Wire) -> None:
    greet(wire)
    wire.send(wire.event("SESSION_START", {"capabilities": {"heartbeat_interval_seconds": 0.1}}))
    while reply(wire, wire.read_event()):
        pass
    wire.silence()


def test_a_second_start_is_noticed() -> None:
    counts = lived(starts_again, 1)
    assert {key: n for key, n in counts.items() if key.startswith("violations.")} == {
        "violations.session_start_repeated": 1
    }
    assert counts["ended.user_end"] == 1


def answers_without_end(wire: Wire) -> None:
    greet(wire)
    wire.send(wire.echo(wire.read_event("USER_MESSAGE")))
    for index in range(1, 12_000):
        said = {"message_id": "endless", "chunk_index": index, "text": "x" * 100}
        wire.send(wire.event("POLY_AGENT_MESSAGE_CHUNK", said, numbered=False))
    while reply(wire, wire.read_event()):
        pass
    wire.silence()


def test_an_answer_without_an_end_loses_its_turn_and_the_session_goes_on() -> None:
    counts = lived(answers_without_end, 2)
    assert counts["errors.answer_too_big"] == counts["turns.lost"] == 1
    assert counts["turns.answered"] == counts["ended.user_end"] == 1


def replays_leaps(wire: Wire) -> None:
    if wire.number == 1:  # the second connection: the first was for REST
        greet(wire)
        wire.reset()
        return
    missing, sent = 10_000, []
    for number in range(1, 5_000):
        one = event("LANGUAGE_CHANGED", 10 + number * (missing + 1), language_code="en")
        sent.append(one)
    wire.upgrade(frame(TEXT, batch(*sent)), close_frame(1000))
    wire.silence()


def test_a_replay_of_leaps_costs_what_its_bytes_cost() -> None:
    """Fifty million numbers left out, in half a megabyte."""
    counts = lived(replays_leaps)
    assert counts["disconnects.events_lost"] > 49_000_000
    assert counts["violations.event_lost"] == 4_999
