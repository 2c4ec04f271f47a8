"""The socket's half of a session: open, replay, live, lost, again; and the heartbeat on it.

It dies and comes back while the conversation (`loadkit.chat.session`) lives on.
"""

import sys
from enum import Enum, auto
from random import Random
from typing import Any, Final

from loadkit.chat.effects import (
    Connect,
    Counted,
    Drop,
    Effect,
    Failed,
    Finish,
    Hangup,
    Sample,
    Send,
    Unfinished,
    Violation,
)
from loadkit.chat.event_log import Journal
from loadkit.chat.inputs import Refused
from loadkit.chat.policy import Policy
from loadkit.chat.reconnect import POLL, UNKNOWN, Verdict, backoff, on_close, on_refusal
from loadkit.chat.violations import Wrong
from loadkit.errors import Failure, LocalError
from loadkit.figures import Count, Ending, Phase
from loadkit.protocol.encode import HEARTBEAT

__all__ = ["NEVER", "Connection", "Link"]

NEVER: Final = float("inf")
FULL_BATCH: Final = 256  # events; a history batch of this size may be followed by another
SILENCE: Final = 0.2  # seconds without a batch after a full one: the history is complete
NOTHING_NEW: Final = 0.5  # seconds without a batch on a resume: the server has nothing to replay
BEHIND: Final = 2.0  # seconds without a batch although the replay is known to be incomplete
LONGEST_REPLAY: Final = 60.0  # seconds; ours: a history that goes on after it is taken as it comes
GOING_AWAY: Final = 1001  # the close code of a socket that is replaced, by the vendor's iOS SDK
_LIMIT: Final = 10  # attempts in a row where the server names no limit
SHORTEST_BEAT: Final = 0.1  # seconds; ours: a smaller interval is nonsense, and would be a flood

_FINDINGS: Final = {
    1002: Failure.PROTOCOL_ERROR,
    1003: Failure.PROTOCOL_ERROR,
    1007: Failure.PROTOCOL_ERROR,
    1009: Failure.FRAME_TOO_BIG,
}


class Link(Enum):
    """Where the socket stands."""

    CONNECTING = auto()
    REPLAYING = auto()  # open, the history is not complete
    LIVE = auto()
    BACKOFF = auto()
    GONE = auto()


