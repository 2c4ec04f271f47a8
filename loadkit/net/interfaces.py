"""What a driver asks of its surroundings: who talks, what goes wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, Protocol

from loadkit.actions import Cue, UserAction
from loadkit.chat.personas import PERSONAS, Compression, Persona, Policy
from loadkit.figures import Client, RecorderLike
from loadkit.net.http.target import Target
from loadkit.net.websocket.link import Traffic
from loadkit.security.credentials import Credentials


class PersonLike(Protocol):
    """Who talks: told what was heard and why, answers with acts, `due` rising."""

    @property
    def away_s(self) -> float | None:
        """How long after a `VANISH` they come back; None for never."""

    def react(
        self, at: float, heard: str, cue: Cue = Cue.ANSWERED, suggestions: Sequence[str] = ()
    ) -> list[UserAction]: ...


class SocketFault(Protocol):
    """One thing that goes wrong with a connection; `loadkit.profile.chaos` plans them."""

    @property
    def kind(self) -> str:
        """`close`, `fin`, `reset`, `half_open` or `stall`."""

    @property
    def code(self) -> int | None:
        """What a `close` says."""

    @property
    def seconds(self) -> float:
        """How long a `stall` lasts."""


class FaultPlan(Protocol):
    """What one session is to meet."""

    def due(self, started: float) -> float: ...
    def turn(self, begins: float, ends: float) -> None: ...
    def strike(self, now: float) -> SocketFault: ...
    def at_moment(self, moment: str) -> SocketFault | None: ...


@dataclass(frozen=True, slots=True)
class SessionContext:
    """What the sessions of one worker share."""

    target: Target
    credentials: Credentials
    recorder: RecorderLike
    traffic: Traffic
    policy: Policy
    rng: Random
    persona: Persona = PERSONAS[Client.REFERENCE]
    client: str = ""  # what their people have; `persona` is how it behaves
    platform: str = "web"  # what a session says that it runs on
    compression: Compression | None = None  # what its sockets offer of it; None for nothing
    # How a resume names its place: `seq` writes `seq:<n>`, `integer` writes `<n>`.
    cursor: Literal["seq", "integer"] = "seq"
    user_class: str = ""  # of their people


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """What one session is to go through."""

    streaming: bool = False  # whether to ask for streamed answers
    faults: FaultPlan | None = None  # forced disconnects; None for none
    # Faults that hit many sessions at once: when (seconds, monotonic) and what.
    storms: tuple[tuple[float, SocketFault], ...] = ()
    tabs: int = 0  # further sockets on the same session, each of which must see every event
    # Cold resumes: after an answer the process is shut down and a new one, which remembers
    # nothing but the session and its token, goes on.
    restarts: int = 0
    socket_age: float = 0.0  # how old the first socket is to be taken for, in seconds
    device: str | None = None  # the `device_type` of who comes; None says nothing of it
    person: str = ""  # who comes, by a name that is the same in each run with the same seed
