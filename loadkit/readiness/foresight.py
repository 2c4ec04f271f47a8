"""What the run of a profile will not be able to tell, foreseen before any load.

An objective that too few samples decide on is neither met nor broken, and a run that judges nothing
passes. So the samples are foreseen (`loadkit.readiness.forecast`) and held against those that a
percentile needs (`loadkit.stats.order_statistics`), and what is too little is told with what it
would take.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final, NamedTuple

from loadkit.config.table import write_duration
from loadkit.figures import Count, Phase
from loadkit.profile.metrics import RATIOS, Metric
from loadkit.profile.profile import Profile
from loadkit.profile.scenario import Errand, SessionKind
from loadkit.profile.tables import Load, Stage
from loadkit.readiness.forecast import Forecast, Samples
from loadkit.readiness.rehearsal import Pace
from loadkit.soak.drift import SHORTEST
from loadkit.soak.metric_series import LEAST
from loadkit.stats.number_format import number
from loadkit.stats.order_statistics import needed

_MOST_USERS: Final = 10  # times as many that are proposed; more would be another test
_FASTER: Final = (0.5, 0.25, 0.1)  # time scales that are proposed
_LONGEST: Final = 7 * 86400.0  # seconds of a stage that are proposed at most
_NICE: Final = (1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600)  # seconds

_SCHEDULED: Final = frozenset(
    {Phase.TOKEN, Phase.RESPONSE, Phase.FIRST_CHUNK, Phase.LIVE_RESPONSE, Phase.END}
)
"""What has a moment at which it was to begin, for `from_schedule`."""

_COUNTED: Final = frozenset({Count.TURNS_SENT, Count.HANDOFFS_TRIGGERED})
"""Wholes of ratios that may well stay 0; there always are sessions, and arrivals."""

_ANSWERS: Final = (Phase.RESPONSE, Phase.LIVE_RESPONSE, Phase.JOIN, Phase.GREETING)

Outings = Mapping[str, SessionKind]
"""The sessions of each user class that lives any; what else is in a mix lives none."""


class Doubt(NamedTuple):
    """Something that a run will not be able to tell: why, and what it would take."""

    metric: str | None  # the objective that it is about; None for a patience
    why: str
    fix: str

    def __str__(self) -> str:
        head = "" if self.metric is None else f"{Metric.parse(self.metric).words}: "
        return f"{head}{self.why}; {self.fix}"


def foresee(profile: Profile, session_kinds: Outings) -> Iterator[Doubt]:
    """Tell all that the run of a profile will hardly be able to tell."""
    yield from too_patient(profile, session_kinds)
    yield from unjudged(profile, session_kinds)


def too_patient(profile: Profile, session_kinds: Outings) -> Iterator[Doubt]:
    """Tell of each patience that outlasts the time measured: what hangs then is never lost."""
    impatience, measured = profile.human.impatience, _measured_s(profile.load)
    if impatience is None or impatience.median >= measured:  # else most leave before
        of = profile.conversation.patience, "a turn", _ANSWERS
        yield from _outlasting(profile, "conversation.patience", *of)
    if any(
        profile.mix.get(name) and each.errand is Errand.HUMAN
        for name, each in session_kinds.items()
    ):
        human = profile.handoff.patience, "a wait for a human", (Phase.HANDOFF_WAIT,)
        yield from _outlasting(profile, "handoff.patience", *human)


def _outlasting(
    profile: Profile, key: str, waits: float, what: str, phases: tuple[Phase, ...]
) -> Iterator[Doubt]:
    measured = _measured_s(profile.load)
    if waits < measured:
        return
    limits = [limit.limit / 1000 for limit in profile.slo if _is_time(limit.metric, phases)]
    least = max([measured / 4, *(2 * limit for limit in limits)])
    proposed = max((nice for nice in _NICE if nice <= least), default=least)
    fix = f"set {key} to {write_duration(proposed)} or less"
    if proposed >= measured:
        fix = f"let the run measure for longer, e.g. {write_duration(4 * proposed)}"
    why = f"{what} that hangs cannot be lost in the time measured, as {key} "
    why += f"({write_duration(waits)}) is no shorter than those {write_duration(measured)}"
    yield Doubt(None, why, fix)


def _is_time(text: str, phases: tuple[Phase, ...]) -> bool:
    metric = Metric.parse(text)
    return metric.phase in phases and metric.kind == "duration"


def unjudged(profile: Profile, session_kinds: Outings) -> Iterator[Doubt]:
    """Tell of each objective that its samples will hardly suffice to judge, in their order."""
    yield from _Outlook(profile, session_kinds).doubts()


class _Need(NamedTuple):
    """What an objective takes: so many samples of a phase, or of what is counted."""

    metric: Metric
    what: str
    least: int

    @classmethod
    def of(cls, metric: Metric) -> "_Need | None":
        """None where it can always be judged."""
        if metric.kind == "duration" and metric.phase is not None:
            return cls(metric, metric.phase, needed(metric.per_mille) if metric.per_mille else 1)
        if metric.kind == "ratio" and (whole := RATIOS[metric.name][1]) in _COUNTED:
            return cls(metric, whole, 1)
        _, what, statistic = [*metric.name.split("."), "", ""][:3]
        if metric.kind == "drift" and what in set(Phase):  # a percentile in each of its windows
            return cls(metric, what, LEAST * needed(int(statistic[1:]) * 10))
        return None

    @property
    def aim(self) -> float:
        """How many are to be expected, so that there hardly ever are fewer than the least.

        As many as there are of what comes by chance scatter by √n (Poisson); two of that are left:
        n − 2√n ≥ least.
        """
        return (1 + math.sqrt(1 + self.least)) ** 2


class _Outlook:
    """What a profile's people bring, as it is and as it might be."""

    def __init__(self, profile: Profile, session_kinds: Outings) -> None:
        self._profile, self._load, self._outings = profile, profile.load, session_kinds
        metrics = [Metric.parse(limit.metric) for limit in profile.slo]
        self._needs = {metric: _Need.of(metric) for metric in metrics}
        self._people = self._of(profile)
        levels = [0.0, *map(_level, self._load.stages)]
        means = [before + after for before, after in pairwise(levels)]
        lasting = [at for at, stage in enumerate(self._load.stages) if stage.duration]
        self._stage = max(lasting, key=lambda at: (means[at], at))  # the one that brings most
        self._longer: dict[float, Samples] = {}
        self._faster: dict[float, Samples] = {}

    def _of(self, profile: Profile) -> Forecast:
        wanted = {need.what for need in self._needs.values() if need is not None}
        return Forecast(profile, self._outings, _pace(profile), sorted(wanted))

    def _found(self, need: _Need, samples: Samples) -> float:
        """How many samples of what is needed there are to be."""
        metric, what = need.metric, need.what
        if metric.from_schedule and what not in _SCHEDULED:
            return 0.0
        shares = {client.value: share for client, share in self._profile.clients.items()}
        if metric.scope is None or metric.scope in shares:  # whose people are as all are
            share = shares[metric.scope] / math.fsum(shares.values()) if metric.scope else 1.0
            return share * math.fsum(each.get(what, 0.0) for each in samples.values())
        return samples.get(metric.scope, {}).get(what, 0.0)

    def doubts(self) -> Iterator[Doubt]:
        now = self._people.samples(self._load)
        measured = write_duration(_measured_s(self._load))
        for metric, need in self._needs.items():
            steady = _steady_s(self._load)
            if metric.kind == "drift" and steady < LEAST * SHORTEST:
                fix = f"let a stage without a ramp last {write_duration(2 * LEAST * SHORTEST)}"
                why = f"{write_duration(steady)} of steady load, and it takes "
                yield Doubt(metric.text, f"{why}{write_duration(LEAST * SHORTEST)}", fix)
            elif need is not None and (found := self._found(need, now)) < need.aim:
                about = f"about {number(round(found))}" if found >= 0.5 else "hardly any"
                why = f"{about} samples in the {measured} measured, and it takes "
                yield Doubt(metric.text, f"{why}{number(need.least)}", self._fix(need, found))

    def _fix(self, need: _Need, found: float) -> str:
        ways = [self._last_longer(need), self._have_more(need, found), self._be_faster(need)]
        mended = " or ".join(way for way in ways if way)
        return mended or "nobody in [mix] comes to that: add a class that does, or take it out"

    def _last_longer(self, need: _Need) -> str:
        def reached(seconds: float) -> bool:
            if seconds not in self._longer:
                stage = self._load.stages[self._stage].model_copy(update={"duration": seconds})
                stages = list(self._load.stages)
                stages[self._stage] = stage
                load = self._load.model_copy(update={"stages": tuple(stages)})
                self._longer[seconds] = self._people.samples(load)
            return self._found(need, self._longer[seconds]) >= need.aim

        if not reached(_LONGEST):
            return ""
        short = before = self._load.stages[self._stage].duration
        enough = 2 * before
        while not reached(enough):
            short, enough = enough, 2 * enough
        while enough - short > 0.1 * enough:
            middle = (short + enough) / 2
            short, enough = (short, middle) if reached(middle) else (middle, enough)
        step = 5 if enough < 300 else 60
        lasts = write_duration(math.ceil(enough / step) * step)
        return f"let stage {self._stage + 1} last {lasts} instead of {write_duration(before)}"

    def _have_more(self, need: _Need, found: float) -> str:
        more = need.aim / found if found else math.inf
        if more > _MOST_USERS:
            return ""
        peak, noun = float(self._load.peak_users), "users"
        if self._load.model == "open":
            peak, noun = self._load.peak_rate, "arrivals/s"
        digit = 10.0 ** (math.floor(math.log10(peak * more)) - 1)
        if noun == "users":
            digit = max(digit, 1.0)
        asked = math.ceil(peak * more / digit) * digit
        return f"have {number(round(asked, 6))} {noun} instead of {number(peak)}"

    def _be_faster(self, need: _Need) -> str:
        talk = self._profile.conversation
        for scale in _FASTER:
            if scale >= talk.time_scale:
                continue
            if scale not in self._faster:
                faster = talk.model_copy(update={"time_scale": scale})
                people = self._of(self._profile.model_copy(update={"conversation": faster}))
                self._faster[scale] = people.samples(self._load)
            if self._found(need, self._faster[scale]) >= need.aim:
                times = number(round(talk.time_scale / scale, 1))
                return f"set conversation.time_scale to {scale:g} (people {times} times as busy)"
        return ""


