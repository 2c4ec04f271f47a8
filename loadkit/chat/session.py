"""One visitor's chat session as its client lives it: happenings in, effects out.

What each happening does where is told by the table (`loadkit.chat.table`), whether it comes live,
in a replay, or in the journal that a new process reads of a session that it knows nothing of.
"""

from random import Random
from typing import Final

from loadkit.chat.conversation import Conversation, Handler
from loadkit.chat.effects import Counted, Effect, Named, Sample, Unfinished, Violation, YourTurn
from loadkit.chat.events.session_events import unexpected
from loadkit.chat.inputs import Input
from loadkit.chat.personas import Policy
from loadkit.chat.states import UNDER_WAY, ChatState, SocketState
from loadkit.chat.table import ROWS
from loadkit.chat.turns.answers import MESSAGES
from loadkit.figures import State
from loadkit.protocol import Event, EventType, Flaw

_MEASURED: Final = (Sample, Unfinished, Counted, Named, Violation, YourTurn)
_MOMENTS: Final = {
    ChatState.JOINING: "join",
    ChatState.GREETING: "join",
    ChatState.AGENT_BACK: "join",
    ChatState.READY: "between_turns",
    ChatState.QUEUED: "queue",
    ChatState.WITH_HUMAN: "human",
    ChatState.WAITING_HUMAN: "human",
    SocketState.CONNECTING: "connect",
    SocketState.REPLAYING: "replay",
}
_IN_A_CHART: Final = {
    ChatState.NEW: State.STARTING,
    ChatState.JOINING: State.JOINING,
    ChatState.GREETING: State.JOINING,
    ChatState.AGENT_BACK: State.JOINING,
    ChatState.READY: State.READY,
    ChatState.WAITING: State.WAITING,
    ChatState.QUEUED: State.QUEUED,
    ChatState.WITH_HUMAN: State.WITH_HUMAN,
    ChatState.WAITING_HUMAN: State.WITH_HUMAN,
}  # any other: ENDING
_AWAY: Final = frozenset({SocketState.CONNECTING, SocketState.REPLAYING, SocketState.BACKOFF})
_EACH_TIME: Final = (EventType.SESSION_START, EventType.SESSION_END)  # each socket is told


class Session(Conversation):
    """A chat session.

    Feed it `START`, then server events (`loadkit.protocol.decode`) and the inputs of
    `loadkit.chat.inputs`, each with the time at which it happened; perform the effects in order;
    feed `ELAPSED` when `deadline` has come. After `Finish` nothing more may be fed.
    """

    __slots__ = ()
    rows = ROWS

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
            rng: for message ids and jitter; may be shared by many sessions.
            streaming: whether streamed answers were asked for.
            memory: the cursor that an earlier process had of this session, which this one goes
                on with from nothing (a cold resume): the replay must reach it.
            socket_age: seconds that the first socket is taken to be old: it is replaced sooner.
        """
        super().__init__(policy, rng, streaming=streaming, socket_age=socket_age)
        self.connection.reach = memory

    def step(self, now: float, happening: Event | Flaw | Input) -> list[Effect]:
        """Take one happening; return what the driver must do, in order.

        Raises:
            LocalError: the tool asked for something that makes no sense now. Nothing that a
                server sends raises.
        """
        out: list[Effect] = []
        if isinstance(happening, Event):
            connection, kind = self.connection, happening.type
            connection.heard_at = now
            if connection.journal.take(happening, connection.state is SocketState.REPLAYING, out):
                if kind in MESSAGES:
                    self.answers.heard(happening)
                row = self.rows[self.state].get(kind)
                handler = unexpected if row is None else row[0]
                if connection.reach is None:
                    handler(self, now, happening, out)
                else:
                    self._recall(now, happening, handler, connection.reach, out)
        elif isinstance(happening, Flaw):
            self.connection.heard_at = now
            out.append(Violation(happening.kind, happening.detail))
        else:
            self.take(now, happening, out)
        return out

    def _recall(
        self, now: float, event: Event, handler: Handler, reach: int, out: list[Effect]
    ) -> None:
        """In a cold resume, what the last process has seen moves the conversation as it did then.

        But nobody waits for it, nothing of it is timed, nothing is counted or told a second time.
        """
        sequence = event.sequence
        if sequence is None or sequence > reach or event.type in _EACH_TIME:
            handler(self, now, event, out)
            return
        answers, past = self.answers, list[Effect]()
        late, answers.late = answers.late, 0  # what is owed since is not in it
        handler(self, now, event, past)
        answers.late, answers.answered_at = late, None
        out.extend(effect for effect in past if not isinstance(effect, _MEASURED))

    def again(self) -> "Session":
        """The same session in the hands of a new process, which remembers nothing of it."""
        rng, cursor = self.connection.rng, self.connection.journal.cursor
        other = Session(self.policy, rng, streaming=self.streaming, memory=cursor)
        other.messages = self.messages
        other.answers.late = self.answers.late  # what the server owes, it owes still
        return other

    # --- what its driver asks ---------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        """When the driver owes us `ELAPSED`; infinity for never."""
        if self.ending is not None:
            return self.owed_by
        connection, by = self.connection, self.owed_by
        if connection.state is SocketState.LIVE and by < connection.deadline:
            return by
        return connection.deadline

    @property
    def moment(self) -> str | None:
        """The moment of the protocol that a forced disconnect may be planned for, if it is one."""
        socket, state = self.connection.state, self.state
        if socket is not SocketState.LIVE:
            return _MOMENTS.get(socket)
        if state is ChatState.WAITING and self.turn is not None:
            if not self.turn.echoed:
                return "before_echo"
            return None if self.answers.stream is None else "mid_stream"
        return _MOMENTS.get(state)

    @property
    def charted(self) -> State:
        """Where a chart shows it: at its conversation, unless a lost socket is being replaced."""
        socket = self.connection
        if socket.journal.known and socket.state in _AWAY and self.state in UNDER_WAY:
            return State.RECONNECTING
        return _IN_A_CHART.get(self.state, State.ENDING)

    @property
    def rest(self) -> State | None:
        """The state of a session in which nothing is waited for; None while something is.

        Asked of all sessions each second, so it looks nothing up.
        """
        if self.connection.state is not SocketState.LIVE:
            return None
        state = self.state
        if state is ChatState.READY:
            return State.READY
        return State.WITH_HUMAN if state is ChatState.WITH_HUMAN else None

    @property
    def breakable(self) -> bool:
        """Whether there is a socket, or one is being opened, whose loss would mean something."""
        connection = self.connection
        return self.state in UNDER_WAY and (
            connection.is_open or connection.state is SocketState.CONNECTING
        )
