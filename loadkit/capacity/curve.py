"""The curve of a capacity search: throughput against load, its model, its knee, the head-room."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from statistics import fmean
from typing import Any, Final

from loadkit.profile.metrics import Metric
from loadkit.stats.number_format import number, percent
from loadkit.stats.scalability import CLEAR, fit, knee

_FEWEST: Final = 3  # loads with which a knee can be looked for

Document = Mapping[str, Any]


def headline(found: Document) -> str:
    """The phase that the curve shows: that of the first objective about one."""
    phases = (Metric.parse(line["metric"]).phase for line in found["slo"])
    return next((str(phase) for phase in phases if phase is not None), "response")


def analysed(found: Document) -> dict[str, Any]:
    """Return the law of scalability fitted to the steps, and the knee, as plain values.

    A step counts with the sessions that there were at once and the turns answered a second; those
    of the generator's limit are left out. The open model's load, a rate, would be no load for the
    law: there throughput is what is asked for as long as it holds.
    """
    by_load: defaultdict[float, list[tuple[float, float]]] = defaultdict(list)
    for step in found["steps"]:
        delivered = step["delivered"]
        if step["outcome"]["verdict"] != "generator" and delivered["concurrent"] >= 1:
            point = delivered["concurrent"], delivered["turns_per_second"]
            by_load[step["load"]].append(point)
    points = [tuple(map(fmean, zip(*of, strict=True))) for _, of in sorted(by_load.items())]
    loads, rates = [at for at, _ in points], [rate for _, rate in points]
    known: dict[str, Any] = {"points": [list(point) for point in points]}
    if len(set(loads)) >= _FEWEST:
        known["knee"] = knee(loads, rates) if len(set(loads)) == len(loads) else None
    try:
        fitted = fit(loads, rates)
    except (ValueError, RuntimeError) as error:  # the latter: no fit was found
        return known | {"law": None, "why": str(error)}
    law = asdict(fitted)
    law |= {"peak": fitted.peak, "warnings": list(fitted.warnings)}
    law["identified"] = list(fitted.identified)
    return known | {"law": {key: _finite(value) for key, value in law.items()}}


def told_of_curve(found: Document) -> Iterator[str]:
    """What the curve says, a sentence each."""
    model = found.get("model_fit")
    if model is not None:
        law = model["law"]
        if law is None:
            yield f"No law of scalability is fitted: {model['why']}."
        else:
            yield f"{_told_of_law(law)}."
            for warning in law["warnings"]:
                yield f"{warning[0].upper()}{warning[1:]}."
        bend = model.get("knee")
        yield (
            f"The throughput bends most at {number(round(bend))} sessions at once (Kneedle)."
            if bend
            else "The throughput has no knee in the loads that were measured."
        )
    result, own = found["capacity"], found.get("own_load")
    if result and result["load"] and own:
        room = result["load"] / own - 1
        unit = "users" if found["model"] == "closed" else "sessions a second"
        what = f"{percent(room)} head-room" if room >= 0 else f"{percent(-room)} too little"
        yield f"Against the {number(own)} {unit} of the profile's own stages that is {what}."


def _told_of_law(law: Mapping[str, Any]) -> str:
    """The law as far as the figures tell anything of it; an end of a band is no figure."""
    known = law.get("identified", ())
    if "rate" not in known:
        return "These figures tell nothing of a law of scalability"
    parts = [f"{_with_band(law, 'rate')} turns/s by one session"]
    most = law["loads"][1]
    for name, pairs in (("contention", most), ("coherency", most**2)):
        upper = law[f"{name}_interval"][1]
        if name in known:
            parts.append(f"{name} {_with_band(law, name)}")
        elif upper is not None and upper * pairs < CLEAR:
            parts.append(f"no {name}")
        else:
            parts.append(f"no {name} for sure (at most {_short(upper)})")
    parts.append(f"R² {law['r_squared']:.3f}")
    if "peak" in known:
        parts.append(f"peak at {number(round(law['peak']))} sessions")
    return f"Universal Scalability Law: {', '.join(parts)}"


def _with_band(law: Mapping[str, Any], name: str) -> str:
    low, high = law[f"{name}_interval"]
    return f"{_short(law[name])} ({_short(low)}–{_short(high)})"


def _short(value: float | None) -> str:
    return "∞" if value is None else f"{value:.3g}"


def _finite(value: Any) -> Any:
    """JSON has no infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return [_finite(each) for each in value] if isinstance(value, tuple | list) else value