def _pace(profile: Profile) -> Pace:
    """A server that needs half of what its objectives allow; what has none, the usual."""

    def half(phase: Phase, usual: float) -> float:
        found = []
        for limit in profile.slo:
            metric = Metric.parse(limit.metric)
            typical = metric.statistic == "mean" or 0 < (metric.per_mille or 0) <= 950
            if metric.phase is phase and typical:
                found.append(limit.limit / 2000)
        return min(found, default=usual)

    usual = Pace()
    return Pace(
        join=half(Phase.JOIN, usual.join),
        greeting=half(Phase.GREETING, half(Phase.JOIN, usual.join) + usual.greeting - usual.join),
        answer=half(Phase.RESPONSE, usual.answer),
        queue=half(Phase.HANDOFF_WAIT, usual.queue),
        human=half(Phase.LIVE_RESPONSE, usual.human),
    )


def _level(stage: Stage) -> float:
    return float(stage.users or stage.arrivals_per_second or 0)


def _measured_s(load: Load) -> float:
    return load.duration_s - load.warmup


def _steady_s(load: Load) -> float:
    """Seconds of the longest stretch behind the warm-up in which the load stays as it is."""
    at = level = longest = steady = 0.0
    for stage in load.stages:
        end, stays = at + stage.duration, _level(stage) == level
        steady = steady + max(0.0, end - max(at, load.warmup)) if stays else 0.0
        at, level, longest = end, _level(stage), max(longest, steady)
    return longest
