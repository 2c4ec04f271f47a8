"""How each of the vendor's clients behaves where the protocol leaves a choice: a row each.

The facts are those of the vendor's Android SDK 0.9 and iOS SDK 0.9 to 0.10 as a server sees them,
and of its web widget; `reference` is what the API reference advises.
"""

from dataclasses import dataclass, field, replace
from math import inf
from random import Random
from typing import Final, Literal, NamedTuple

from loadkit.figures import Client


class Resending(NamedTuple):
    """What is done about a message without an echo; times in seconds."""

    again: tuple[float, ...] = ()  # after how long it is sent again, time after time
    gives_up: float | None = None  # how long after that it is lost; None when the patience ends


RESENDING: Final = {
    "never": Resending(),  # a resume that shows it was lost is the end of it
    "reference": Resending((5.0, 10.0, 20.0)),
    "android": Resending(gives_up=10.0),
    "ios": Resending((3.0, 3.0, 3.0), gives_up=3.0),
}

CONTEXT: Final = (0.32, 0.35, 4.0)
"""Seconds until a page has its context, which a join waits for: median and sigma (lognormal, so
that most take 0.2 to 0.5 s), and when the client joins without."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a client behaves in a session; times in seconds.

    Attributes:
        reconnect: `reference` doubles the back-off from 1 s to 30 s, and takes a new session when
            the old one is refused with 401 or 404. Any other refusal is one as well with `sdk`,
            which polls every 10 s after a first second, and with `ios`, which backs off.
    """

    patience: float = 60.0  # how long an answer, the join or the greeting is waited for
    queue_patience: float = 600.0  # how long a human is waited for
    handshake: float = 10.0  # how long the first history batch and SESSION_END are waited for
    resend: Literal["never", "reference", "android", "ios"] = "never"  # see `RESENDING`
    max_reconnect_attempts: int | None = None  # in a row; None for the server's figure, or 10
    zero_is_no_limit: bool = False  # a server's figure of 0 lets it try for ever
    reconnect: Literal["reference", "sdk", "ios"] = "reference"
    rejoins: int = 3  # how often in a row a join is sent again that the server could not meet
    recycle: float = 0.0  # how old a socket gets before it is replaced; 0 for any age
    recycled: int | None = 4002  # the close code then; None goes without a close frame
    context: bool = False  # the join waits for the page's context: see `CONTEXT`

    def again_after(self, resends: int) -> float:
        """How long after it was sent so many times more a message is sent again, or given up."""
        again, gives_up = RESENDING[self.resend]
        if resends < len(again):
            return again[resends]
        return inf if gives_up is None else gives_up

    def joins_after(self, rng: Random) -> float:
        """How long after the history a join goes out."""
        if not self.context:
            return 0.0
        median, sigma, most = CONTEXT
        return min(median * rng.lognormvariate(0.0, sigma), most)


MOST_REJOINS: Final = 1000
"""How often in a row a client without a limit of its own joins again. Ours: against a server that
is full the vendor's mobile clients go on for ever, some 800 times a second."""


@dataclass(frozen=True, slots=True)
class Compression:
    """How a client offers permessage-deflate (RFC 7692), and what it does once that is agreed."""

    at_least: int = 0  # bytes of a message from which on it is compressed
    window: bool = True  # `client_max_window_bits`: the server may say how far back it looks


@dataclass(frozen=True, slots=True)
class Persona:
    """What tells one client from another.

    Attributes:
        lost: close codes of a socket that it gives up, as the network has changed → weight;
            empty goes without a close frame.
        refresh: seconds before its access token expires at which it takes a new one and reconnects
            the old session with it; None for never.
    """

    platform: str = "web"  # what it says it runs on when it creates a session
    devices: dict[str, float] = field(default_factory=dict)  # `device_type` there → weight (ours)
    policy: Policy = field(default_factory=Policy)
    recycles: bool = True  # replaces a socket that has grown old
    lost: dict[str, float] = field(default_factory=lambda: {"1001": 1.0, "4002": 1.0})
    refresh: float | None = None
    compression: Compression | None = None  # what it offers of it


_MOBILE: Final = {"mobile": 9.0, "tablet": 1.0}
_WEB: Final = Persona(
    devices={"mobile": 5.0, "tablet": 1.0, "desktop": 4.0},
    policy=Policy(resend="reference"),
    recycles=False,
    lost={"1001": 1.0},
    compression=Compression(),
)

PERSONAS: Final[dict[Client, Persona]] = {
    Client.REFERENCE: Persona(),
    Client.ANDROID: Persona(
        platform="android",
        devices=_MOBILE,
        policy=Policy(resend="android", reconnect="sdk", rejoins=MOST_REJOINS),
        lost={"4002": 1.0},
        compression=Compression(at_least=1024, window=False),
    ),
    Client.IOS: Persona(
        platform="ios",
        devices=_MOBILE,
        policy=Policy(
            resend="ios",
            reconnect="ios",
            rejoins=MOST_REJOINS,
            recycled=None,
            zero_is_no_limit=True,
        ),
        lost={},
        refresh=300.0,
    ),
    Client.WEB: _WEB,
    Client.WEB_CONTEXT: replace(_WEB, policy=Policy(resend="reference", context=True)),
}


def offered(persona: Persona, asked: bool | None) -> Compression | None:
    """What a client's sockets offer, where `[connection] deflate` is `asked`; None as it does.

    Who offers no compression of its own, and is to, does as a browser.
    """
    if asked is None:
        return persona.compression
    return (persona.compression or Compression()) if asked else None
