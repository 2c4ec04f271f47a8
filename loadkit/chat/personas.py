"""The vendor's clients, a row each: what they do where the protocol leaves a choice.

The facts are those of the vendor's Android SDK 0.9 and iOS SDK 0.9 to 0.10 as a server sees them,
and of its web widget; `reference` is what the API reference advises.
"""

from dataclasses import dataclass, field
from typing import Final

from loadkit.chat.policy import Policy
from loadkit.figures import Client

__all__ = ["MOST_REJOINS", "PERSONAS", "Compression", "Persona", "offered"]

MOST_REJOINS: Final = 1000
"""How often in a row a client without a limit of its own joins again. Ours: against a server that
is full the vendor's mobile clients go on for ever, some 800 times a second."""


@dataclass(frozen=True, slots=True)
class Compression:
    """How a client offers permessage-deflate (RFC 7692), and what it does once that is agreed.

    Attributes:
        at_least: bytes of a message from which on it is compressed.
        window: whether the server may say how far back the client looks
            (`client_max_window_bits`).
    """

    at_least: int = 0
    window: bool = True


@dataclass(frozen=True, slots=True)
class Persona:
    """What tells one client from another.

    Attributes:
        platform: what it says it runs on when it creates a session.
        devices: `device_type` there → weight (ours); empty says nothing.
        policy: how it behaves in a session.
        recycles: whether it replaces a socket that has grown old.
        lost: close codes of a socket that it gives up, as the network has changed → weight;
            empty goes without a close frame.
        refresh: seconds before its access token expires at which it takes a new one and reconnects
            the old session with it; None for never.
        compression: what it offers of it; None for nothing.
    """

    platform: str = "web"
    devices: dict[str, float] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    recycles: bool = True
    lost: dict[str, float] = field(default_factory=lambda: {"1001": 1.0, "4002": 1.0})
    refresh: float | None = None
    compression: Compression | None = None


_MOBILE: Final = {"mobile": 9.0, "tablet": 1.0}
_WEB: Final = {"mobile": 5.0, "tablet": 1.0, "desktop": 4.0}

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
    Client.WEB: Persona(
        devices=_WEB,
        policy=Policy(resend="reference"),
        recycles=False,
        lost={"1001": 1.0},
        compression=Compression(),
    ),
    Client.WEB_CONTEXT: Persona(
        devices=_WEB,
        policy=Policy(resend="reference", context=True),
        recycles=False,
        lost={"1001": 1.0},
        compression=Compression(),
    ),
}


def offered(persona: Persona, asked: bool | None) -> Compression | None:
    """Return what a client's sockets offer of compression; who offers none does as a browser.

    Args:
        persona: of the client.
        asked: `[connection] deflate`: whether they are to; None as the client does.
    """
    if asked is None:
        return persona.compression
    return (persona.compression or Compression()) if asked else None
