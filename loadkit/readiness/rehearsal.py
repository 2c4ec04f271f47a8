"""One session as its person would live it with a server of known pace: nothing is sent.

The people are the run's own: the same seed, user class and number give the same words, pauses and
faults. Only the server's part is assumed, see `Pace`.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loadkit.actions import ActionKind, Cue, UserAction
from loadkit.figures import Count, Phase
from loadkit.people.person import ASKS, Person
from loadkit.profile.chaos import ChaosFault, ChaosPlan
from loadkit.profile.profile import Profile
from loadkit.profile.scenario import SessionKind
from loadkit.stats.random_streams import person_rng

_GREETING: Final = " ".join(["word"] * 14)
_ANSWER: Final = " ".join(["word"] * 27)
"""As long as what the simulated agent says, on average."""

_CHUNKS: Final = 7  # of a streamed answer; as the simulated agent's, on average
_BEAT_S: Final = 30.0  # between two heartbeats; the protocol's default
_HUMAN_ANSWERS: Final = 3  # then the human leaves; as the simulated ones, on average
_HUMAN_STAYS_S: Final = 120.0  # with a person who says nothing; likewise
_REVISIT_S: Final = 5.0  # that who comes back looks for news (`loadkit.net.browser_tab.LOOKS_BACK`)
_MOST_TURNS: Final = 200  # who goes on for longer is taken to begin anew
_MOST_STRIKES: Final = 200  # that a session meets; one that meets more gets nowhere
_MOST_BEATS: Final = 1000  # of one session, and as often its socket is replaced for its age

Span = tuple[float, float]
"""When something began and when it was complete, in seconds of the session."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What a server is taken to need, in seconds."""

    entry: float = 0.05  # from the token to the end of the history
    join: float = 0.2  # join requested → the agent is there
    greeting: float = 0.8  # join requested → the greeting is complete
    answer: float = 1.0  # message → the complete answer; a streamed one begins after half of that
    queue: float = 4.0  # hand-off triggered → the human is there
    human: float = 2.0  # message → the human's answer
    reconnect: float = 1.1  # socket lost → caught up. A client waits a second before it tries
    end: float = 0.05  # asked for → told


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What one session brings, by phase or by what is counted; it lasts so many seconds.

    `busy` are those until its user may begin the next one.
    """

    spans: Mapping[str, Sequence[Span]]
    lasts: float
    busy: float


def rehearse(
    profile: Profile, session_kind: SessionKind, number: int, pace: Pace, *, midway: bool = False
) -> Rehearsal:
    """Live a session in thought: the one of that `number` among all of its class.

    `midway` is one that is found under way, see `Person`.
    """
    return _Session(profile, session_kind, number, pace, midway=midway).live()


class _Session:
    def __init__(
        self, profile: Profile, session_kind: SessionKind, number: int, pace: Pace, *, midway: bool
    ) -> None:
        seed, name = profile.load.seed, session_kind.name
        self._profile, self._outing, self._pace = profile, session_kind, pace
        rng = person_rng(seed, name, number)
        self._person = Person(profile, rng, session_kind.errand, midway=midway)
        chaos = person_rng(seed, "chaos", name, number)
        self._faults = ChaosPlan.of(profile.chaos, name, chaos)
        self._spans: defaultdict[str, list[Span]] = defaultdict(list)
        self._restarts = session_kind.restarts
        self._answer_s = pace.answer
        self._human_answers = self._strikes = 0  # so far

    def live(self) -> Rehearsal:
        pace = self._pace
        self._note(Phase.TOKEN, 0.0, pace.entry)
        self._note(Phase.CREATE_SESSION, 0.0, pace.entry)
        at = self._at_moment("join", self._open(pace.entry))
        self._note(Phase.JOIN, at, at + pace.join)
        greeted = self._through(at + pace.greeting)
        self._note(Phase.GREETING, at, greeted)
        if self._outing.streaming:
            self._stream((at + greeted) / 2, greeted)
        at, heard, cue = greeted, _GREETING, Cue.GREETED
        for _ in range(_MOST_TURNS):
            at = self._at_moment(_WHERE.get(cue, "between_turns"), at)
            acts = self._person.react(at, heard, cue)
            said = [act for act in acts if act.kind is ActionKind.SAY]
            if not acts:  # whoever has nothing more to say to a human waits for them to leave
                return self._over(at + _HUMAN_STAYS_S)
            left = acts[-1] if acts[-1].kind in (ActionKind.LEAVE, ActionKind.VANISH) else None
            if said:
                answered, cue = self._turn(at, said, math.inf if left is None else left.due)
                if left is None or answered <= left.due:
                    if self._human_answers == _HUMAN_ANSWERS:
                        return self._over(answered)
                    at, heard = answered, "" if cue is Cue.HUMAN_JOINED else _ANSWER
                    continue
            assert left is not None
            return self._leave(left)
        return self._over(at)

    def _turn(self, at: float, said: Sequence[UserAction], until: float) -> tuple[float, Cue]:
        """A line is said, or two; returns when the answer is there, and what it is."""
        if self._faults is not None:
            self._faults.turn(at, said[0].due + self._answer_s)
        asks = said[0].text in ASKS
        live = Phase.HANDOFF_WAIT in self._spans
        answer_s = self._pace.human if live else self._pace.answer
        answered = at
        for act in said:
            sent = self._through(act.due)
            self._note(Count.TURNS_SENT, sent, sent)
            self._note(Phase.ECHO, sent, sent)
            heard = self._at_moment("before_echo", sent)
            if not (live or asks):
                self._note(Phase.THINKING, sent, heard)
            answered = self._through(heard + answer_s)
            self._answer_s = answered - sent
            if answered > until:
                return answered, Cue.SILENCE
            if live:
                self._note(Phase.LIVE_RESPONSE, sent, answered)
            elif not asks:
                answered = self._answered(sent, answered)
        if live:
            self._human_answers += 1
        return (self._queued(answered), Cue.HUMAN_JOINED) if asks else (answered, Cue.ANSWERED)

    def _answered(self, sent: float, answered: float) -> float:
        if self._outing.streaming:
            first = (sent + answered) / 2
            self._note(Phase.FIRST_CHUNK, sent, first)
            self._stream(first, answered)
            answered = max(answered, self._at_moment("mid_stream", first))
        self._note(Phase.RESPONSE, sent, answered)
        if self._restarts:
            self._restarts -= 1
            return self._open(answered + self._pace.entry)
        return answered

    def _stream(self, first: float, last: float) -> None:
        gap = (last - first) / (_CHUNKS - 1)
        for number in range(1, _CHUNKS):
            self._note(Phase.CHUNK_GAP, first + (number - 1) * gap, first + number * gap)

    def _queued(self, at: float) -> float:
        """The hand-off is triggered; returns when the human is there."""
        self._note(Count.HANDOFFS_TRIGGERED, at, at)
        at = self._at_moment("queue", at)
        joined = self._through(at + min(self._pace.queue, self._profile.handoff.patience))
        self._note(Phase.HANDOFF_WAIT, at, joined)
        return joined

    def _leave(self, act: UserAction) -> Rehearsal:
        away = 0.0
        if act.kind is ActionKind.LEAVE:
            self._note(Phase.END, act.due, act.due + self._pace.end)
        elif self._person.away_s is not None:
            away = self._person.away_s + _REVISIT_S
        return self._over(act.due, away)

    def _over(self, at: float, away: float = 0.0) -> Rehearsal:
        recycle, age = self._profile.connection.recycle, self._person.age_s
        if recycle:
            for old in _ticks(recycle - age % recycle, recycle, at):
                self._lost(old)
        opened = self._pace.entry
        for lost, back in [*sorted(self._spans.get(Phase.RECONNECT, ())), (at, at)]:
            for beat in _ticks(opened + _BEAT_S, _BEAT_S, lost):  # each socket from its start
                self._note(Phase.HEARTBEAT, beat, beat)
                self._note(Phase.HEARTBEAT_LATENESS, beat, beat)
            opened = back
        talk = self._profile.conversation
        return Rehearsal(self._spans, at, at + away + talk.pause * talk.time_scale)

    # --- the socket and what befalls it ---------------------------------------------------------

    def _open(self, at: float) -> float:
        self._note(Phase.CONNECT, at, at)
        self._note(Phase.HISTORY, at, at)
        return self._at_moment("connect", at)

    def _lost(self, at: float) -> float:
        """The socket is gone; returns when there is another."""
        back = at + self._pace.reconnect
        self._note(Phase.RECONNECT, at, back)
        self._note(Phase.CONNECT, back, back)
        self._note(Phase.HISTORY, back, back)
        return back

    def _through(self, until: float) -> float:
        """Meet the faults up to a moment, which may put it off."""
        while self._faults is not None and (due := self._faults.due(0.0)) <= until:
            until = max(until, self._struck(self._faults.strike(due), due))
        return until

    def _at_moment(self, moment: str, at: float) -> float:
        fault = None if self._faults is None else self._faults.at_moment(moment)
        return at if fault is None else self._struck(fault, at)

    def _struck(self, fault: ChaosFault, at: float) -> float:
        self._strikes += 1
        if self._strikes == _MOST_STRIKES:
            self._faults = None
        return at + fault.seconds if fault.kind == "stall" else self._lost(at)

    def _note(self, what: str, began: float, complete: float) -> None:
        self._spans[what].append((began, complete))


def _ticks(first: float, every: float, end: float) -> list[float]:
    number = min(_MOST_BEATS, max(0, math.ceil((end - first) / every)))
    return [first + tick * every for tick in range(number)]


_WHERE: Final = {Cue.GREETED: "between_turns", Cue.HUMAN_JOINED: "human"}
