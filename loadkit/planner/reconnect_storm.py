"""A reconnect storm: every socket is lost at once, and everyone comes back by the same rule.

The target takes so many upgrades a second and refuses the rest at once, as a load balancer with a
limit does; who is refused waits again. What a rule is worth shows in the attempts that the target
sees and in when nearly all are back.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loadkit.chat.socket.reconnect import backoff

ATTEMPTS: Final = 10
"""Attempts in a row before a client gives up: `max_reconnect_attempts` where SESSION_START has
none."""

BIN: Final = 0.1
"""Seconds over which a rate is taken: a peak is of the fullest of these."""

_SLICE: Final = 0.01  # seconds; within one, who came first does not matter
_MOST_CLIENTS: Final = (
    200_000  # clients that are simulated; each stands for as many as there are more
)
_SEED: Final = 7


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """A rule of when to try again.

    `wait` takes an attempt, counted from 1, and gives the least and the most seconds before it; it
    is drawn evenly between them.
    """

    name: str
    rule: str
    wait: Callable[[int], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class ReconnectStorm:
    """What became of one."""

    policy: BackoffPolicy
    sessions: int  # how many were cut off
    upgrades_per_second: float  # what the target takes
    attempts: tuple[float, ...]  # upgrades asked for, in each `BIN` from the cut on
    accepted: tuple[float, ...]  # those of them that were let in
    gave_up: float  # sessions that ran out of attempts
    back_after: float | None  # seconds until 99 % were back; None if they never were

    @property
    def peak(self) -> float:
        """Upgrades asked for a second, in the fullest `BIN`."""
        return max(self.attempts) / BIN

    @property
    def attempts_each(self) -> float:
        """Attempts a session, on average."""
        return sum(self.attempts) / self.sessions


def _sdk(attempt: int) -> tuple[float, float]:
    return backoff(attempt, 0.0, sdk=True), backoff(attempt, 1.0, sdk=True)


def _reference(attempt: int) -> tuple[float, float]:
    return backoff(attempt, 0.0), backoff(attempt, 1.0)


def _full_jitter(attempt: int) -> tuple[float, float]:
    return 0.0, backoff(attempt, 0.5)


POLICIES: Final = (
    BackoffPolicy("sdk", "1 s ±20 %, then every 10 s", _sdk),
    BackoffPolicy("reference", "1 s doubling to 30 s, each ±20 %", _reference),
    BackoffPolicy("full jitter", "anywhere from 0 to 1 s, doubling to 30 s", _full_jitter),
)
"""The vendor's SDKs; the reference's advice; and full jitter (M. Brooker, "Exponential Backoff And
Jitter", AWS Architecture Blog, 2015) with the reference's base and ceiling. The first two draw as
virtual users do, by `loadkit.chat.socket.reconnect.backoff`."""


def simulate(policy: BackoffPolicy, sessions: int, upgrades_per_second: float) -> ReconnectStorm:
    """Cut every session off at 0 s and let all of them come back. Seeded: the same every time.

    The target lets so many in a second, and refuses the rest. Raises ValueError where nobody is cut
    off, or let in.
    """
    import numpy as np  # only who plans should wait for it to load

    if sessions < 1 or not upgrades_per_second > 0:
        raise ValueError("a storm needs a session or more, and a target that lets some in")
    clients = min(sessions, _MOST_CLIENTS)
    weight = sessions / clients
    a_slice = upgrades_per_second / weight * _SLICE
    waits = [policy.wait(attempt) for attempt in range(1, ATTEMPTS + 1)]
    slices = math.ceil(sum(most for _, most in waits) / _SLICE) + 1
    low, high = np.array(waits).T

    rng = np.random.default_rng(_SEED)
    due: list[list[np.ndarray]] = [[] for _ in range(slices)]
    tried = np.zeros(clients, dtype=np.int64)
    asked, let_in = np.zeros(slices), np.zeros(slices)

    def wait(who: "np.ndarray", since: float) -> None:
        after = since + rng.uniform(low[tried[who]], high[tried[who]])
        when = np.minimum((after / _SLICE).astype(np.int64), slices - 1)
        order = np.argsort(when, kind="stable")
        when, who = when[order], who[order]
        starts = np.flatnonzero(np.diff(when, prepend=-1))
        for first, some in zip(starts, np.split(who, starts[1:]), strict=True):
            due[when[first]].append(some)
        tried[who] += 1

    wait(np.arange(clients), 0.0)
    allowance = 0.0
    for now in range(slices):
        # What a quiet slice leaves over is lost, but for the fraction of a client.
        allowance = min(allowance, 1.0) + a_slice
        # Who is refused may be due again within the same slice, so until none is.
        while due[now]:
            comers = rng.permutation(np.concatenate(due[now]))
            due[now].clear()
            entering = min(comers.size, int(allowance))
            allowance -= entering
            asked[now] += comers.size
            let_in[now] += entering
            refused = comers[entering:]
            again = refused[tried[refused] < ATTEMPTS]
            if again.size:
                wait(again, (now + rng.random(again.size)) * _SLICE)
    back = np.cumsum(let_in)
    enough = np.flatnonzero(back >= 0.99 * clients)
    a_bin = round(BIN / _SLICE)
    bins = np.arange(0, slices, a_bin)
    last = int(np.flatnonzero(asked)[-1]) // a_bin + 1
    return ReconnectStorm(
        policy,
        sessions,
        upgrades_per_second,
        tuple(float(n * weight) for n in np.add.reduceat(asked, bins)[:last]),
        tuple(float(n * weight) for n in np.add.reduceat(let_in, bins)[:last]),
        float((clients - back[-1]) * weight),
        float((enough[0] + 1) * _SLICE) if enough.size else None,
    )
