"""One visitor's conversation: where it stands, what is owed to the person, and what becomes of it.

What moves it are the handlers of the rows (`loadkit.chat.table`), by the methods of this class.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random
from typing import Any, ClassVar

from loadkit.actions import Cue
from loadkit.chat.effects import Counted, Effect, Failed, Finish, Send, Unfinished, YourTurn
from loadkit.chat.handoff import Handoff
from loadkit.chat.inputs import Happening, Input, Leave, Say, kind_of
from loadkit.chat.personas import RESENDING, Policy
from loadkit.chat.socket.connection import ClientSocket
from loadkit.chat.states import NEVER, ChatState, SocketState
from loadkit.chat.turns.answers import Answers
from loadkit.chat.turns.turn import Outcome, Turn
from loadkit.errors import Failure, LocalError
from loadkit.figures import Count, Ending, Phase, Wait


class Conversation:
    """What a session knows of its conversation.

    It stands at `state`, where what is owed has to come until `owed_by` (seconds, monotonic).
    """

    __slots__ = (
        "answers",
        "connection",
        "ending",
        "following",
        "handoff",
        "messages",
        "owed_by",
        "pending",
        "policy",
        "rejoins",
        "state",
        "streaming",
        "surveyed",
        "turn",
    )

    rows: ClassVar["Rows"]  # what happens where, and where it may lead: `loadkit.chat.table.ROWS`

    def __init__(
        self, policy: Policy, rng: Random, *, streaming: bool = True, socket_age: float = 0.0
    ) -> None:
        self.policy, self.streaming = policy, streaming
        self.connection = ClientSocket(policy, rng, age=socket_age)
        self.answers = Answers()
        self.handoff: Handoff | None = None
        self.turn: Turn | None = None  # the last thing asked, answered or not
        self.messages = 0  # that the person has sent
        self.following: list[Turn] = []  # sent ahead of the answer to it, and answered after it
        self.pending: list[Say | Leave] = []  # what the person did while the socket was away
        self.rejoins = 0  # joins in a row that were sent again
        self.ending: Ending | None = None  # told by SESSION_END or CLIENT_HANDOFF_REQUIRED
        self.surveyed = False  # how was it? The socket may stay open for the answer
        self.enter(ChatState.NEW)

    def enter(self, state: ChatState, until: float = NEVER) -> None:
        """Stand at `state`, where something is owed until then. Nothing else writes either."""
        self.state, self.owed_by = state, until

    def take(self, now: float, happening: Input, out: list[Effect]) -> None:
        """Have the row take what is no event.

        Raises:
            LocalError: there is none: it makes no sense here.
        """
        row = self.rows[self.state].get(kind_of(happening))
        if row is None:
            raise LocalError(f"{happening} while {self.state.name}")
        row[0](self, now, happening, out)

    # --- what is owed -----------------------------------------------------------------------------

    def owe(self, state: ChatState, turn: Turn, out: list[Effect]) -> None:
        """Send what opens a turn; from now on the far side owes its answer."""
        self.turn = turn
        leaving = state is ChatState.LEAVING
        self.enter(state, turn.sent + self.policy.handshake if leaving else self._due(turn))
        out.append(Send(turn.frame))

    def _due(self, turn: Turn) -> float:
        """When something is to be done about a turn, unless it is answered first."""
        patience_ends = turn.sent + self.policy.patience
        return patience_ends if turn.echoed else min(patience_ends, turn.again_at)

    def waits(self) -> Iterator[Wait]:
        """Everything that is waited for now: the socket, the agent, each answer.

        Not whether the agent thinks, which it need not tell, nor the next chunk and the heartbeat's
        echo: a stream that has stopped is an answer that is open, a dead socket a reconnect.
        """
        socket = self.connection
        if socket.lost_at is not None:
            yield Wait(Phase.RECONNECT, None, socket.lost_at)
        if socket.state is SocketState.REPLAYING:
            yield Wait(Phase.HISTORY, None, socket.opened_at)
        yield from self._waits_besides()
        for turn in self.open_turns():
            yield from self._waits_for(turn)

    def _waits_besides(self) -> Iterator[Wait]:
        """What is owed besides answers: the join, the greeting, the human, the end."""
        state, turn = self.state, self.turn
        if state is ChatState.QUEUED and self.handoff is not None:
            yield Wait(Phase.HANDOFF_WAIT, None, self.handoff.at)
        if turn is None:
            return
        if state is ChatState.JOINING:
            yield Wait(Phase.JOIN, None, turn.sent)
        if state is ChatState.JOINING or state is ChatState.GREETING:
            yield Wait(Phase.GREETING, None, turn.sent)
        elif state is ChatState.LEAVING:
            yield Wait(Phase.END, turn.due, turn.sent)

    def _waits_for(self, turn: Turn) -> Iterator[Wait]:
        """The answer to a message, its echo, and its first chunk if it may come in chunks."""
        by_human = self.state is ChatState.WAITING_HUMAN
        yield Wait(Phase.LIVE_RESPONSE if by_human else Phase.RESPONSE, turn.due, turn.sent)
        if not turn.echoed:
            yield Wait(Phase.ECHO, None, turn.sent)
        begun = turn is self.turn and self.answers.stream is not None
        if self.streaming and not (begun or by_human):
            yield Wait(Phase.FIRST_CHUNK, turn.due, turn.sent)

    @property
    def asked(self) -> Turn:
        """The message that is to be answered first, where one is."""
        assert self.turn is not None
        return self.turn

    def open_turns(self) -> list[Turn]:
        """The messages that are neither answered nor lost, in the order of their answers."""
        turn = self.turn
        return [*([turn] if turn is not None and turn.is_open else []), *self.following]

    def said(self, local_id: str | None) -> Turn | None:
        """The message that an echo belongs to."""
        turn = self.turn
        if local_id is None or (turn is not None and turn.local_id == local_id):
            return turn if local_id is not None else None
        return next((turn for turn in self.following if turn.local_id == local_id), None)

    def in_order_of_echoes(self) -> None:
        """Messages are answered in the order in which the server has them, if it has them."""
        if self.following:
            # A thought without an echo is an echo that is missing, not a message that got lost.
            turns = sorted(self.open_turns(), key=lambda turn: not (turn.echoed or turn.thought))
            self.turn, *self.following = turns
        self.enter(self.state, self._due(self.asked))

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
            self.enter(self.state, self._due(turn))

    # --- what becomes of it -----------------------------------------------------------------------

    def answered(self, turn: Turn, out: list[Effect]) -> None:
        """Count a turn as answered."""
        turn.outcome = Outcome.ANSWERED
        self.rejoins = 0  # they are counted in a row
        out.append(Counted(Count.TURNS_ANSWERED, turn.sent))
        if self.connection.state is SocketState.REPLAYING:
            out.append(Counted(Count.TURNS_ANSWERED_BY_REPLAY, turn.sent))
        self.answers.late += turn.resends  # each may be answered too

    def next_turn(self) -> bool:
        """Go on with what was said meanwhile. Returns whether there is something."""
        if not self.following:
            return False
        self.turn = self.following.pop(0)
        self.enter(self.state, self._due(self.turn))
        return True

    def your_turn(
        self, heard: str, cue: Cue, out: list[Effect], offered: tuple[str, ...] = ()
    ) -> None:
        """Nothing is owed: the person goes on, with whom they talked to."""
        human = self.state is ChatState.WITH_HUMAN or self.state is ChatState.WAITING_HUMAN
        self.enter(ChatState.WITH_HUMAN if human else ChatState.READY)
        if not self.has_left:
            out.append(YourTurn(heard, cue, offered))

    @property
    def has_left(self) -> bool:
        """Whether the person has left while the socket was away."""
        return bool(self.pending) and isinstance(self.pending[0], Leave)

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

        If it was `refused`, its answer will not come late: the server said so, or it is all there.
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

    def _write_off(self, now: float, turn: Turn, out: list[Effect], *, answers: int) -> None:
        self.unfinished(now, self._waits_for(turn), out)
        turn.outcome = Outcome.LOST
        out.append(Counted(Count.TURNS_LOST, turn.sent))
        if turn is self.turn:
            self.answers.given_up(answers)
        else:
            self.answers.late += answers

    def give_up(self, now: float, out: list[Effect]) -> None:
        """Nobody waits any more for whatever is owed besides answers."""
        self.unfinished(now, self._waits_besides(), out)

    def unfinished(
        self, now: float, waits: Iterable[Wait], out: list[Effect], *, lost: bool = True
    ) -> None:
        """Tell of waits that are over without what was waited for."""
        out.extend(Unfinished(*wait, now, lost) for wait in waits)

    def finish(self, now: float, finish: Finish, out: list[Effect]) -> None:
        """The session is over. What is still waited for is lost if it failed, and open if not."""
        self.unfinished(now, self.waits(), out, lost=finish.ending is Ending.FAILED)
        out.extend(Counted(Count.TURNS_OPEN, turn.sent) for turn in self.open_turns())
        self.turn = None
        self.following.clear()
        self.connection.journal.settle(out)
        self.enter(ChatState.OVER)
        self.connection.end()
        out.append(finish)


Handler = Callable[[Conversation, float, Any, list[Effect]], object]
"""What a row does: with the conversation, at a time, about what happened; adds effects."""

Row = tuple[Handler, frozenset[ChatState]]
"""That, and the states other than the present one to which it may lead."""

Rows = Mapping[ChatState, Mapping[Happening, Row]]
