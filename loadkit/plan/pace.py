"""How many virtual users there should be at a given moment: a pure function of elapsed time."""

import math
from collections.abc import Sequence

from loadkit.plan.settings import Stage

__all__ = ["users_at"]


def users_at(stages: Sequence[Stage], elapsed_s: float) -> int | None:
    """The number of users that the stages ask for.

    Piecewise linear, as the stages are. Rounded to the nearest whole user, halves up, so that the
    average over a ramp is the ramp's average. A stage of 0 s is a jump. At the moment where two
    stages meet the later one counts.

    Args:
        stages: the legs, in order; the first starts from 0 users.
        elapsed_s: seconds since the start; what lies before it counts as the start.

    Returns:
        Users, or None from the moment at which the last stage is over.
    """
    begin, users = 0.0, 0
    elapsed_s = max(elapsed_s, 0.0)
    for stage in stages:
        end = begin + stage.duration
        if elapsed_s < end:
            share = (elapsed_s - begin) / stage.duration
            return math.floor(users + (stage.users - users) * share + 0.5)
        begin, users = end, stage.users
    return None
