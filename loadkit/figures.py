"""The closed lists of what is measured, phases (timed) and endings and counts (counted), and where
it goes."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple, Protocol

from loadkit.errors import Failure

DELIVERED_SHARE: Final = 0.95
"""The share of the load asked for from which on it counts as delivered: of users and sessions, and
of the users that there are at any second."""


class Phase(StrEnum):
    """The keys of every latency figure, in the order of a report: the headline first."""

    RESPONSE = "response"  # USER_MESSAGE sent → the complete answer
    FIRST_CHUNK = "first_chunk"  # USER_MESSAGE sent → the first chunk of a streamed answer
    CHUNK_GAP = "chunk_gap"  # one chunk → the next
    FOLLOW_UP = "follow_up"  # the complete answer, or greeting → one more message of the agent's
    THINKING = "thinking"  # USER_MESSAGE sent → POLY_AGENT_THINKING
    ECHO = "echo"  # USER_MESSAGE sent → its echo
    LIVE_RESPONSE = "live_response"  # USER_MESSAGE sent → the human's answer
    HANDOFF_WAIT = "handoff_wait"  # hand-off triggered → the human joined
    TOKEN = "token"  # the REST call, its connection included
    CREATE_SESSION = "create_session"
    CONNECT = "connect"  # TCP, TLS and upgrade
    HISTORY = "history"  # upgrade → last replayed event
    JOIN = "join"  # join requested → POLY_AGENT_JOINED
    GREETING = "greeting"  # join requested → the complete greeting
    HEARTBEAT = "heartbeat"  # round trip
    HEARTBEAT_LATENESS = "heartbeat_lateness"  # due → sent: ours, not the server's
    RECONNECT = "reconnect"  # drop → caught up
    END = "end"  # USER_END_SESSION sent → SESSION_END


class TurnSeen(NamedTuple):
    """What was seen of a turn while it waited for its answer; stamps as of `Wait`."""

    origin: "Origin"  # whose it was
    # when each came; None where none did
    echo: float | None = None
    thinking: float | None = None
    chunks: tuple[float, ...] = ()  # when the first chunks of the answer came


class Answered(NamedTuple):
    """What a response says of its turn besides its stamps."""

    since: float  # when its session began (seconds, monotonic)
    number: int  # which of the session's messages it answers, from 1 on
    seen: "Callable[[], TurnSeen]"  # gives the rest, once somebody wants it
    person: str = ""  # who said it, by a name that is the same in each run with the same seed


class Wait(NamedTuple):
    """Something that is waited for now; stamps in seconds on the monotonic clock."""

    phase: Phase  # the figure that it will be, once it has come
    due: float | None  # when the plan wanted the wait to begin; None for what no plan schedules
    sent: float  # since when


class Ending(StrEnum):
    """How a session ended."""

    USER_END = "user_end"
    NATURAL_END = "natural_end"
    ABANDONED = "abandoned"
    CLIENT_HANDOFF = "client_handoff"
    FAILED = "failed"
    CUT_OFF = "cut_off"  # still running when the run was told to stop


COMPLETED: Final = (Ending.USER_END, Ending.NATURAL_END, Ending.CLIENT_HANDOFF)
"""The endings that a conversation is meant to have. `abandoned` is what a user did on purpose,
yet no conclusion; `cut_off` is neither a failure nor a completion."""


class Client(StrEnum):
    """What people chat with; `loadkit.chat.personas` tells how each behaves."""

    REFERENCE = "reference"  # as the API reference advises
    ANDROID = "android"
    IOS = "ios"
    WEB = "web"
    WEB_CONTEXT = "web-context"  # a page that hands the agent a context of its own


CLIENTS: Final = frozenset[str](Client)
"""Their names, which no user class may have."""


class State(StrEnum):
    """Where a live session stands, as a chart of a run shows it."""

    STARTING = "starting"  # token, session, first socket
    JOINING = "joining"  # the agent and the greeting are owed
    READY = "ready"  # the person's turn
    WAITING = "waiting"  # the agent's turn
    QUEUED = "queued"  # handed over, no human yet
    WITH_HUMAN = "with_human"
    RECONNECTING = "reconnecting"
    ENDING = "ending"


class Count(StrEnum):
    """What is counted besides endings (`ended.*`), failures (`errors.*`), `violations.*`."""

    SESSIONS_STARTED = "sessions.started"
    SESSIONS_RENEWED = "sessions.renewed"  # of them, those in place of one that the server lost
    REACHED_TOKEN = "reached.token"  # sessions that got so far, each once
    REACHED_SESSION = "reached.session"
    REACHED_SOCKET = "reached.socket"
    REACHED_GREETING = "reached.greeting"
    REACHED_ANSWER = "reached.answer"  # to their first message
    JOINS_AGAIN = "joins.again"  # sent once more, as the server could not meet them
    JOINS_GIVEN_UP = "joins.given_up"  # not sent again any more: the client's limit was reached
    TURNS_SENT = "turns.sent"
    TURNS_ANSWERED = "turns.answered"
    TURNS_LOST = "turns.lost"
    TURNS_OPEN = "turns.open"  # nobody saw their end: who waited went away, or the run was over
    TURNS_RESENT = "turns.resent"
    TURNS_ANSWERED_TWICE = "turns.answered_twice"
    TURNS_ANSWERED_BY_REPLAY = "turns.answered_by_replay"
    TURNS_FOLLOWED_UP = "turns.followed_up"  # with one follow-up or more
    FOLLOW_UPS = "events.follow_up"  # complete agent messages beyond the answers that were owed
    HANDOFFS_TRIGGERED = "handoffs.triggered"
    HANDOFFS_JOINED = "handoffs.joined"  # a human came
    HANDOFFS_CLIENT = "handoffs.client"  # the client was told to take the person elsewhere
    HANDOFFS_FAILED = "handoffs.failed"
    HANDOFFS_TIMED_OUT = "handoffs.timed_out"  # the server gave up looking for a human
    HANDOFFS_GAVE_UP = "handoffs.gave_up"  # the person did
    HANDOFFS_HANDED_BACK = "handoffs.handed_back"  # the human left, the agent is there again
    HANDOFFS_TRANSFERRED = "handoffs.transferred"  # the human left, another one came
    DISCONNECTS_FORCED = "disconnects.forced"
    DISCONNECTS_RECYCLED = "disconnects.recycled"  # sockets replaced because of their age (4002)
    DISCONNECTS_REFRESHED = "disconnects.refreshed"  # sockets replaced for a new token (1001)
    DISCONNECTS_UNEXPECTED = "disconnects.unexpected"
    DISCONNECTS_RECONNECTED = "disconnects.reconnected"
    DISCONNECTS_GAVE_UP = "disconnects.gave_up"
    EVENTS_LOST = "disconnects.events_lost"
    EVENTS_DUPLICATED = "disconnects.events_duplicated"
    PASSED_OVER = "addresses.passed_over"  # connections made past an address that never answered
    COMPRESSED = "sockets.compressed"  # of a session, on which compression was agreed
    ARRIVALS_DUE = "arrivals.due"  # sessions that the open model had to begin
    ARRIVALS_REFUSED = "arrivals.refused"  # of those: not begun, as too many were running


PLACES: Final = (1, 2, 3, 5, 10, 20, 50)
"""The last place of each class of places in a queue for a human; behind them is one more."""

PLACE: Final = "handoffs.place"
"""The family under which it is counted how often people were told a place of each class."""


def _named(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


PLACE_CLASSES: Final = (
    *(_named(before + 1, last) for before, last in pairwise((0, *PLACES))),
    f"{PLACES[-1] + 1}+",
)
"""What each class is called: "1", "2", "3", "4-5", …"""

STEPS: Final = ("token", "session", "socket", "greeting", "answer")
"""How far a session gets, step by step: `Count.REACHED_*`, without its family."""

NAMED: Final = ("handoffs.client.reason", "handoffs.client.queue_name", "came_back", "refused")
"""What is counted besides by words that the server chooses: `<family>.<word>`. So that they do not
grow without end, `loadkit.measure.word_counts` keeps some and counts the rest as `other`."""


class Origin(NamedTuple):
    """Where something went wrong, for whoever looks for it in the target's logs."""

    user_class: str = ""  # of the person whom it happened to
    session: str = ""  # its id at the target; empty before there was one
    correlation_id: str = ""  # what the target called the exchange, else what it was sent for that
    client: str = ""  # that the person has, by `Client`


VIOLATED: Final = "violated"
"""The family under which the sessions are counted that a kind of violation has hit."""

NOWHERE: Final = Origin()


Transcript = Callable[[], Sequence[str]]
"""Makes the frames around something, once somebody wants them."""


class RecorderLike(Protocol):
    """Where the figures go; `loadkit.measure.recorder` is the real one."""

    def sample(
        self, phase: Phase, due: float | None, sent: float, end: float, turn: Answered | None = None
    ) -> None: ...
    def unfinished(
        self, phase: Phase, due: float | None, sent: float, until: float, lost: bool
    ) -> None: ...
    def count(self, key: str, n: int = 1, since: float | None = None) -> None: ...
    def count_named(self, family: str, word: str) -> str: ...
    def fail(self, kind: Failure, detail: str, origin: Origin) -> None: ...
    def violate(
        self, kind: str, detail: str, origin: Origin, transcript: Transcript = tuple
    ) -> None: ...
    def session_started(self) -> None: ...
    def session_ended(self, ending: Ending) -> None: ...
