"""What a session's person does, each act at its moment."""

from typing import Final

from loadkit.actions import SOMEBODY_ELSE, ActionKind, Cue, UserAction
from loadkit.chat.effects import YourTurn
from loadkit.chat.inputs import Input, Leave, Say, Typing
from loadkit.chat.states import NEVER
from loadkit.figures import Count, RecorderLike
from loadkit.net.fault_injector import FaultInjector
from loadkit.net.interfaces import PersonLike

_REACHED: Final = (Count.REACHED_SOCKET, Count.REACHED_GREETING, Count.REACHED_ANSWER)
_TYPING: Final = (ActionKind.TYPING_STARTED, ActionKind.TYPING_STOPPED)


class PersonActs:
    """One person's acts, from what they hear; after so many answers their app is started again.

    Attributes:
        due: the acts to come, in order.
        hushed: they say nothing new any more; what is owed to them may still come.
        more: whether a frame follows at once that of the act which was done last: as when typing
            ends with the message that is sent.
    """

    __slots__ = (
        "_faults",
        "_held",
        "_reached",
        "_recorder",
        "_restarts",
        "_said_at",
        "_waited",
        "due",
        "hushed",
        "more",
        "person",
    )

    def __init__(
        self, person: PersonLike, faults: FaultInjector, restarts: int, recorder: RecorderLike
    ) -> None:
        self.person, self._faults, self._restarts = person, faults, restarts
        self._recorder, self._reached = recorder, 0  # steps of _REACHED
        self.due: list[UserAction] = []
        self.hushed = self.more = False
        self._said_at = NEVER
        self._waited = 1.0  # seconds that the last answer took; before the first, a guess
        self._held: YourTurn | None = None  # what a restart kept them from hearing

    def hear(self, now: float, turn: YourTurn) -> bool:
        """It is their turn; returns whether their app is to be shut down instead."""
        self.reach(3 if turn.cue is Cue.ANSWERED else 2)
        if turn.cue is Cue.ANSWERED and self._said_at < now:
            self._waited = now - self._said_at
        if self.hushed:
            return False
        if self._held is not None:  # the new process shows what the old one did
            turn, self._held = self._held, None
        elif self._restarts and turn.cue is Cue.ANSWERED:
            self._restarts -= 1
            self._held = turn
            self.due.clear()
            return True
        if turn.cue in SOMEBODY_ELSE:
            self.due.clear()
        # An answer ends the wait that a leave would have cut short.
        for act in [act for act in self.due if act.kind is ActionKind.LEAVE]:
            self.due.remove(act)
        self.due.extend(acts := self.person.react(now, turn.heard, turn.cue, turn.suggestions))
        said = next((act.due for act in acts if act.kind is ActionKind.SAY), None)
        if said is not None:
            self._faults.turn(now, said + self._waited)
        return False

    def reach(self, step: int) -> None:
        """Count the steps of the session up to this one, each once."""
        while self._reached < step:
            self._recorder.count(_REACHED[self._reached])
            self._reached += 1

    def done(self, now: float, act: UserAction) -> Input:
        """What a session is told of an act, which is done now; one that is no `VANISH`."""
        follows = self.due[0] if self.due and act.kind in _TYPING else None
        self.more = (
            follows is not None
            and follows.due <= act.due
            and (follows.kind is ActionKind.SAY or follows.kind in _TYPING)
        )
        match act.kind:
            case ActionKind.SAY:
                self._said_at = now
                return Say(act.text, act.due)
            case ActionKind.LEAVE:
                return Leave(act.due)
        return Typing(act.kind is ActionKind.TYPING_STARTED)
