"""One person: what they do, and when, from what they have just heard."""

import math
import random
from collections.abc import Sequence
from typing import Final, NamedTuple

from loadkit.actions import SOMEBODY_ELSE, ActionKind, Cue, UserAction
from loadkit.people.steady_state import turns_found, wait_found
from loadkit.people.writing import TypedTurn, Writer, halves
from loadkit.profile.profile import Profile
from loadkit.profile.scenario import Errand
from loadkit.stats.random_streams import RandomStream, lognormal

ASKS: Final = (
    "agent please",
    "can I talk to a real person? agent please",
    "this isn't helping, agent please",
    "agent please, I'd rather speak to someone",
    "could I get a human agent please",
)
"""How people ask for a human. All hold the words that make the simulator hand over."""

_REFUSAL_WAIT_S: Final = (2.0, 5.0)  # "try again in a moment": uniform. Ours
_REFUSALS: Final = 3  # how often in a row a refused line is said again
_GONE_WITHIN_S: Final = 1.0  # of sending, for who is gone while waiting: before most answers
_REQUESTS: Final = 3  # how often a human is asked for while only the agent answers
_TURN_S: Final = 25.0  # a turn with its answer, for the age of who is found in mid-talk. Ours

# Numbers of draws. A turn draws under its own number, so that what was refused, or left
# unanswered, on the way to it does not move it.
_BIRTH, _ASKING, _REFUSED = 1 << 40, 2 << 40, 3 << 40


class _Birth(NamedTuple):
    """What each slot of a person's first draws decides."""

    device: float
    typing: float
    reading: float
    turns: float
    impatience: float
    idle: float
    after: float
    silent: float
    comes_back: float
    away: float
    while_typing: float
    gone_when: float
    length: float
    place: float


class _Exit(NamedTuple):
    """How a person is gone: in which turn; `when`, a share of the time that it may happen in."""

    turn: int
    how: str
    while_typing: bool
    when: float


