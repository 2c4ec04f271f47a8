"""One visitor's conversation: what the socket, the clock and the person do to it.

What the server does to it stands in `loadkit.chat.transitions`: an event moves the conversation by
the same row whether it arrives live or in a replay, so a reply that lands in a replay answers its
turn like any other. What the tool asks of itself at the wrong moment is a `LocalError`.
"""

from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import Final

from loadkit.actions import Cue
from loadkit.chat.answers import Answers
from loadkit.chat.cold_resume import recall
from loadkit.chat.connection import NEVER, Connection, Link
from loadkit.chat.effects import (
    Counted,
    Effect,
    Failed,
    Finish,
    Send,
    Unfinished,
    Violation,
    YourTurn,
)
from loadkit.chat.handoff import Handoff
from loadkit.chat.inputs import Closed, Input, Leave, Opened, Refused, Say, Signal, Typing
from loadkit.chat.moments import is_handed_back, may_end_here, moment_of
from loadkit.chat.policy import RESENDING, Policy, Talk
from loadkit.chat.transitions import MISSING, ROWS, not_closed
from loadkit.chat.turn import Turn, new_id
from loadkit.chat.violations import Wrong
from loadkit.chat.waits import of_the_far_side, of_turn, waits_of
from loadkit.errors import Failure, LocalError
from loadkit.figures import Count, Ending, State, Wait
from loadkit.protocol import Event, Flaw
from loadkit.protocol.encode import END_SESSION, JOIN, TYPING_STARTED, TYPING_STOPPED, user_message

__all__ = ["Session"]


