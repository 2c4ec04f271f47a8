"""How long each turn took, and whose it was: what two runs of the same people can be held by."""

from typing import Final, NamedTuple

from loadkit.codec import Count, Name, Stamp

MOST: Final = 200_000
"""Turns of a run that are kept, the first ones: some 8 MB."""


class TurnTime(NamedTuple):
    """A turn that was answered.

    Attributes:
        person: who said it: the user class, and the session's number among all of it. The same in
            every run with the same seed.
        number: which of the session's messages it is, from 1 on.
        at_s: when it was sent, in seconds of the run; on a worker's own clock until the master
            has it.
        took_us: until its answer was complete, in microseconds.
    """

    person: Name
    number: Count
    at_s: Stamp
    took_us: Count