class Connection:
    """The socket machine. Stamps are seconds on the monotonic clock.

    Attributes:
        journal: what came over it; `journal.known` makes the next socket a resume.
        attempt: connects in a row that did not lead to a complete history.
        lost_at: since when the history has been behind; None while it is complete.
        reach: the sequence up to which a replay is known to go, for a cold resume.
        age: how old the next socket is to be taken for when it opens, in seconds.
    """

    __slots__ = (
        "age",
        "attempt",
        "beat_at",
        "beat_every",
        "beats",
        "by",
        "doubt",
        "heard_at",
        "journal",
        "limit",
        "link",
        "lost_at",
        "opened_at",
        "policy",
        "reach",
        "replayed_at",
        "rng",
        "stale_at",
    )

    def __init__(self, policy: Policy, rng: Random, *, age: float = 0.0) -> None:
        limit = policy.max_reconnect_attempts
        self.policy, self.rng, self.age = policy, rng, age
        self.limit = _LIMIT if limit is None else limit
        self.stale_at = NEVER  # when the socket is old enough to be replaced
        self.journal = Journal()
        self.link = Link.GONE
        self.by = NEVER
        self.attempt = self.reach = 0
        self.lost_at: float | None = None
        self.opened_at = self.heard_at = 0.0
        self.replayed_at: float | None = None  # when the last batch of the history came
        self.beat_every, self.beat_at = 30.0, NEVER
        self.beats: list[float] = []  # when heartbeats without an echo were sent: two at most
        self.doubt = NEVER  # when the first of two heartbeats was sent that got one echo

    @property
    def deadline(self) -> float:
        """When `elapsed` has something to do."""
        return min(self.beat_at, self.stale_at) if self.link is Link.LIVE else self.by

    def capabilities(self, now: float, payload: dict[str, Any], *, limit: bool) -> None:
        """Read SESSION_START; whatever is absent or nonsense keeps its default.

        Args:
            now: when it came.
            payload: the event's.
            limit: whether to take the server's `max_reconnect_attempts`.
        """
        given = payload.get("capabilities")
        if type(given) is not dict:
            return
        attempts = given.get("max_reconnect_attempts")
        if limit and type(attempts) is int and attempts >= 0:
            no_limit = attempts == 0 and self.policy.zero_is_no_limit
            self.limit = sys.maxsize if no_limit else attempts
        every = given.get("heartbeat_interval_seconds")
        if isinstance(every, bool) or not isinstance(every, (int, float)):
            return
        meant = every == 0 or every >= SHORTEST_BEAT
        if meant and every != self.beat_every:  # said again, it must not disturb the beat
            self.beat_every = float(every)
            self.beat_at = max(self.opened_at + every, now) if every else NEVER

    def connect(self, out: list[Effect]) -> None:
        """Ask for a socket."""
        self.link, self.by = Link.CONNECTING, NEVER
        out.append(Connect(self.journal.cursor))

    def opened(self, now: float) -> None:
        """The upgrade was answered with 101; the first heartbeat is a full interval away."""
        self.expect(Link.CONNECTING)
        self.link, self.opened_at, self.replayed_at = Link.REPLAYING, now, None
        self.by = now + (NOTHING_NEW if self.journal.known else self.policy.handshake)
        self.journal.opened()
        self.beats.clear()
        self.doubt = NEVER
        self.beat_at = now + self.beat_every if self.beat_every else NEVER
        recycle = self.policy.recycle
        self.stale_at = now + recycle - self.age % recycle if recycle else NEVER
        self.age = 0.0

    def batch(self, now: float, size: int, out: list[Effect]) -> bool:
        """A batch ended. Returns whether it completes the history.

        There is no end mark: a full batch may have a sequel, and the history of a new session
        holds SESSION_START.
        """
        if self.link is not Link.REPLAYING:
            return False
        self.replayed_at = now
        # However much there is, it does not hold up the session for ever.
        latest = self.opened_at + (LONGEST_REPLAY if self.journal.known else self.policy.handshake)
        if size >= FULL_BATCH:
            self.by = min(now + SILENCE, latest)
            return False
        if self.journal.known and self.journal.cursor < self.reach:
            self.by = min(now + BEHIND, latest)
            return False
        if self.journal.known:
            self._caught_up(now, out)
        return self.journal.known

    def _caught_up(self, now: float, out: list[Effect]) -> None:
        self.link, self.by, self.attempt = Link.LIVE, NEVER, 0
        self.beat_at = max(self.beat_at, now)  # a beat that a long replay held up is not late
        if self.replayed_at is not None:
            out.append(Sample(Phase.HISTORY, None, self.opened_at, self.replayed_at))
        if self.lost_at is not None:
            out.append(Counted(Count.DISCONNECTS_RECONNECTED))
            # Without a batch there was nothing to catch up on.
            caught_up = self.opened_at if self.replayed_at is None else self.replayed_at
            out.append(Sample(Phase.RECONNECT, None, self.lost_at, caught_up))
            self.lost_at = None

    def closed(
        self, now: float, code: int, out: list[Effect], *, flooded: bool = False
    ) -> Finish | None:
        """The open socket is gone. Returns the end of the session, or None to try again."""
        self.expect(Link.REPLAYING, Link.LIVE)
        self._no_history(now, out, lost=True)
        out.append(Counted(Count.DISCONNECTS_UNEXPECTED))
        if flooded:
            return Finish(Ending.FAILED)
        why = f"closed with {code}"
        if code in _FINDINGS:
            out.append(Failed(_FINDINGS[code], why))
        return self._lost(now, on_close(code), why, out)

    def forced(self, now: float, out: list[Effect]) -> Finish | None:
        """We broke the open socket, or one that was being opened. Returns as `closed` does."""
        self.expect(Link.CONNECTING, Link.REPLAYING, Link.LIVE)
        self._no_history(now, out, lost=False)
        out.append(Counted(Count.DISCONNECTS_FORCED))
        return self._lost(now, Verdict.RESUME, "broken on purpose", out)

    def _no_history(self, now: float, out: list[Effect], *, lost: bool) -> None:
        if self.link is Link.REPLAYING:
            out.append(Unfinished(Phase.HISTORY, None, self.opened_at, now, lost))

    def _lost(self, now: float, verdict: Verdict, why: str, out: list[Effect]) -> Finish | None:
        if self.lost_at is None:  # else a resume failed half-way, and the outage goes on
            self.lost_at = now
        self.journal.settle(out)
        return self._retry(now, verdict, why, out)

    def refused(self, now: float, refusal: Refused, out: list[Effect]) -> Finish | None:
        """The socket could not be opened. Returns as `closed` does."""
        self.expect(Link.CONNECTING)
        verdict = on_refusal(refusal.status, self.policy.reconnect)
        if verdict is Verdict.RENEW:
            lost = refusal.status in UNKNOWN and refusal.kind is not Failure.TOKEN_EXPIRED
            kind = Failure.SESSION_LOST if lost else refusal.kind
            return self._give_up(kind, verdict, refusal.detail, out)
        out.append(Failed(refusal.kind, refusal.detail))
        return self._retry(now, verdict, refusal.detail, out, at_least=refusal.wait_s or 0.0)

    def _give_up(self, kind: Failure, verdict: Verdict, why: str, out: list[Effect]) -> Finish:
        self.link, self.beat_at = Link.BACKOFF, NEVER
        out.append(Failed(kind, why))
        return Finish(Ending.FAILED, renew=verdict is Verdict.RENEW)

    def _retry(
        self, now: float, verdict: Verdict, why: str, out: list[Effect], *, at_least: float = 0.0
    ) -> Finish | None:
        if verdict in (Verdict.STOP, Verdict.RENEW):
            return self._give_up(Failure.SESSION_LOST, verdict, why, out)
        self.link, self.beat_at = Link.BACKOFF, NEVER
        if self.attempt >= self.limit:
            out.append(Failed(Failure.GAVE_UP, f"after {self.attempt} attempts: {why}"))
            out.append(Counted(Count.DISCONNECTS_GAVE_UP))
            return Finish(Ending.FAILED)
        self.attempt += 1
        wait = (
            POLL
            if verdict is Verdict.POLL
            else backoff(self.attempt, self.rng.random(), sdk=self.policy.reconnect == "sdk")
        )
        self.by = now + max(wait, at_least)
        return None

    def elapsed(self, now: float, out: list[Effect]) -> bool | Finish:
        """The clock reached `deadline`. Returns whether the history is now complete, or the end."""
        if now < self.deadline:
            return False
        if self.link is Link.BACKOFF:
            self.connect(out)
        elif self.link is Link.REPLAYING and self.journal.known:
            self._caught_up(now, out)
            return True
        elif self.link is Link.REPLAYING:
            out.append(Failed(Failure.HISTORY_MISSING))
            return self._let_go(now, out) or False
        elif self.link is Link.LIVE and now >= self.stale_at:
            return self._renew_socket(now, out) or False
        elif self.link is Link.LIVE:
            return self._beat(now, out) or False
        return False

    def replaced(self, now: float, out: list[Effect]) -> Finish | None:
        """This side wants another socket, for a token that is new. Returns as `closed` does."""
        self.expect(Link.LIVE)
        out.append(Counted(Count.DISCONNECTS_REFRESHED))
        out.append(Hangup(GOING_AWAY))
        return self._lost(now, Verdict.RESUME, "a new token", out)

    def _renew_socket(self, now: float, out: list[Effect]) -> Finish | None:
        """The socket is old: take a fresh one, as the vendor's SDKs do."""
        code = self.policy.recycled
        out.append(Counted(Count.DISCONNECTS_RECYCLED))
        out.append(Drop() if code is None else Hangup(code))
        return self._lost(now, Verdict.RESUME, "recycled", out)

    def _beat(self, now: float, out: list[Effect]) -> Finish | None:
        if len(self.beats) == 2:  # the first of them for two intervals: slow is something else
            if self.heard_at <= self.beats[0]:  # nor came anything else: half-open
                out.append(Failed(Failure.HEARTBEAT_UNANSWERED))
                return self._let_go(now, out)
            out.append(Violation(Wrong.HEARTBEAT_NOT_ECHOED, "", (self.beats[0], HEARTBEAT)))
            del self.beats[0]
        elif self.doubt < NEVER:  # the other echo did not follow: there is none
            out.append(Violation(Wrong.HEARTBEAT_NOT_ECHOED, "", (self.doubt, HEARTBEAT)))
        self.doubt = NEVER
        out.append(Sample(Phase.HEARTBEAT_LATENESS, None, self.beat_at, now))
        out.append(Send(HEARTBEAT))
        self.beats.append(now)
        # From the schedule, so that beats do not drift; from now when a whole beat was missed.
        following = self.beat_at + self.beat_every
        self.beat_at = following if following > now else now + self.beat_every
        return None

    def beat_echo(self, now: float, out: list[Effect]) -> None:
        """A heartbeat came back. It bears no id: with two of them open, nobody knows which.

        To take the oldest would, once an echo is lost, make every later round trip an interval
        too long.
        """
        if len(self.beats) == 1:
            out.append(Sample(Phase.HEARTBEAT, None, self.beats[0], now))
        self.doubt = self.beats[0] if len(self.beats) == 2 else NEVER
        self.beats.clear()

    def _let_go(self, now: float, out: list[Effect]) -> Finish | None:
        out.append(Drop())
        return self.closed(now, 1006, out)

    def outlasts(self) -> None:
        """The session is about to end: its socket is not replaced any more.

        Else the end could come while there is none, and the next one is refused with 404.
        """
        self.stale_at = NEVER

    def end(self) -> None:
        """The session is over."""
        self.link, self.by, self.beat_at = Link.GONE, NEVER, NEVER

    def expect(self, *links: Link) -> None:
        """Raise LocalError unless the socket stands at one of `links`."""
        if self.link not in links:
            raise LocalError(f"the socket is {self.link.name}, not {' or '.join(map(str, links))}")
