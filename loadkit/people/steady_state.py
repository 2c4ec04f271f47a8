"""Where a session stands that is found under way: how long it is, and how much of it is over.

Whoever looks at sessions in their steady state does not find them as they are born. A long one is
under way for longer and so is found more often, in proportion to its length; and every place in it
is as likely as any other (Cox, "Renewal Theory", 1962, chapter 5). What is then left has the
distribution P(left >= r) / mean length, which is what a load that has run for hours looks like.
"""

import math
from typing import Generic, NamedTuple, TypeVar

from loadkit.profile.user_model import WaitModel
from loadkit.stats.random_streams import lognormal

N = TypeVar("N", int, float)


class Found(NamedTuple, Generic[N]):
    """What is found under way: a conversation in turns, or a time in seconds."""

    length: N
    done: N  # what is over

    @property
    def left(self) -> N:
        """What is still to come; of turns at least the one in which it is found."""
        return self.length - self.done


def turns_found(length: float, place: float, least: int, most: int) -> Found[int]:
    """A conversation with a number of turns uniform from `least` (1 or more) to `most`.

    `length` and `place`, from 0 to 1, choose which one is found, and where in it.
    """
    # Of length n with the chance n / sum: the least n for which least + … + n reaches the share.
    below = least * (least - 1) / 2
    share = length * (most * (most + 1) / 2 - below)
    found = math.ceil((math.sqrt(1 + 8 * (share + below)) - 1) / 2)
    found = min(max(found, least), most)
    return Found(found, int(place * found))


def wait_found(length: float, place: float, wait: WaitModel) -> Found[float]:
    """A log-normal time, found under way.

    A log-normal whose values are weighted by themselves is one again, with its median higher by
    the factor exp(sigma²): Crow and Shimizu, "Lognormal Distributions", 1988. `length` and `place`
    as of `turns_found`.
    """
    whole = lognormal(length, wait.median * math.exp(wait.sigma**2), wait.sigma)
    return Found(whole, place * whole)
