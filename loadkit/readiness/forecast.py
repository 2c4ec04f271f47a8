"""How many samples a run will bring, foreseen from its profile alone.

A second formula for people would go astray with the first, so the run's own people are asked: some
hundred of their sessions are rehearsed, laid end to end as the stages have it, and counted.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from loadkit.figures import Count, Phase
from loadkit.profile.profile import Profile
from loadkit.profile.scenario import SessionKind
from loadkit.profile.stages import ArrivalRate
from loadkit.profile.tables import Load, Stage
from loadkit.readiness.rehearsal import Pace, Rehearsal, rehearse

_POOL: Final = 60  # different sessions of a class that are rehearsed at most,
_POOL_TURNS: Final = 400  # or as many as have so many turns
_LIVES: Final = 40  # users of a class that are followed at most; each then stands for several
_SESSIONS: Final = 200  # of a class; what lies behind them is taken to go on like that
_MEAN_OF: Final = 20  # sessions of a class, for their length
_ARRIVALS: Final = 400  # that are followed in the open model

Samples = Mapping[str, Mapping[str, float]]
"""User class → phase, or what is counted → how many there will be in the time that is measured."""

_Found = defaultdict[str, float]


class Forecast:
    """The people of a profile, and what they bring under any load to a server of known pace.

    Args:
        session_kinds: by user class, of those that live sessions at all.
        wanted: the phases, and what is counted, that are of interest.
    """

    def __init__(
        self,
        profile: Profile,
        session_kinds: Mapping[str, SessionKind],
        pace: Pace,
        wanted: Sequence[str],
    ) -> None:
        self._profile, self._outings = profile, session_kinds
        self._pace, self._wanted = pace, wanted
        whole = math.fsum(profile.mix.values())
        mix = {name: profile.mix.get(name, 0.0) / whole for name in session_kinds}
        self._shares = {name: share for name, share in mix.items() if share}
        self._pools: dict[tuple[str, bool], list[Rehearsal]] = {}
        self._turns: defaultdict[tuple[str, bool], int] = defaultdict(int)  # in a pool

    def samples(self, load: Load) -> Samples:
        """Foresee a run: the samples that begin after the warm-up and are complete in time."""
        of = self._of_arrivals if load.model == "open" else self._of_users
        return {name: of(load, name, share) for name, share in self._shares.items()}

    def _of_users(self, load: Load, name: str, share: float) -> Mapping[str, float]:
        users = share * load.peak_users
        lives = min(_LIVES, math.ceil(users))
        total: _Found = defaultdict(float)
        for life in range(lives):
            for begin, end in present(load.stages, (life + 0.5) / lives * load.peak_users):
                # Sessions are numbered in the order in which they begin: each user's in turn.
                found = self._lived(load, name, begin, end, life, lives)
                for what, number in found.items():
                    total[what] += number * users / lives
        return total

    def _lived(
        self, load: Load, name: str, begin: float, end: float, first: int, step: int
    ) -> Mapping[str, float]:
        """What one user brings, who has one session after the other."""
        found: _Found = defaultdict(float)
        at, number, midway, warm = begin, first, load.stagger, max(begin, load.warmup)
        for _ in range(2):
            for _ in range(max(5, _SESSIONS // step)):
                if at >= end:
                    return found
                session = self._session(name, number, midway=midway)
                self._count(found, session, at, load.warmup, end)
                at, number, midway = at + session.busy, number + step, False
            at = max(at, warm)  # in a long warm-up, one session more or less makes no difference
        return {what: n * (end - warm) / (at - warm) for what, n in found.items()}

    def _of_arrivals(self, load: Load, name: str, share: float) -> Mapping[str, float]:
        rate, end, lasts = ArrivalRate(load.stages), load.duration_s, self._mean_length()
        found: _Found = defaultdict(float)
        for number in range(_ARRIVALS):
            at = rate.moment((number + 0.5) / _ARRIVALS * rate.total)
            assert at is not None
            assert load.max_concurrent is not None
            # Where all find room there are rate × time (Little); beyond the most, no more come.
            crowd = max(load.max_concurrent, rate.at(at) * min(lasts, at))
            weight = share * rate.total / _ARRIVALS * load.max_concurrent / crowd
            self._count(found, self._session(name, number), at, load.warmup, end, weight)
        return found

    def _mean_length(self) -> float:
        return math.fsum(
            share * self._session(name, number).lasts / _MEAN_OF
            for name, share in self._shares.items()
            for number in range(_MEAN_OF)
        )

    def _count(
        self,
        found: _Found,
        session: Rehearsal,
        start: float,
        warmup: float,
        end: float,
        weight: float = 1,
    ) -> None:
        """Add what a session brings that begins at `start` and is cut off at `end`."""
        whole = start >= warmup and start + session.busy <= end
        for what in self._wanted:
            spans = session.spans.get(what, ())
            if whole:
                n = len(spans)
            else:
                n = sum(start + sent >= warmup and start + done <= end for sent, done in spans)
            found[what] += n * weight
        for storm in self._profile.chaos.storms:
            there = start < storm.at < start + session.lasts
            if there and warmup <= storm.at < end - self._pace.reconnect:
                for what in (Phase.RECONNECT, Phase.CONNECT, Phase.HISTORY):
                    found[what] += storm.share * weight

    def _session(self, name: str, number: int, *, midway: bool = False) -> Rehearsal:
        """A session of a class; from some number on those before it come again."""
        key = name, midway
        pool = self._pools.setdefault(key, [])
        while number >= len(pool) < _POOL and self._turns[key] < _POOL_TURNS:
            of = self._profile, self._outings[name], len(pool), self._pace
            pool.append(rehearse(*of, midway=midway))
            self._turns[key] += 1 + len(pool[-1].spans.get(Count.TURNS_SENT, ()))
        return pool[number % len(pool)]


def present(stages: Sequence[Stage], level: float) -> Iterator[tuple[float, float]]:
    """When a user is there who comes as soon as there are to be more than `level`, and goes again.

    In pairs of seconds since the start; the stages are of the closed model.
    """
    at = users = 0.0
    since: float | None = None
    for stage in stages:
        target = float(stage.users or 0)
        if (users > level) is not (target > level):
            crossed = at + stage.duration * (level - users) / (target - users)
            if since is None:
                since = crossed
            else:
                yield since, crossed
                since = None
        at, users = at + stage.duration, target
    if since is not None:
        yield since, at
