"""A session's driver between its doubles: no socket, and a clock that moves only when it waits."""

import base64
import json
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Any, ClassVar

import gevent
import pytest

from loadkit.actions import ActionKind, Cue, UserAction
from loadkit.chat.personas import Policy
from loadkit.errors import Failure, RemoteError
from loadkit.figures import Count, Ending, Phase, Wait
from loadkit.net import driver as module
from loadkit.net import fault_injector
from loadkit.net.driver import Driver
from loadkit.net.http.entry import Entry
from loadkit.net.interfaces import SessionContext, SessionPlan
from loadkit.net.websocket.link import CloseInfo
from loadkit.profile.chaos import ChaosFault
from loadkit.protocol import decode

LATENCY = 0.25  # seconds from what is sent to each thing that comes of it
BUSY = 0.01  # seconds by which all that comes is read late
ENTRY = Entry("a.token.of-a-test", "session-1", "exchange-1")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds < 1e6, "nobody would ever wake it"
        self.now += seconds


class Server:
    """The far side of every socket: what comes of each frame that is sent; no more is known of it.

    Attributes:
        links: the sockets that were opened, in order.
        refusals: of the next upgrades.
        behind: what comes on the next socket behind its history.
        on_message: called with the socket that the answer to a message is on.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock, self.links, self.log = clock, list[Link](), list[dict[str, Any]]()
        self.refusals: deque[RemoteError] = deque()
        self.on_message: Callable[[Link], object] = lambda _: None
        self.behind: deque[bytes | CloseInfo | BaseException] = deque()

    def event(self, kind: str, payload: Any = None, local_id: str | None = None) -> dict[str, Any]:
        custom = {"local_id": local_id} if local_id else {}
        number = len(self.log) + 1
        self.log.append(
            {"type": f"EVENT_TYPE_{kind}", "id": f"e{number}", "sequence": number, "timestamp": "t"}
            | {"payload": payload or {}, "metadata": {"custom": custom}}
        )
        return self.log[-1]

    def answers(self, sent: dict[str, Any]) -> Iterator[dict[str, Any]]:
        kind = sent["type"].removeprefix("EVENT_TYPE_")
        if kind == "USER_TYPING":
            return
        text, message = sent["payload"], f"m{len(self.log)}"
        local_id = sent.get("metadata", {}).get("custom", {}).get("local_id")
        yield self.event(kind, text | {"message_id": message} if local_id else text, local_id)
        if kind == "REQUEST_POLY_AGENT_JOIN":
            yield self.event("POLY_AGENT_JOINED", {"agent_name": "Ada"})
            yield self.event("POLY_AGENT_MESSAGE", {"message_id": "hello", "text": "Hello."})
        elif kind == "USER_MESSAGE":
            yield self.event("POLY_AGENT_THINKING")
            said = {"message_id": f"re-{message}", "text": "It is on its way."}
            yield self.event("POLY_AGENT_MESSAGE", said)
        elif kind == "USER_END_SESSION":
            yield self.event("SESSION_END", {"reason": "REASON_USER_END"})


class Link:
    """A double of `loadkit.net.websocket.link.Link`, as far as a driver asks of it."""

    server: ClassVar[Server]
    flooded, lost_s, compressed = False, 0.0, False

    @classmethod
    def open(cls, target: object, query: str, traffic: object, **options: Any) -> "Link":
        server = cls.server
        server.clock.now += LATENCY
        if server.refusals:
            raise server.refusals.popleft()
        server.links.append(cls(query))
        return server.links[-1]

    def __init__(self, query: str) -> None:
        self.query, self.clock = query, self.server.clock
        self.opened_at = self.stamp = self.clock.now
        self.closed: CloseInfo | None = None
        self.coming: deque[tuple[float, bytes | CloseInfo | BaseException]] = deque()
        self.sent: list[str] = []
        self.held: list[str] = []  # those that were to go out with the next
        self.done: list[str] = []
        if not self.server.log:
            self.server.event("SESSION_START", {"capabilities": {"heartbeat_interval_seconds": 0}})
        after = int(query.partition("seq%3A")[2] or 0)
        events = [each for each in self.server.log if each["sequence"] > after]
        batch = {"type": "EVENT_TYPE_EVENT_BATCH", "payload": {"events": events}}
        self.then(json.dumps(batch).encode())
        if self.server.behind:
            self.then(self.server.behind.popleft())

    def then(self, what: bytes | CloseInfo | BaseException) -> None:
        last = self.coming[-1][0] if self.coming else self.clock.now
        self.coming.append((max(last, self.clock.now) + LATENCY, what))

    def receive(self, until: float | None, *, promptly: bool = False) -> list[bytes]:
        if not self.coming or (until is not None and self.coming[0][0] > until):
            assert until is not None, "nobody would ever wake it"
            self.clock.now = max(until, self.clock.now)
            return []
        at, what = self.coming.popleft()
        self.clock.now = max(at, self.clock.now) + BUSY
        if isinstance(what, BaseException):
            raise what
        if isinstance(what, CloseInfo):
            self.closed = what
            return []
        self.stamp = at
        return [what]

    events = staticmethod(decode)

    def send(self, frame: bytes, *, more: bool = False) -> None:
        sent = json.loads(frame)
        self.sent.append(sent["type"].removeprefix("EVENT_TYPE_"))
        self.held += self.sent[-1:] if more else []
        for event in self.server.answers(sent):
            self.then(json.dumps(event).encode())
            if event["type"] == "EVENT_TYPE_SESSION_END":
                self.then(CloseInfo(1000, "", clean=True))
        if sent["type"] == "EVENT_TYPE_USER_MESSAGE":
            self.server.on_message(self)

    def drop(self, *, reset: bool = False) -> None:
        self.done.append("reset" if reset else "dropped")

    def close(self, code: int = 1000) -> None:
        self.done.append(f"closed {code}")
        self.closed = CloseInfo(code, "", clean=True)

    def abandon(self) -> "Link":
        self.done.append("abandoned")
        return self


class Notes:
    """A recorder that keeps what a test asks of."""

    def __init__(self) -> None:
        self.samples: dict[Phase, list[tuple[Any, ...]]] = {}
        self.waits: list[tuple[Phase, bool]] = []
        self.counts: Counter[str] = Counter()
        self.failures: list[tuple[Failure, str]] = []
        self.violations: list[str] = []
        self.endings: list[Ending] = []

    def sample(self, phase: Phase, due: float | None, *stamps: Any) -> None:
        self.samples.setdefault(phase, []).append(stamps)

    def unfinished(self, phase: Phase, due: float | None, *rest: Any) -> None:
        self.waits.append((phase, rest[-1]))

    def count(self, key: str, n: int = 1, since: float | None = None) -> None:
        self.counts[key] += n

    def count_named(self, family: str, word: str) -> str:
        self.counts[key := f"{family}.{word}"] += 1
        return key

    def fail(self, kind: Failure, detail: str, origin: Any) -> None:
        self.failures.append((kind, origin.correlation_id))

    def violate(self, kind: str, detail: str, *rest: Any) -> None:
        self.violations.append(kind)

    def session_started(self) -> None:
        self.counts["started"] += 1

    def session_ended(self, ending: Ending) -> None:
        self.endings.append(ending)


@dataclass
class Person:
    """Does what `acts` have for each of their turns, in seconds from when it was theirs."""

    acts: list[tuple[UserAction, ...]]
    away_s: float | None = None
    heard: list[tuple[str, Cue]] = field(default_factory=list)

    def react(self, at: float, heard: str, cue: Cue, suggestions: object) -> list[UserAction]:
        self.heard.append((heard, cue))
        return [act._replace(due=at + act.due) for act in self.acts.pop(0)]


ASKS = (UserAction(1.0, ActionKind.SAY, "Where is it?"),)
LEAVES = (UserAction(1.0, ActionKind.LEAVE),)


@dataclass
class World:
    clock: Clock
    server: Server
    notes: Notes

    def driver(
        self, *acts: tuple[UserAction, ...], away_s: float | None = None, **plan: Any
    ) -> Driver:
        self.person = Person([*acts], away_s)
        target: Any = None
        setting = SessionContext(target, target, self.notes, target, Policy(), Random(1))  # type: ignore[arg-type]
        return Driver(setting, self.person, SessionPlan(**plan))

    def live(self, *acts: tuple[UserAction, ...], **plan: Any) -> Ending:
        return self.driver(*acts, **plan).run(self.clock.now).ending


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    clock = Clock()
    made = World(clock, Server(clock), Notes())
    monkeypatch.setattr(Link, "server", made.server, raising=False)
    monkeypatch.setattr(module, "Link", Link)
    monkeypatch.setattr(module, "enter", lambda *_: ENTRY)
    monkeypatch.setattr(module, "perf_counter", clock)
    monkeypatch.setattr(fault_injector, "perf_counter", clock)
    monkeypatch.setattr(gevent, "sleep", clock.sleep)
    return made


def test_it_does_what_the_session_and_the_person_ask_in_their_order(world: World) -> None:
    assert world.live(ASKS, LEAVES) is Ending.USER_END
    (link,) = world.server.links
    assert link.sent == ["REQUEST_POLY_AGENT_JOIN", "USER_MESSAGE", "USER_END_SESSION"]
    assert link.done == ["dropped"]
    assert world.person.heard == [("Hello.", Cue.GREETED), ("It is on its way.", Cue.ANSWERED)]
    assert world.notes.counts[Count.REACHED_ANSWER] == 1
    assert (world.notes.endings, world.notes.failures) == ([Ending.USER_END], [])
    assert world.notes.violations == []


def test_typing_that_ends_with_the_message_goes_out_in_one_piece_with_it(world: World) -> None:
    """What is followed by nothing at once, or by the end, waits for nothing."""
    started, stopped = ActionKind.TYPING_STARTED, ActionKind.TYPING_STOPPED
    typed = UserAction(1.0, started), UserAction(2.0, stopped), UserAction(2.0, ActionKind.SAY, "?")
    leaves = UserAction(1.0, started), UserAction(1.0, stopped), UserAction(1.0, ActionKind.LEAVE)
    world.live(typed, leaves)
    (link,) = world.server.links
    typing = ["USER_TYPING"] * 2
    assert link.sent[1:] == [*typing, "USER_MESSAGE", *typing, "USER_END_SESSION"]
    assert link.held == typing  # the first STOPPED, and the second STARTED
    assert world.notes.violations == []


def test_what_it_times_is_dated_by_when_the_link_had_it(world: World) -> None:
    """Echo, thinking and answer come one latency after the other."""
    world.live(ASKS, LEAVES)
    ((sent, end, turn),) = world.notes.samples[Phase.RESPONSE]
    assert end - sent == pytest.approx(3 * LATENCY)
    assert (turn.since, turn.number) == (100.0, 1)
    assert turn.seen().thinking - sent == pytest.approx(2 * LATENCY)
    ((sent, end),) = world.notes.samples[Phase.CONNECT]
    assert end - sent == LATENCY


def test_who_gets_no_token_has_a_session_that_failed_and_no_socket(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(setting: object, due: float, waits: Callable[[Wait], None], plan: object) -> Entry:
        waits(Wait(Phase.TOKEN, due, due))
        raise RemoteError(Failure.RATE_LIMITED, "busy", status=429, correlation_id="x")

    monkeypatch.setattr(module, "enter", refuse)
    assert world.live(ASKS) is Ending.FAILED
    assert world.notes.failures == [(Failure.RATE_LIMITED, "x")]
    assert world.notes.waits == [(Phase.TOKEN, True)]
    assert world.server.links == []


def test_a_lost_socket_is_followed_by_one_that_asks_for_what_was_not_seen(world: World) -> None:
    world.server.behind.append(CloseInfo(1006, "", clean=False))
    assert world.live(ASKS, LEAVES) is Ending.USER_END
    first, second = world.server.links
    assert "cursor" not in first.query
    assert second.query.endswith("cursor=seq%3A1")
    assert len(world.notes.samples[Phase.RECONNECT]) == 1


@pytest.mark.parametrize(("left", "kind"), [(-60, "token_expired"), (60, "session_lost")])
def test_a_refusal_for_an_old_token_is_called_so(
    world: World, monkeypatch: pytest.MonkeyPatch, left: int, kind: str
) -> None:
    claims = base64.urlsafe_b64encode(b'{"exp": %d}' % (1_000_000 + left)).decode()
    monkeypatch.setattr(module, "enter", lambda *_: ENTRY._replace(token=f"e30.{claims}.c2ln"))
    monkeypatch.setattr(module, "time", lambda: 1_000_000.0)
    refusal = RemoteError(Failure.UPGRADE_REFUSED, "no", status=401, correlation_id="y")
    world.server.refusals.extend([refusal] * 20)
    assert world.live(ASKS) is Ending.FAILED
    assert (str(world.notes.failures[-1][0]), world.notes.failures[-1][1]) == (kind, "y")
    assert world.notes.counts["refused.401"] >= 1


def test_who_is_killed_while_they_wait_tells_the_server_and_counts_as_cut_off(
    world: World,
) -> None:
    world.server.behind.append(gevent.GreenletExit())
    with pytest.raises(gevent.GreenletExit):
        world.live(ASKS)
    (link,) = world.server.links
    assert link.sent[-1] == "USER_END_SESSION"
    assert world.notes.endings == [Ending.CUT_OFF]


def test_who_is_killed_while_they_write_leaves_the_half_frame_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(link: Link, frame: bytes, **_: bool) -> None:
        raise gevent.GreenletExit

    monkeypatch.setattr(Link, "send", interrupted)
    with pytest.raises(gevent.GreenletExit):
        world.live(ASKS)
    (link,) = world.server.links
    assert link.done == ["dropped"]
    assert world.notes.endings == [Ending.CUT_OFF]


@pytest.mark.parametrize(
    ("how", "done"), [("", ["dropped"]), ("silent", ["abandoned", "closed 1000"])]
)
def test_who_vanishes_says_nothing_and_may_come_back_to_look(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str, done: list[str]
) -> None:
    looked: list[tuple[float, str]] = []

    def revisit(setting: object, query: str) -> str:
        looked.append((world.clock.now, query))
        return "still_alive"

    monkeypatch.setattr(module, "revisit", revisit)
    vanishes = UserAction(1.0, ActionKind.VANISH, how)
    assert world.live((vanishes,), away_s=30.0) is Ending.ABANDONED
    (link,) = world.server.links
    assert link.sent == ["REQUEST_POLY_AGENT_JOIN"]
    assert link.done == done
    ((at, query),) = looked
    assert at == pytest.approx(world.clock.now)
    assert query.endswith("cursor=seq%3A4")  # start, echo, joined, greeting
    assert world.notes.counts[f"vanished.{how or 'fin'}"] == 1
    assert world.notes.counts["came_back.still_alive"] == 1


def test_an_app_that_is_started_again_reads_all_and_then_hears_the_answer(world: World) -> None:
    assert world.live(ASKS, LEAVES, restarts=1) is Ending.USER_END
    first, second = world.server.links
    assert first.done == ["closed 1000"]
    assert "cursor" not in second.query
    assert "USER_END_SESSION" not in first.sent
    assert world.person.heard[1:] == [("It is on its way.", Cue.ANSWERED)]
    assert world.notes.counts["sessions.cold_resumes"] == 1


class TestOnPurpose:
    @pytest.mark.parametrize(
        ("fault", "done"),
        [
            (ChaosFault("reset"), "reset"),
            (ChaosFault("fin"), "dropped"),
            (ChaosFault("close", 4002), "closed 4002"),
            (ChaosFault("half_open"), "abandoned"),
        ],
    )
    def test_a_socket_is_ended_as_planned_and_the_session_goes_on(
        self, world: World, fault: ChaosFault, done: str
    ) -> None:
        storm = (world.clock.now + 1.5, fault)
        assert world.live(ASKS, LEAVES, storms=(storm,)) is Ending.USER_END
        first, _ = world.server.links
        assert first.done[0] == done
        assert world.notes.counts[f"chaos.{fault.kind}"] == 1
        assert len(world.notes.samples[Phase.RECONNECT]) == 1

    def test_what_was_waited_for_through_a_stall_is_no_figure(self, world: World) -> None:
        """It is ours, not the server's."""
        storm = (world.clock.now + 2.6, ChaosFault("stall", seconds=9.0))  # in mid-answer
        assert world.live(ASKS, LEAVES, storms=(storm,)) is Ending.USER_END
        assert Phase.RESPONSE not in world.notes.samples
        assert world.notes.counts["events.left_out_by_stall"] >= 1
        assert len(world.server.links) == 1