class Person:
    """The user of one session.

    What a person does hangs on the stream they are born from and on what they hear, never on who
    else draws. Each choice is looked up under the number of its turn, so a person holds no
    generator, and makes the same choice in the same turn whatever came before it.

    Attributes:
        age_s: how long the session has been under way already, in scaled seconds, about.
        away_s: how long after a `VANISH` they come back, in scaled seconds; None for never.
        turns: how often they will speak, requests for a human not counted.
    """

    __slots__ = (
        "_asked",
        "_busy",
        "_bye",
        "_chance",
        "_errand",
        "_exit",
        "_gone",
        "_handoff",
        "_human",
        "_idle_s",
        "_limit_s",
        "_line",
        "_lines",
        "_live",
        "_refused",
        "_retried",
        "_said",
        "_scale",
        "_writer",
        "age_s",
        "away_s",
        "turns",
    )

    def __init__(
        self,
        profile: Profile,
        rng: random.Random,
        errand: Errand = Errand.CHAT,
        *,
        midway: bool = False,
    ) -> None:
        """Draw a person.

        Args:
            rng: the person's stream, see `person_rng`. Not kept.
            midway: whether to draw one who is found in the midst of a session, as in a load that
                has gone on for long, and who lives only the rest of it.
        """
        self._chance = RandomStream(rng)
        u = _Birth(*self._chance.draws(_BIRTH)[: len(_Birth._fields)])
        human, handoff, abandon = profile.human, profile.handoff, profile.abandon
        self._human, self._handoff, self._errand = human, handoff, errand
        scale = self._scale = profile.conversation.time_scale
        self._writer = Writer(human, scale, device=u.device, typing=u.typing, reading=u.reading)
        idle, patience = profile.idle.duration, human.impatience
        self._idle_s = lognormal(u.idle, idle.median, idle.sigma)
        self._limit_s = math.inf
        if patience is not None:
            self._limit_s = lognormal(u.impatience, patience.median, patience.sigma)

        turns = profile.conversation.turns
        lines = self.turns = turns.min + int(u.turns * (turns.max - turns.min + 1))
        self._exit: _Exit | None = None
        self._gone = ""  # how, once it is on the way
        self.away_s: float | None = None
        if errand is Errand.HUMAN:
            lines += handoff.live_turns
        elif errand is Errand.ABANDON:
            after = abandon.after.min + int(u.after * (abandon.after.max - abandon.after.min + 1))
            how = "silent" if u.silent < abandon.silent else "fin"
            self._exit = _Exit(after, how, u.while_typing < 0.5, u.gone_when)
            self._limit_s = math.inf
            lines = self.turns = max(self.turns, after + 1)
            if u.comes_back < abandon.comes_back:
                away = lognormal(u.away, abandon.away.median, abandon.away.sigma)
                self.away_s = away * self._scale
        self.age_s, over = 0.0, 0
        if midway:
            over = self._skip(u, profile)
            to_human = handoff.live_turns if errand is Errand.HUMAN else 0
            lines = over + self.turns + to_human
        self._lines = profile.dialogues.lines(lines, rng)[over:]

        self._said = 0
        self._line = ""  # the last one, which is said again when it was refused
        self._refused = self._asked = 0
        self._retried = self._live = False
        self._busy = -math.inf  # when the last thing that is under way is done
        self._bye = math.inf  # when the person leaves, once that is decided

    def _skip(self, u: _Birth, profile: Profile) -> int:
        """Be found in the midst of the session. Returns how many lines were said before."""
        if self._errand is Errand.IDLE:
            waited = wait_found(u.length, u.place, profile.idle.duration)
            self._idle_s, self.age_s = waited.left, waited.done * self._scale
            return 0
        least, most = profile.conversation.turns.min, profile.conversation.turns.max
        # The turns with the human, and the one that asks for them: these are not cut short, so
        # who is found there begins with the question.
        human = 1 + self._handoff.live_turns if self._errand is Errand.HUMAN else 0
        if self._exit is not None:
            least, most = profile.abandon.after.min + 1, profile.abandon.after.max + 1
        found = turns_found(u.length, u.place, least + human, most + human)
        self.turns = max(0, found.left - human)
        if self._exit is not None:
            self._exit = self._exit._replace(turn=found.left - 1)
        self.age_s = found.done * _TURN_S * self._scale
        return found.length - human - self.turns

    def react(
        self,
        at: float,
        heard: str,
        cue: Cue = Cue.ANSWERED,
        suggestions: Sequence[str] = (),
    ) -> list[UserAction]:
        """Read what was said, think, type the next line and send it; or leave, or wait.

        Acts of an earlier reaction may still be due: what this one returns comes after them and
        takes the place of none, except that any `LEAVE` among them is to be dropped first, which
        is how patience that was not needed ends, and with `SOMEBODY_ELSE` all of them, for they
        were not meant for who listens now. A person who came back after a `VANISH` and
        goes on is told again of what they heard last.

        Args:
            at: when it happened, in seconds on the monotonic clock.
            heard: the text to read; empty where there is none.
            suggestions: the texts of the answers that may be tapped.

        Returns:
            Acts, `due` never falling and none before `at`; none where the person only waits:
            for the answer to a line that is under way, or for the human to leave. A `LEAVE` or
            `VANISH` is the last one.
        """
        if self._bye < math.inf:
            return [UserAction(max(at, self._bye), ActionKind.LEAVE)]
        if at < self._busy:
            if cue not in SOMEBODY_ELSE:
                return self._with_patience([])
            if self._gone:
                return [UserAction(self._busy, ActionKind.VANISH, self._gone)]
            self._busy = at
            self._writer.interrupt(at)
        if cue is Cue.OVERLOADED and self._line:
            return self._again(at)
        self._refused = 0
        if self._errand is Errand.IDLE:
            return self._goodbye(at, self._idle_s)
        if cue is Cue.NO_HUMAN:
            if self._handoff.on_failure == "leave" or self._retried:
                return self._goodbye(at, self._writer.reading_s(heard))
            self._retried = True
            return self._ask(at, heard)
        if cue is Cue.HUMAN_JOINED and self._errand is Errand.HUMAN and not self._live:
            self._live, self.turns = True, self._said + self._handoff.live_turns
        if cue is Cue.AGENT_BACK:  # nobody asks twice for whom they have just had
            self._live, self._asked = False, _REQUESTS
        if self._said < self.turns:
            return self._speak(at, heard, suggestions)
        if self._live:
            return []
        if self._errand is Errand.HUMAN and self._asked < _REQUESTS:
            return self._ask(at, heard)
        return self._goodbye(at, self._writer.reading_s(heard))

    def _speak(self, at: float, heard: str, suggestions: Sequence[str]) -> list[UserAction]:
        turn, human = self._said, self._human
        self._said = turn + 1
        u = self._drawn(turn)
        leaving = self._exit is not None and self._exit.turn == turn
        if suggestions and u.suggestion < human.suggestion:
            line = suggestions[int(u.suggestion_which * len(suggestions))]
            acts = self._writer.tap(at, heard, line, u)
        else:
            line, second = self._lines[turn], ""
            if u.double < human.double_message and not leaving:
                line, second = halves(line, u.double_where)
            acts = self._writer.write(at, heard, line, u, second)
        self._line, self._busy = acts[-1].text, acts[-1].due
        return self._vanish(acts) if leaving else self._with_patience(acts)

    def _ask(self, at: float, heard: str) -> list[UserAction]:
        u = self._drawn(_ASKING + self._asked)
        self._asked += 1
        line = ASKS[int(u.ask * len(ASKS))]
        acts = self._writer.write(at, heard, line, u)
        self._line, self._busy = line, acts[-1].due
        return self._with_patience(acts)

    def _again(self, at: float) -> list[UserAction]:
        if self._refused == _REFUSALS:
            return self._goodbye(at, 0.0)
        u = self._drawn(_REFUSED + self._said * (_REFUSALS + 1) + self._refused)
        self._refused += 1
        least, most = _REFUSAL_WAIT_S
        self._busy = at + (least + (most - least) * u.refusal_wait) * self._scale
        return self._with_patience([UserAction(self._busy, ActionKind.SAY, self._line)])

    def _goodbye(self, at: float, wait: float) -> list[UserAction]:
        self._bye = at + wait * self._scale
        return [UserAction(self._bye, ActionKind.LEAVE)]

    def _vanish(self, acts: list[UserAction]) -> list[UserAction]:
        leaving, self._exit = self._exit, None
        assert leaving is not None
        self._gone = leaving.how
        due = acts[-1].due + leaving.when * _GONE_WITHIN_S
        if leaving.while_typing and len(acts) > 1:
            due = acts[0].due + leaving.when * (acts[-1].due - acts[0].due)
            acts = [act for act in acts[:-1] if act.due <= due]
            self._said -= 1  # whoever comes back types it again
        self._busy = due
        return [*acts, UserAction(due, ActionKind.VANISH, leaving.how)]

    def _drawn(self, number: int) -> TypedTurn:
        return TypedTurn(*self._chance.draws(number)[: len(TypedTurn._fields)])

    def _with_patience(self, acts: list[UserAction]) -> list[UserAction]:
        if self._limit_s < math.inf:
            acts.append(UserAction(self._busy + self._limit_s, ActionKind.LEAVE))
        return acts
