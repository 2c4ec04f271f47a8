"""A session of the tool's own in the test's process: its driver, its person, and what it notes."""

from collections import Counter
from random import Random
from typing import Any

from processes import HOST, TOKEN

from loadkit.actions import ActionKind, UserAction
from loadkit.chat.personas import Compression, Policy
from loadkit.errors import Failure
from loadkit.figures import Answered, Ending, Origin, Phase, Transcript, TurnSeen
from loadkit.net.driver import Driver
from loadkit.net.http.target import Target
from loadkit.net.interfaces import SessionContext, SessionPlan
from loadkit.net.websocket.link import Traffic
from loadkit.security.credentials import Credentials


class Script:
    """A person who does as a list of lines says: a text to say, or None to leave."""

    away_s = None

    def __init__(self, *lines: str | None, typing: float = 0.05) -> None:
        self._lines, self._typing = list(lines), typing
        self.said_at: list[float] = []
        self.heard = 0

    def react(self, at: float, *told: object) -> list[UserAction]:
        self.heard += 1
        if not self._lines:
            return []
        line, due = self._lines.pop(0), at + self._typing
        if line is None:
            return [UserAction(due, ActionKind.LEAVE)]
        self.said_at.append(due)
        return [
            UserAction(at, ActionKind.TYPING_STARTED),
            UserAction(due, ActionKind.TYPING_STOPPED),
            UserAction(due, ActionKind.SAY, line),
        ]


class Notes:
    """A recorder that keeps everything."""

    def __init__(self) -> None:
        self.samples: list[tuple[Phase, float | None, float, float]] = []
        self.waits: list[tuple[Phase, float, bool]] = []  # that nobody saw the end of
        self.ages: list[float] = []  # of the session, when each answered message was sent
        self.answered: list[tuple[int, TurnSeen]] = []  # each one's number, and what was seen of it
        self.counts: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self.violations: list[str] = []
        self.origins: list[Origin] = []  # of each of the two, in order
        self.started = 0
        self.endings: list[Ending] = []

    def sample(
        self,
        phase: Phase,
        due: float | None,
        sent: float,
        end: float,
        turn: Answered | None = None,
    ) -> None:
        if turn is not None:
            assert phase is Phase.RESPONSE
            self.ages.append(sent - turn.since)
            self.answered.append((turn.number, turn.seen()))
        self.samples.append((phase, due, sent, end))

    def unfinished(
        self, phase: Phase, due: float | None, sent: float, until: float, lost: bool
    ) -> None:
        self.waits.append((phase, until - sent, lost))

    def count(self, key: str, n: int = 1, since: float | None = None) -> None:
        self.counts[key] += n

    def count_named(self, family: str, word: str) -> str:
        self.count(key := f"{family}.{word}")
        return key

    def fail(self, kind: Failure, detail: str, origin: Origin) -> None:
        self.failures.append(kind)
        self.origins.append(origin)

    def violate(
        self, kind: str, detail: str, origin: Origin, transcript: Transcript = tuple
    ) -> None:
        self.violations.append(f"{kind}: {detail}")
        self.origins.append(origin)

    def session_started(self) -> None:
        self.started += 1

    def session_ended(self, ending: Ending) -> None:
        self.endings.append(ending)

    def of(self, phase: Phase) -> list[tuple[float | None, float, float]]:
        return [(due, sent, end) for name, due, sent, end in self.samples if name is phase]


def driver(
    url: str,
    person: Script,
    notes: Notes,
    *,
    streaming: bool = False,
    restarts: int = 0,
    tabs: int = 0,
    compression: Compression | None = None,
    **policy: Any,
) -> Driver:
    setting = SessionContext(
        target=Target.resolve(url),
        credentials=Credentials(TOKEN, HOST),
        recorder=notes,
        traffic=Traffic(),
        policy=Policy(**policy),
        rng=Random(7),
        compression=compression,
    )
    plan = SessionPlan(streaming=streaming, restarts=restarts, tabs=tabs)
    return Driver(setting, person, plan)
