"""Whatever a server sends, whenever: no exception, no busy loop, and sums that add up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from random import Random
from typing import Any
from unittest import mock

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.actions import Cue
from loadkit.chat.effects import (
    Connect,
    Counted,
    Drop,
    Effect,
    Failed,
    Finish,
    Hangup,
    Keep,
    Named,
    Sample,
    Send,
    Unfinished,
    Violation,
    YourTurn,
)
from loadkit.chat.inputs import (
    CUT,
    ELAPSED,
    FORCED,
    START,
    VANISHED,
    Closed,
    Input,
    Leave,
    Opened,
    Refused,
    Say,
    Typing,
)
from loadkit.chat.personas import RESENDING, Policy
from loadkit.chat.session import Session
from loadkit.chat.socket import event_log
from loadkit.chat.states import ChatState, SocketState
from loadkit.errors import Failure, LocalError
from loadkit.figures import NAMED, Ending, Phase
from loadkit.protocol import Event, EventType, Flaw, FlawKind

from .helpers import (
    DUE,
    Happening,
    asking_session,
    attributes,
    batch,
    counts,
    event,
    feed,
    finish,
    human_session,
    joined,
    joining_session,
    live_session,
    local_id,
    message,
    new_session,
    only,
    opened_session,
    queued_session,
    violations,
    waiting_session,
)


@pytest.fixture(scope="module", autouse=True)
def narrow_holes() -> Iterator[None]:
    """Each event of a hole is counted as lost: a hundred of them do as well as ten thousand."""
    with mock.patch.object(event_log, "WIDEST", 100):
        yield


# --- every state, every event --------------------------------------------------------------------


def greeting_session() -> Session:
    session = joining_session()
    feed(session, (0.3, joined(2)))
    return session


def left_session() -> Session:
    session = human_session()
    feed(session, (19.0, event("LIVE_AGENT_LEFT")))
    return session


def leaving_session() -> Session:
    session = live_session()
    feed(session, (10.0, Leave(due=10.0)))
    return session


def agent_back_session() -> Session:
    session = left_session()
    feed(session, (19.5, joined()))
    return session


ELSEWHERE = event("CLIENT_HANDOFF_REQUIRED", reason="closed", queue_name="q")
END = event("SESSION_END", reason="REASON_NATURAL_END")


def elsewhere_session() -> Session:
    session = live_session()
    feed(session, (19.9, ELSEWHERE))
    return session


def ended_session() -> Session:
    session = live_session()
    feed(session, (19.9, END))
    return session


def over_session() -> Session:
    session = ended_session()
    feed(session, (20.0, Closed(1000)))
    return session


AT_TALK: dict[ChatState, Callable[[], Session]] = {
    ChatState.NEW: opened_session,
    ChatState.JOINING: joining_session,
    ChatState.GREETING: greeting_session,
    ChatState.READY: live_session,
    ChatState.WAITING: waiting_session,
    ChatState.QUEUED: queued_session,
    ChatState.WITH_HUMAN: human_session,
    ChatState.WAITING_HUMAN: asking_session,
    ChatState.LEFT: left_session,
    ChatState.AGENT_BACK: agent_back_session,
    ChatState.LEAVING: leaving_session,
    ChatState.ELSEWHERE: elsewhere_session,
    ChatState.ENDED: ended_session,
    ChatState.OVER: over_session,
}
AT_THE_END = {ChatState.ENDED: END, ChatState.ELSEWHERE: ELSEWHERE}
UNDER_WAY = [talk for talk in ChatState if talk not in (*AT_THE_END, ChatState.OVER)]
REACHABLE = [
    *((SocketState.GONE, talk) for talk in (ChatState.NEW, ChatState.OVER)),
    *product([SocketState.CONNECTING, SocketState.REPLAYING, SocketState.BACKOFF], UNDER_WAY),
    *((SocketState.LIVE, talk) for talk in UNDER_WAY if talk is not ChatState.NEW),
    *product([SocketState.REPLAYING, SocketState.LIVE], AT_THE_END),
]


def session_at(link: SocketState, talk: ChatState) -> Session:
    """A session in one of the states it can reach."""
    if (link, talk) == (SocketState.GONE, ChatState.NEW):
        return new_session()
    ends = talk in AT_THE_END and link is SocketState.REPLAYING
    session = live_session() if ends else AT_TALK[talk]()
    if session.connection.state is not link:
        feed(session, (20.0, Closed(1006)))
    if (
        link in (SocketState.CONNECTING, SocketState.REPLAYING)
        and session.connection.state is SocketState.BACKOFF
    ):
        feed(session, (DUE, ELAPSED))
        if link is SocketState.REPLAYING:
            feed(session, (22.0, Opened()))
    if ends:
        feed(session, (22.1, AT_THE_END[talk]))
    assert (session.connection.state, session.state) == (link, talk)
    return session


def state(session: Session) -> dict[str, str]:
    parts: list[Any] = [session, session.connection, session.connection.journal, session.turn]
    connection = session.connection
    parts += [connection.heartbeat, connection.attempts, session.answers, session.handoff]
    return {
        f"{type(part).__name__}.{name}": repr(getattr(part, name))
        for part in parts
        if part is not None
        for name in attributes(part)
        if not isinstance(getattr(part, name), (*map(type, parts), Random))
    }


BIG = 2**64 - 1
SEQUENCES = (None, 7, BIG) * 6
NESTED = orjson.loads(b"[" * 1000 + b"]" * 1000)  # what Python can neither write nor compare
PAYLOADS: list[dict[str, Any]] = [
    {},
    {"text": "hi", "message_id": "m", "chunk_index": 1, "is_complete": True},
    {"reason": "REASON_USER_END", "capabilities": {"heartbeat_interval_seconds": 15}},
    {"text": None, "message_id": {"a": []}, "chunk_index": "1", "is_complete": "yes"},
    {"text": ["x"], "message_id": [1], "chunk_index": BIG, "is_complete": True, "reason": {}},
    {"capabilities": {"heartbeat_interval_seconds": 1e300, "max_reconnect_attempts": BIG}},
    {"capabilities": {"heartbeat_interval_seconds": True, "max_reconnect_attempts": None}},
    {"capabilities": [], "reason": ["REASON_USER_END"], "agent": 5, "state": {}},
    {"state": "TYPING_STATE_STARTED", "position_in_queue": BIG, "queue_name": "q" * 10_000},
    {"position_in_queue": True, "queue_name": ["q"], "reason": {"a": 1}, "message": None},
    {"message": "Error: Conversation not found", "response_suggestions": [5, {}, None]},
    dict.fromkeys(("reason", "message_id", "chunk_index", "text", "message"), NESTED),
    {"message": ["high load"], "response_suggestions": {"message_text": "Yes"}},
    {"message": "We are experiencing high load.", "response_suggestions": [{"message_text": 5}]},
]


def well_formed(effects: list[Effect], now: float) -> None:
    """What a driver may rely on."""
    for effect in effects:
        match effect:
            case Connect(cursor=cursor):
                assert type(cursor) is int
            case Send(frame=frame):
                assert type(frame) is bytes
            case Sample(phase=phase, due=due, sent=sent, end=end):
                assert type(phase) is Phase
                assert sent <= end <= now
                assert due is None or due <= end
            case Counted(key=key, since=since, n=n):
                assert isinstance(key, str)
                assert n >= 1
                assert since is None or since <= now
            case Named(family=family, word=word):
                assert family in NAMED
                assert type(word) is str
            case Failed(kind=kind, detail=detail):
                assert type(kind) is Failure
                assert type(detail) is str
            case Violation(kind=kind, detail=detail, sent=about):
                assert isinstance(kind, str)
                assert type(detail) is str
                assert about is None or about[0] <= now
            case YourTurn(heard=heard, cue=cue, suggestions=offered):
                assert (type(heard), type(cue)) == (str, Cue)
                assert all(type(text) is str and text for text in offered)
            case Finish(ending=ending, close=close):
                assert type(ending) is Ending
                assert close in (None, 1000)
            case Unfinished(phase=phase, due=due, sent=since, until=until):
                assert type(phase) is Phase
                assert since <= until <= now
                assert due is None or due <= until
            case Keep():
                assert effect == ()
            case Hangup(code=code):
                assert code == 4002
            case _:
                assert type(effect) is Drop
    finish(effects)  # it is the last, and the only one


EVERYWHERE = pytest.mark.parametrize(("link", "talk"), REACHABLE, ids=lambda part: part.name)


class Failing(list[str]):
    """The cases of one test that fail. All are tried, and all are named."""

    @contextmanager
    def case(self, *what: Any) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.append(f"{' '.join(map(str, what))}: {error!r}")

    def __str__(self) -> str:
        return "\n".join(self)


@EVERYWHERE
def test_no_event_can_crash_a_session(link: SocketState, talk: ChatState) -> None:
    """Of any type, whatever it carries."""
    failing = Failing()
    for turn, kind in enumerate(EventType):
        payloads = [{"size": 1}, {"size": 256}] if kind is EventType.EVENT_BATCH else PAYLOADS
        # What is made of a payload does not hang on its number: each with one of them.
        for payload, sequence in zip(payloads, SEQUENCES[turn % 3 :], strict=False):
            happening = Event(kind, "an-id", sequence, payload, "x" if sequence else None)
            with failing.case(kind.name, sequence, payload):
                survives(session_at(link, talk), happening)
    assert not failing, str(failing)


def survives(session: Session, happening: Event) -> None:
    under_way = session.state not in (ChatState.NEW, ChatState.OVER)
    well_formed(session.step(25.0, happening), 25.0)
    if under_way:
        assert session.connection.journal.cursor >= (happening.sequence or 0)
    over = session.state is ChatState.OVER
    assert over or session.connection.state is not SocketState.LIVE or session.deadline > 0


@EVERYWHERE
def test_a_flaw_is_a_violation_and_moves_nothing(link: SocketState, talk: ChatState) -> None:
    """Of whatever kind."""
    failing = Failing()
    for kind in FlawKind:
        session = session_at(link, talk)
        before = (session.connection.state, session.state, session.deadline)
        with failing.case(kind):
            assert session.step(25.0, Flaw(kind, "why")) == [Violation(kind, "why")]
            assert (session.connection.state, session.state, session.deadline) == before
    assert not failing, str(failing)


@pytest.mark.parametrize("talk", [talk for talk in UNDER_WAY if talk is not ChatState.NEW])
def test_an_unknown_type_is_a_violation_that_names_it_and_is_never_fatal(talk: ChatState) -> None:
    session = AT_TALK[talk]()
    unknown = Event(EventType.UNKNOWN, "an-id", None, {"type": "EVENT_TYPE_OF_TOMORROW"})
    out = feed(session, (25.0, unknown))
    assert out == [Violation("unknown_type", "EVENT_TYPE_OF_TOMORROW")]
    assert session.state is talk


@pytest.mark.parametrize(
    "kind",
    [
        "SESSION_IDLE_WARNING",
        "SYSTEM_MESSAGE",
        "LANGUAGE_CHANGED",
        "USER_RECEIVED_MESSAGE",
        "USER_READ_MESSAGE",
        "POLY_AGENT_RECEIVED_MESSAGE",
        "POLY_AGENT_READ_MESSAGE",
        "LIVE_AGENT_RECEIVED_MESSAGE",
        "LIVE_AGENT_READ_MESSAGE",
        "SHOW_CSAT_REQUEST",
        "CSAT_RESPONSE",
    ],
)
def test_what_needs_no_answer_is_tolerated(kind: str) -> None:
    for made in UNDER_WAY:
        if made is ChatState.NEW:
            continue
        session = AT_TALK[made]()
        talk = session.state
        assert violations(feed(session, (25.0, event(kind)))) == []
        assert session.state is talk


# --- what the tool must not ask -------------------------------------------------------------------

SAY, LEAVE = Say("hi", due=25.0), Leave(due=25.0)
UP = {SocketState.REPLAYING, SocketState.LIVE}


def makes_sense(happening: Input, link: SocketState, talk: ChatState) -> bool:
    if talk is ChatState.OVER:
        return isinstance(happening, Typing)  # which is nothing to anyone
    if isinstance(happening, (Opened, Refused)):
        return link is SocketState.CONNECTING
    if isinstance(happening, Closed):
        return link in UP
    if happening is FORCED:
        return talk not in AT_THE_END and link in UP | {SocketState.CONNECTING}
    if happening is START:
        return (link, talk) == (SocketState.GONE, ChatState.NEW)
    return True  # a person does not see everything that the session knows


HAPPENINGS: list[Input] = [
    *(START, CUT, FORCED, VANISHED, SAY, LEAVE, Typing(True)),
    *(Opened(), Refused(Failure.CONNECT_REFUSED), Closed(1006), Closed(1000)),
]


@EVERYWHERE
def test_what_makes_no_sense_is_our_own_mistake_and_changes_nothing(
    link: SocketState, talk: ChatState
) -> None:
    """And what makes sense does no harm."""
    failing = Failing()
    for happening in HAPPENINGS:
        session = session_at(link, talk)
        with failing.case(happening):
            if makes_sense(happening, link, talk):
                well_formed(session.step(25.0, happening), 25.0)
                continue
            before = state(session)
            try:
                session.step(25.0, happening)
            except LocalError:
                assert state(session) == before
            else:
                raise AssertionError("it is taken for sense")
    assert not failing, str(failing)


@EVERYWHERE
def test_the_clock_ahead_of_the_deadline_changes_nothing(
    link: SocketState, talk: ChatState
) -> None:
    session = session_at(link, talk)
    before = state(session)
    assert session.step(min(session.deadline, 1e9) - 0.01, ELAPSED) == []
    assert state(session) == before


@EVERYWHERE
def test_whatever_is_waited_for_comes_to_its_end(link: SocketState, talk: ChatState) -> None:
    """Nothing but the clock, and sockets that open and say nothing."""
    session = session_at(link, talk)
    if link is SocketState.GONE:
        assert session.deadline == float("inf")
        return
    now, kept = 25.0, (ChatState.READY, ChatState.WITH_HUMAN)
    for _ in range(500):
        if (
            session.state in (*kept, ChatState.OVER)
            and session.connection.state is SocketState.LIVE
        ):
            break
        if session.connection.state is SocketState.CONNECTING:
            feed(session, (now, Opened()))
        if session.state is ChatState.OVER:
            break
        assert session.deadline < now + 1e4, "it waits for ever"
        now = max(now, session.deadline)
        feed(session, (now, ELAPSED))
    assert session.state in (*kept, ChatState.OVER)


# --- any story ------------------------------------------------------------------------------------

TEXTS = [
    "Our system is experiencing high load. Please try again in a moment.",
    "Error: Conversation not found",
    "Sorry, I encountered an error. Please try again.",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "text": st.text() | JSON,
        "message_id": st.sampled_from(["m1", "m2", "m3"]) | JSON,
        "chunk_index": st.integers(0, 5) | JSON,
        "is_complete": st.booleans() | JSON,
        "reason": st.sampled_from(["REASON_USER_END", "REASON_NATURAL_END"]) | JSON,
        "position_in_queue": st.integers(0, 5) | JSON,
        "state": st.sampled_from(["TYPING_STATE_STARTED", "TYPING_STATE_STOPPED"]) | JSON,
        "message": st.sampled_from(TEXTS) | JSON,
        "capabilities": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "heartbeat_interval_seconds": st.floats(0, 60) | JSON,
                "max_reconnect_attempts": st.integers(0, 4) | JSON,
            },
        ),
    },
)
LIKELY = [
    EventType.SESSION_START,
    EventType.POLY_AGENT_JOINED,
    EventType.POLY_AGENT_THINKING,
    EventType.POLY_AGENT_MESSAGE,
    EventType.POLY_AGENT_MESSAGE_CHUNK,
    EventType.HEARTBEAT,
    EventType.SYSTEM_MESSAGE,
    EventType.POLY_AGENT_TRIGGERED_HANDOFF,
    EventType.POLY_AGENT_LEFT,
    EventType.HANDOFF_ACCEPTED,
    EventType.HANDOFF_FAILED,
    EventType.LIVE_AGENT_JOINED,
    EventType.LIVE_AGENT_MESSAGE,
]
RARE = [kind for kind in EventType if kind not in (EventType.EVENT_BATCH, EventType.SESSION_END)]
EVENTS = st.builds(
    Event,
    st.sampled_from(LIKELY) | st.sampled_from(RARE),
    st.none() | st.integers(0, 10**9).map(str),
    st.none() | st.integers(-1, 60) | st.integers(),
    FIELDS,
)
BATCHES = st.sampled_from([0, 1, 255, 256, 300]).map(batch)
CODES = st.sampled_from([1000, 1001, 1006, 1009, 1011, 4000, 4001, 4002, 4003])
MOVES = st.one_of(
    EVENTS,
    BATCHES,
    st.builds(Flaw, st.sampled_from(FlawKind), st.text()),
    st.sampled_from(["echo", "echo", "elapse", "elapse", "socket", "socket"]),
    st.sampled_from(["act", "act", "act", "lose", "break", "vanish"]),
    st.builds(event, st.just("SESSION_END"), reason=JSON),
)
POLICIES = st.builds(
    Policy,
    patience=st.sampled_from([0.5, 20.0, 60.0]),
    handshake=st.sampled_from([0.1, 10.0]),
    resend=st.sampled_from([*RESENDING]),
    max_reconnect_attempts=st.sampled_from([None, 1, 10]),
    zero_is_no_limit=st.booleans(),
    reconnect=st.sampled_from(["reference", "sdk", "ios"]),
    rejoins=st.sampled_from([0, 3, 1000]),
    recycle=st.sampled_from([0.0, 5.0]),
    recycled=st.sampled_from([None, 4002]),
    context=st.booleans(),
)


class Story:
    """Plays a driver and a person to one session, and checks what they rely on."""

    def __init__(self, policy: Policy, data: st.DataObject) -> None:
        self.session, self.data = Session(policy, Random(1)), data
        self.now = 0.0
        self.greeted = self.over = False
        self.out: list[Effect] = []
        self.said: list[str] = []  # the ids of messages without an echo
        self.happen(START)

    def happen(self, happening: Happening) -> None:
        out = self.session.step(self.now, happening)
        well_formed(out, self.now)
        self.out += out
        if "turns.sent" in counts(out):
            self.said.append(local_id(out))
        self.greeted = self.greeted or bool(only(out, YourTurn))
        self.over = finish(out) is not None
        assert self.over == (self.session.state is ChatState.OVER)

    def move(self, move: Any) -> None:
        self.now += self.data.draw(st.sampled_from([0.0, 0.01, 1.0, 7.0]))
        link = self.session.connection.state
        is_open = link in (SocketState.REPLAYING, SocketState.LIVE)
        if move == "elapse":
            self.elapse()
        elif move == "socket" and link is SocketState.CONNECTING:
            refused = Refused(Failure.CONNECT_REFUSED, "", self.data.draw(st.none() | st.just(503)))
            self.happen(self.data.draw(st.sampled_from([Opened(), refused])))
        elif move == "lose" and is_open:
            self.happen(Closed(self.data.draw(CODES)))
        elif move == "break" and self.session.breakable:
            self.happen(FORCED)
        elif move == "vanish" and self.greeted and self.data.draw(st.integers(0, 5)) == 0:
            self.happen(VANISHED)
        elif move == "act":
            self.act()
        elif move == "echo" and is_open and self.said:
            identity = self.said.pop(self.data.draw(st.integers(0, len(self.said) - 1)))
            self.happen(event("USER_MESSAGE", local_id=identity, message_id=identity))
        elif isinstance(move, (Event, Flaw)) and is_open:
            self.happen(move)

    def act(self) -> None:
        """People type over each other and over the agent."""
        if self.greeted:
            acts = [Say("hi", self.now), Say("hi", self.now), Leave(self.now), Typing(True)]
            self.happen(self.data.draw(st.sampled_from(acts)))

    def elapse(self) -> None:
        """Go to the deadline; it must move, or the session must end."""
        due = self.session.deadline
        if due == float("inf"):
            return
        self.now = max(self.now, due)
        for _ in range(20):  # an outage's end, several patiences and a heartbeat may be due at once
            self.happen(ELAPSED)
            if self.over or self.session.deadline > self.now:
                return
        raise AssertionError(f"a busy loop: {self.session.deadline} at {self.now}")

    def check(self) -> None:
        sums = counts(self.out)
        rest = sums["turns.sent"] - sums["turns.answered"] - sums["turns.lost"]
        assert rest == sums["turns.open"] + len(self.session.open_turns())
        for wait in only(self.out, Unfinished):
            assert wait.sent <= wait.until
        answers = samples_of(self.out, Phase.RESPONSE) + samples_of(self.out, Phase.LIVE_RESPONSE)
        assert len(answers) <= sums["turns.answered"]
        assert len(samples_of(self.out, Phase.FIRST_CHUNK)) <= sums["turns.sent"]
        assert len(samples_of(self.out, Phase.ECHO)) <= sums["turns.sent"]
        gone = ("unexpected", "forced", "recycled", "refreshed")
        assert sums["disconnects.reconnected"] <= sum(sums[f"disconnects.{why}"] for why in gone)
        assert sums["turns.resent"] <= 3 * sums["turns.sent"]
        assert sums["turns.answered_twice"] <= sums["turns.resent"]
        if self.over and only(self.out, Finish)[0].ending not in (
            *(Ending.CUT_OFF, Ending.ABANDONED, Ending.CLIENT_HANDOFF),
        ):
            assert rest == 0, "a turn of a session that came to its end is answered or lost"


def samples_of(effects: list[Effect], phase: Phase) -> list[Sample]:
    return [sample for sample in only(effects, Sample) if sample.phase is phase]


@settings(max_examples=60, deadline=None)
@given(policy=POLICIES, moves=st.lists(MOVES, max_size=40), greeted=st.booleans(), data=st.data())
def test_any_story_goes_without_an_exception_and_its_sums_add_up(
    policy: Policy, moves: list[Any], greeted: bool, data: st.DataObject
) -> None:
    story = Story(policy, data)
    if greeted:  # or too few stories come as far as a turn
        story.happen(Opened())
        for happening in (event("SESSION_START"), batch(), joined(), message("Hello!")):
            story.happen(happening)
        story.happen(Say("hi", story.now))
    for move in moves:
        if story.over:
            break
        story.move(move)
        story.check()
    if not story.over:
        story.happen(CUT)
        assert story.over
        story.check()


@settings(max_examples=30, deadline=None)
@given(policy=POLICIES, seed=st.integers(0, 1000), capabilities=FIELDS)
def test_a_session_with_a_silent_server_always_comes_to_its_end(
    policy: Policy, seed: int, capabilities: dict[str, Any]
) -> None:
    """Nothing but the clock and an open socket: patience and attempts run out."""
    session = Session(policy, Random(seed))
    now, over = 0.0, False
    session.step(now, START)
    for _ in range(200):
        if session.connection.state is SocketState.CONNECTING:
            session.step(now, Opened())
            if not session.connection.journal.known:
                session.step(now, event("SESSION_START", 1, **capabilities))
                session.step(now, batch())
        now = max(now, session.deadline)
        over = finish(session.step(now, ELAPSED)) is not None
        if over:
            break
    assert over