def test_a_token_near_its_end_is_replaced_and_the_socket_with_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session goes on where it was."""
    soon, other = world.clock.now + 2, ENTRY._replace(token="another.token.of-it")
    monkeypatch.setattr(Entry, "refresh_at", lambda entry, _: soon if entry is ENTRY else inf)
    monkeypatch.setattr(module, "refreshed", lambda *_: other)
    assert world.live(ASKS, LEAVES) is Ending.USER_END
    first, second = world.server.links
    assert "access_token=a.token.of-a-test" in first.query
    assert "access_token=another.token.of-it" in second.query
    assert "cursor=seq" in second.query


def test_who_is_hushed_says_nothing_more_and_still_gets_what_is_owed(world: World) -> None:
    driver = world.driver(ASKS, LEAVES)

    def hush(link: Link) -> None:
        driver.hush()
        link.then(gevent.GreenletExit())  # once the answer is there

    world.server.on_message = hush
    with pytest.raises(gevent.GreenletExit):
        driver.run(world.clock.now)
    assert world.person.heard == [("Hello.", Cue.GREETED)]
    assert len(world.notes.samples[Phase.RESPONSE]) == 1


def test_an_answer_ends_the_wait_that_a_leave_would_have_cut_short(world: World) -> None:
    impatient = (*ASKS, UserAction(3.0, ActionKind.LEAVE))
    slowly = (UserAction(9.0, ActionKind.SAY, "And when?"),)
    assert world.live(impatient, slowly, LEAVES) is Ending.USER_END
    assert world.server.links[0].sent.count("USER_MESSAGE") == 2


def test_a_flood_that_ended_the_link_is_named_so(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(Link, "flooded", True)
    world.server.behind.append(CloseInfo(1008, "", clean=False))
    assert world.live(ASKS) is Ending.FAILED
    assert world.notes.failures[0] == (Failure.FRAME_FLOOD, ENTRY.correlation_id)


def test_what_compression_and_a_silent_address_did_is_counted(
    world: World, monkeypatch: Any
) -> None:
    """And the seconds that were lost on that address are no time of the target's."""
    monkeypatch.setattr(Link, "compressed", True)
    monkeypatch.setattr(Link, "lost_s", 0.2)
    world.live(LEAVES)
    assert world.notes.counts[Count.COMPRESSED] == world.notes.counts[Count.PASSED_OVER] == 1
    ((sent, end),) = world.notes.samples[Phase.CONNECT]
    assert end - sent == pytest.approx(LATENCY - 0.2)