class Session:
    """A chat session as its client lives it.

    Feed it `START`, then server events (`loadkit.protocol.decode`) and the inputs of
    `loadkit.chat.inputs`, each with the time at which it happened; perform the effects in order;
    feed `ELAPSED` when `deadline` has come. After `Finish` nothing more may be fed.
    """

    __slots__ = (
        "answers",
        "connection",
        "ending",
        "following",
        "handoff",
        "memory",
        "owed_by",
        "pending",
        "policy",
        "rejoins",
        "streaming",
        "surveyed",
        "talk",
        "turn",
    )

    def __init__(
        self,
        policy: Policy,
        rng: Random,
        *,
        streaming: bool = True,
        memory: int | None = None,
        socket_age: float = 0.0,
    ) -> None:
        """
        Args:
            policy: the client's choices.
            rng: for message ids and jitter; may be shared by many sessions.
            streaming: whether streamed answers were asked for.
            memory: the cursor that an earlier process had of this session, which this one goes
                on with from nothing (a cold resume): the replay must reach it. None for a new
                session.
            socket_age: how old the first socket is to be taken for, in seconds: it is replaced
                that much earlier.
        """
        self.policy, self.streaming, self.memory = policy, streaming, memory
        self.connection = Connection(policy, rng, age=socket_age)
        self.connection.reach = memory or 0
        self.talk = Talk.NEW
        self.turn: Turn | None = None  # the last thing asked, answered or not
        self.following: list[Turn] = []  # said before the answer to `turn` came: answered after it
        self.answers = Answers()
        self.handoff: Handoff | None = None
        self.owed_by = NEVER
        self.pending: list[Say | Leave] = []  # what the person did while the socket was away
        self.rejoins = 0
        self.ending: Ending | None = None  # told by SESSION_END or CLIENT_HANDOFF_REQUIRED
        self.surveyed = False  # asked how it was: the socket may stay open for the answer

    @property
    def deadline(self) -> float:
        """When the driver owes us `ELAPSED`; infinity for never."""
        if self.talk is Talk.ENDED:
            return self.owed_by
        deadline = self.connection.deadline
        if self.connection.link is Link.LIVE and self.owed_by < deadline:
            return self.owed_by
        return deadline

    @property
    def moment(self) -> str | None:
        """The moment of the protocol that a forced disconnect may be planned for."""
        return moment_of(self)

    @property
    def rest(self) -> State | None:
        """The state of a session in which nothing is waited for; None while something is.

        Asked of all sessions each second, so it looks nothing up: the hash of an enum alone takes
        as long as all of this.
        """
        if self.connection.link is not Link.LIVE:
            return None
        talk = self.talk
        if talk is Talk.READY:
            return State.READY
        return State.WITH_HUMAN if talk is Talk.WITH_HUMAN else None

    @property
    def breakable(self) -> bool:
        """Whether there is a socket, or one is being opened, whose loss would mean something."""
        up = self.connection.link in (Link.CONNECTING, Link.REPLAYING, Link.LIVE)
        return up and self.talk in _UNDER_WAY

    def again(self) -> "Session":
        """The same session in the hands of a new process, which remembers nothing of it."""
        rng, cursor = self.connection.rng, self.connection.journal.cursor
        other = Session(self.policy, rng, streaming=self.streaming, memory=cursor)
        other.answers.late = self.answers.late  # what the server owes, it owes still
        return other

    def step(self, now: float, happening: Event | Flaw | Input) -> list[Effect]:
        """Take one happening; return what the driver must do, in order.

        Raises:
            LocalError: the tool asked for something that makes no sense now. Nothing that a
                server sends raises.
        """
        out: list[Effect] = []
        match happening:
            case Event():
                self._hear(now, happening, out)
            case Flaw():
                self.connection.heard_at = now
                out.append(Violation(happening.kind, happening.detail))
            case Say():
                self._say(now, happening, out)
            case Typing():
                if self.connection.link is Link.LIVE and self.talk in _TALKING:
                    out.append(Send(TYPING_STARTED if happening.started else TYPING_STOPPED))
            case Leave():
                self._leave(now, happening, out)
            case Signal.ELAPSED:
                self._elapsed(now, out)
            case Opened():
                self.connection.opened(now)
            case Closed(code=code, flooded=flooded):
                self._closed(now, code, out, flooded=flooded)
            case Refused():
                self._gone(now, self.connection.refused(now, happening, out), out)
            case Signal.FORCED:
                self._expect(happening, *_UNDER_WAY)
                self._gone(now, self.connection.forced(now, out), out)
            case Signal.REPLACED if self.connection.link is Link.LIVE and self.talk in _TALKING:
                self._gone(now, self.connection.replaced(now, out), out)
            case Signal.START:
                self.connection.expect(Link.GONE)
                self._expect(happening, Talk.NEW)
                self.connection.connect(out)
            case Signal.VANISHED:
                self._expect(happening, *_UNDER_WAY, Talk.ENDED)
                self.finish(now, Finish(self.ending or Ending.ABANDONED), out)
            case Signal.CUT:
                self._cut(now, out)
        return out

    # --- the socket and the clock ---------------------------------------------------------------

    def _closed(self, now: float, code: int, out: list[Effect], *, flooded: bool) -> None:
        if code == 1000 and may_end_here(self) and self.ending is None:
            self.connection.expect(Link.REPLAYING, Link.LIVE)
            self.finish(now, Finish(Ending.NATURAL_END), out)
            return
        if self.talk is not Talk.ENDED or self.ending is None:
            self._gone(now, self.connection.closed(now, code, out, flooded=flooded), out)
            return
        if code != 1000 and not flooded and self.ending is not Ending.CLIENT_HANDOFF:
            out.append(Violation(Wrong.WRONG_CLOSE_CODE, f"{code} after SESSION_END"))
        self.finish(now, Finish(self.ending), out)

    def _gone(self, now: float, finish: Finish | None, out: list[Effect]) -> None:
        if finish is not None:
            self.abandon_turns(now, out)
            self.finish(now, finish, out)

    def _elapsed(self, now: float, out: list[Effect]) -> None:
        if self.ending is not None:
            if now >= self.owed_by:
                not_closed(self, now, self.ending, out)
            return
        result = self.connection.elapsed(now, out)
        if result is True:
            self.caught_up(now, out)
        elif result is not False:
            self._gone(now, result, out)
        elif self.connection.link is Link.LIVE and now >= self.owed_by:
            self._overdue(now, out)

    def caught_up(self, now: float, out: list[Effect]) -> None:
        """The history is complete: what was sent into a lost socket, or held back, goes on."""
        # Due only now: the outage is not a lag of ours.
        acts, self.pending = [replace(act, due=now) for act in self.pending], []
        if self.memory is not None:
            self._remembered(self.memory, out)
        if acts and isinstance(acts[0], Leave):
            out.extend(self.step(now, acts[0]))
            return
        turn, by = self.turn, self.owed_by
        if turn is not None and self.talk in _WAITING:
            by = turn.sent + self.policy.patience  # whenever it is to be sent again
        if now >= by:  # a socket may go again before its ELAPSED comes
            self._overdue(now, out)
        elif self.talk is Talk.NEW:
            self.owed_by = now + self.policy.joins_after(self.connection.rng)
            if now >= self.owed_by:
                self._overdue(now, out)
        elif turn is not None and self.talk in (Talk.JOINING, Talk.LEAVING) and not turn.echoed:
            out.append(Send(turn.frame))  # a second one is a no-op
        for unheard in [turn for turn in self.open_turns() if not turn.echoed]:
            if self.policy.resend == "never":
                self.lose(now, unheard, Failure.UNACKNOWLEDGED, out)
            elif self.policy.resend != "android":  # which only waits
                self.resend(now, unheard, out)
        if self.talk is not Talk.OVER:
            for act in acts:
                out.extend(self.step(now, act))

    def _remembered(self, memory: int, out: list[Effect]) -> None:
        self.memory, self.connection.reach = None, 0
        cursor = self.connection.journal.cursor
        if cursor < memory:
            out.append(Violation(Wrong.EVENT_LOST, f"a replay up to {cursor}, not {memory}"))
        if self.talk in (Talk.READY, Talk.WITH_HUMAN):
            out.append(YourTurn(""))

    def _overdue(self, now: float, out: list[Effect]) -> None:
        turn = self.turn
        if self.talk is Talk.NEW:
            self.owe(Talk.JOINING, Turn(JOIN, now), out)
            return
        if turn is not None and self.talk in _WAITING:
            if now < turn.sent + self.policy.patience:
                self.resend(now, turn, out)
                return
            kind = Failure.UNANSWERED if turn.echoed else Failure.UNACKNOWLEDGED
            # An answer may be late. A human may type and think better of it.
            thinking = turn.thought and self.talk is Talk.WAITING and self.answers.stream is None
            self.answers.thinking = thinking
            self.lose(now, turn, kind, out)
            return
        if is_handed_back(self):  # and not a word: none is owed
            self.handoff = None
            self.your_turn("", Cue.AGENT_BACK, out)
            return
        if self.talk is Talk.QUEUED:
            self.give_up(now, out)
            out.append(Counted(Count.HANDOFFS_GAVE_UP))
            self.your_turn("", Cue.NO_HUMAN, out)
            return
        out.append(Failed(MISSING.get(self.talk, Failure.END_MISSING)))
        if self.talk is not Talk.LEAVING:
            out.append(Send(END_SESSION))  # or the server keeps the session until its idle limit
        self.finish(now, Finish(Ending.FAILED, close=1000), out)

    # --- the person ---------------------------------------------------------------------------

    def _say(self, now: float, say: Say, out: list[Effect]) -> None:
        self._expect(say, *_UNDER_WAY, Talk.ENDED)
        if self.talk not in _TALKING:
            return  # the screen has changed under the person's fingers
        if self.connection.link is not Link.LIVE:
            if not self._has_left:
                self.pending.append(say)
            return
        local_id = new_id(self.connection.rng)
        frame = user_message(say.text, local_id)
        turn = Turn(frame, now, due=say.due, text=say.text, local_id=local_id)
        turn.again_at = now + self.policy.again_after(0)
        out.append(Counted(Count.TURNS_SENT, now))
        if self.talk in _WAITING:
            self.following.append(turn)
            out.append(Send(frame))
            return
        self.owe(Talk.WAITING if self.talk is Talk.READY else Talk.WAITING_HUMAN, turn, out)

    def _leave(self, now: float, leave: Leave, out: list[Effect]) -> None:
        self._expect(leave, *_UNDER_WAY, Talk.ENDED)
        if self.talk in (Talk.LEAVING, Talk.ENDED, Talk.LEFT):
            return
        if self.connection.link is not Link.LIVE:
            self.pending = [leave]
            return
        self.abandon_turns(now, out)
        self.give_up(now, out)
        if self.talk in (Talk.JOINING, Talk.GREETING):
            self.answers.given_up(1)  # the greeting
        self.owe(Talk.LEAVING, Turn(END_SESSION, now, due=leave.due), out)
        self.connection.outlasts()

    def _cut(self, now: float, out: list[Effect]) -> None:
        self._expect("CUT", *(talk for talk in Talk if talk is not Talk.OVER))
        if self.ending is not None:
            self.finish(now, Finish(self.ending, close=1000), out)
        elif self.connection.link in (Link.LIVE, Link.REPLAYING):
            if self.talk is not Talk.LEAVING:
                out.append(Send(END_SESSION))
            self.finish(now, Finish(Ending.CUT_OFF, close=1000), out)
        elif self.connection.attempt > 1:  # not a session that was simply still running
            self.abandon_turns(now, out)
            out.append(Failed(Failure.CONNECTION_LOST, "still disconnected when the run ended"))
            self.finish(now, Finish(Ending.FAILED), out)
        else:
            self.finish(now, Finish(Ending.CUT_OFF), out)

    # --- what came ---------------------------------------------------------------------------

    def _hear(self, now: float, event: Event, out: list[Effect]) -> None:
        connection, kind = self.connection, event.type
        connection.heard_at = now
        if not connection.journal.take(event, connection.link is Link.REPLAYING, out):
            return
        self.answers.heard(event)
        if self.memory is not None and recall(self, now, event):
            return
        row = ROWS[self.talk].get(kind)
        if row is None:
            detail = f"{kind.removeprefix('EVENT_TYPE_')} while {self.talk.name}"
            out.append(Violation(Wrong.UNEXPECTED_EVENT, detail))
        else:
            row(self, now, event, out)

    # --- helpers ------------------------------------------------------------------------------

    @property
    def _has_left(self) -> bool:
        return bool(self.pending) and isinstance(self.pending[0], Leave)

    def open_turns(self) -> list[Turn]:
        """The messages that are neither answered nor lost, in the order of their answers."""
        turn = self.turn
        return [*([turn] if turn is not None and turn.is_open else []), *self.following]

    def said(self, local_id: str | None) -> Turn | None:
        """The message that an echo belongs to."""
        if local_id is None:
            return None
        every = self.following if self.turn is None else (self.turn, *self.following)
        return next((turn for turn in every if turn.local_id == local_id), None)

    def in_order_of_echoes(self) -> None:
        """Messages are answered in the order in which the server has them, if it has them."""
        # A thought without an echo is an echo that is missing, not a message that got lost.
        turns = sorted(self.open_turns(), key=lambda turn: not (turn.echoed or turn.thought))
        self.turn, *self.following = turns
        self._wait_for(self.turn)

    def owe(self, talk: Talk, turn: Turn, out: list[Effect]) -> None:
        """Send what opens a turn; from now on the far side owes its answer."""
        self.talk, self.turn = talk, turn
        self._wait_for(turn)
        if talk is Talk.LEAVING:
            self.owed_by = turn.sent + self.policy.handshake
        out.append(Send(turn.frame))

    def _wait_for(self, turn: Turn) -> None:
        again_at = NEVER if turn.echoed else turn.again_at
        self.owed_by = min(turn.sent + self.policy.patience, again_at)

    def resend(self, now: float, turn: Turn, out: list[Effect]) -> None:
        """Send a message again that was not echoed; if that was done often enough, it is lost."""
        again, gives_up = RESENDING[self.policy.resend]
        turn.again_at = NEVER
        if turn.resends < len(again):
            turn.resends += 1
            turn.again_at = now + self.policy.again_after(turn.resends)
            out.append(Counted(Count.TURNS_RESENT, turn.sent))
            out.append(Send(turn.frame))
        elif gives_up is not None:
            self.lose(now, turn, Failure.UNACKNOWLEDGED, out)
            return
        if turn is self.turn:
            self._wait_for(turn)

    def answered(self, turn: Turn, out: list[Effect]) -> None:
        """Count a turn as answered."""
        turn.answered = self.answers.prompted = True
        self.rejoins = 0  # they are counted in a row
        out.append(Counted(Count.TURNS_ANSWERED, turn.sent))
        if self.connection.link is Link.REPLAYING:
            out.append(Counted(Count.TURNS_ANSWERED_BY_REPLAY, turn.sent))
        self.answers.late += turn.resends  # each may be answered too

    def next_turn(self) -> bool:
        """Go on with what was said meanwhile. Returns whether there is something."""
        if not self.following:
            return False
        self.turn = self.following.pop(0)
        self._wait_for(self.turn)
        return True

    def your_turn(
        self, heard: str, cue: Cue, out: list[Effect], offered: tuple[str, ...] = ()
    ) -> None:
        human = self.talk in (Talk.WITH_HUMAN, Talk.WAITING_HUMAN)
        self.talk, self.owed_by = Talk.WITH_HUMAN if human else Talk.READY, NEVER
        if not self._has_left:
            out.append(YourTurn(heard, cue, offered))

    def lose(
        self,
        now: float,
        turn: Turn,
        kind: Failure,
        out: list[Effect],
        cue: Cue = Cue.SILENCE,
        *,
        refused: bool = False,
        detail: str = "",
    ) -> None:
        """A turn is given up; once none is left the person goes on.

        Args:
            refused: its answer will not come late: the server said so, or it is all there.
            detail: of the failure, in words.
        """
        self._write_off(now, turn, out, answers=turn.resends + (not refused))
        out.append(Failed(kind, detail))
        if turn is not self.turn:
            self.following.remove(turn)
        elif not self.next_turn():
            self.your_turn("", cue, out)

    def abandon_turns(self, now: float, out: list[Effect]) -> None:
        """Nobody waits for any answer any more."""
        for turn in self.open_turns():
            self._write_off(now, turn, out, answers=1 + turn.resends)
        self.following.clear()

    def give_up(self, now: float, out: list[Effect]) -> None:
        """Nobody waits any more for whatever is owed besides answers."""
        self.unfinished(now, of_the_far_side(self), out)

    def unfinished(
        self, now: float, waits: Iterable[Wait], out: list[Effect], *, lost: bool = True
    ) -> None:
        """Tell of waits that are over without what was waited for."""
        out.extend(Unfinished(*wait, now, lost) for wait in waits)

    def _write_off(self, now: float, turn: Turn, out: list[Effect], *, answers: int) -> None:
        self.unfinished(now, of_turn(self, turn), out)
        turn.lost = True
        out.append(Counted(Count.TURNS_LOST, turn.sent))
        if turn is self.turn:
            self.answers.given_up(answers)
        else:
            self.answers.late += answers

    def finish(self, now: float, finish: Finish, out: list[Effect]) -> None:
        """The session is over. What is still waited for is lost if it failed, and open if not."""
        self.unfinished(now, waits_of(self), out, lost=finish.ending is Ending.FAILED)
        out.extend(Counted(Count.TURNS_OPEN, turn.sent) for turn in self.open_turns())
        self.turn = None
        self.following.clear()
        self.connection.journal.settle(out)
        self.talk, self.owed_by = Talk.OVER, NEVER
        self.connection.end()
        out.append(finish)

    def _expect(self, happening: object, *talks: Talk) -> None:
        if self.talk not in talks:
            raise LocalError(f"{happening} while {self.talk.name}")


_TALKING: Final = frozenset(
    {Talk.READY, Talk.WAITING, Talk.WITH_HUMAN, Talk.WAITING_HUMAN}
)  # where the person may type and send
_WAITING: Final = (Talk.WAITING, Talk.WAITING_HUMAN)  # where messages are open
_UNDER_WAY: Final = tuple(talk for talk in Talk if talk not in (Talk.ENDED, Talk.OVER))
