"""`--fail-on`: by how much a figure may get worse.

response.p95 > 10%                     a latency grows by more than that
turns.lost_ratio > 0.5pp               a share by more percentage points
throughput.turns_per_second < -5%      a rate falls by more than that
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from loadkit.compare.comparison import Change, Comparison, Held
from loadkit.compare.counts import RATES, SHARES
from loadkit.compare.latencies import PERCENTILES
from loadkit.compare.pairing import PAIRED
from loadkit.compare.words import seen, signed
from loadkit.config.mistakes import did_you_mean
from loadkit.errors import UsageError
from loadkit.figures import Phase
from loadkit.security.textfile import clipped

_GRAMMAR: Final = re.compile(
    r"\s*([\w.]+)\s*([<>])\s*([+\-\N{MINUS SIGN}]?)(\d{1,6}(?:\.\d{1,6})?)\s*(%|pp)?\s*", re.ASCII
)
_KINDS: Final = {
    **{f"{phase}.{name}": "latency" for phase in Phase for name in PERCENTILES},
    PAIRED: "latency",
    **dict.fromkeys(SHARES, "share"),
    **dict.fromkeys(RATES, "rate"),
}
_FORMS: Final = {"latency": "{} > 10%", "share": "{} > 0.5pp", "rate": "{} < -5%"}


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit as it was written.

    Attributes:
        text: for a reader.
        metric: as of `Change.metric`.
        most: by how much it may change for the worse, by the unit of `Change.change`; 0 or more.
    """

    text: str
    metric: str
    most: float


def parse(text: str) -> Limit:
    """Read one.

    Raises:
        UsageError: it makes no sense; the text says what would.
    """
    match = _GRAMMAR.fullmatch(text)
    told = f"--fail-on {clipped(text)!r}"
    if match is None:
        raise UsageError(f"{told}: should be as in 'response.p95 > 10%'")
    metric, sign, minus, amount, unit = match.groups()
    if metric not in _KINDS:
        raise UsageError(f"{told}: nothing that is compared is called so{_mend(metric)}")
    kind = _KINDS[metric]
    falls = minus not in ("", "+")
    right = (">", False, "pp" if kind == "share" else "%") if kind != "rate" else ("<", True, "%")
    if (sign, falls, unit) != right:
        raise UsageError(f"{told}: should be as in {_FORMS[kind].format(metric)!r}")
    return Limit(" ".join(text.split()), metric, float(amount) / 100)


def hold(found: Comparison, limits: Iterable[Limit]) -> tuple[Held, ...]:
    """Hold a comparison against limits.

    A limit is broken where the figure got worse by more than noise, and by more than the limit.

    Raises:
        UsageError: one cannot be judged, and so neither kept nor broken.
    """
    held = []
    for limit in limits:
        change = found.change(limit.metric)
        if change is None or change.verdict == "unknown":
            absent = found.pairing if limit.metric == PAIRED else "not both runs have it"
            why = absent if change is None else change.why
            raise UsageError(
                f"--fail-on {limit.text!r} cannot be judged: {why}; take it out, or compare runs "
                "that are long enough and whose folders are whole"
            )
        held.append(_held(limit, change))
    return tuple(held)


def _held(limit: Limit, change: Change) -> Held:
    by = change.change or 0.0
    over = (-by if change.kind == "rate" else by) > limit.most
    status: Literal["kept", "broken"] = "broken" if over and change.verdict == "worse" else "kept"
    told = f"{signed(change, change.change)} is {'over' if over else 'within'} the limit"
    why = f" ({change.why})" if change.why else ""
    if over and status == "kept":
        told += f" but no more than noise{why}; could see {seen(change)}"
    elif status == "broken":
        told += " and more than noise"
    return Held(limit.text, limit.metric, status, told)


def _mend(metric: str) -> str:
    close = did_you_mean(metric, _KINDS, listed=False)
    return close or f"; it takes <phase>.{'|'.join(PERCENTILES)}, {', '.join((*SHARES, *RATES))}"
