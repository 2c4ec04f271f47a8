"""How a client behaves where the protocol leaves a choice."""

from dataclasses import dataclass
from math import inf
from random import Random
from typing import Final, Literal, NamedTuple

__all__ = ["CONTEXT", "RESENDING", "Policy", "Resending"]


class Resending(NamedTuple):
    """What is done about a message without an echo; times in seconds.

    Attributes:
        again: after how long without an echo it is sent again, time after time.
        gives_up: how long after that it is lost; None for when the patience ends.
    """

    again: tuple[float, ...] = ()
    gives_up: float | None = None


RESENDING: Final = {
    "never": Resending(),
    "reference": Resending((5.0, 10.0, 20.0)),
    "android": Resending(gives_up=10.0),
    "ios": Resending((3.0, 3.0, 3.0), gives_up=3.0),
}
"""By the value of `Policy.resend`. Of `never` alone a resume that shows it was lost is the end."""


CONTEXT: Final = (0.32, 0.35, 4.0)
"""Seconds until a page has its context, which a join waits for: median and sigma (lognormal, so
that most take 0.2 to 0.5 s), and when the client joins without."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How this client behaves; times in seconds.

    Attributes:
        patience: how long an answer, the join or the greeting is waited for.
        queue_patience: how long a human is waited for.
        handshake: how long the first history batch and SESSION_END are waited for.
        resend: what to do about a message without an echo: see `RESENDING`.
        max_reconnect_attempts: in a row; None takes the server's figure (10 when it gives none).
        zero_is_no_limit: a server's figure of 0 lets it try for ever.
        reconnect: `reference` doubles the back-off from 1 s to 30 s, and takes a new session when
            the old one is refused with 401 or 404. Any other refusal is one as well with `sdk`,
            which polls every 10 s after a first second, and with `ios`, which backs off.
        rejoins: how often in a row a join is sent again that the server could not meet.
        recycle: how old a socket gets before it is replaced; 0 for any age.
        recycled: the close code then; None goes without a close frame.
        context: the join waits for the page's context: see `CONTEXT`.
    """

    patience: float = 60.0
    queue_patience: float = 600.0
    handshake: float = 10.0
    resend: Literal["never", "reference", "android", "ios"] = "never"
    max_reconnect_attempts: int | None = None
    zero_is_no_limit: bool = False
    reconnect: Literal["reference", "sdk", "ios"] = "reference"
    rejoins: int = 3
    recycle: float = 0.0
    recycled: int | None = 4002
    context: bool = False

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
