"""What a run's figures did over its hours, in sentences and as a table."""

from collections.abc import Iterator, Mapping
from math import floor
from typing import Any, Final

from loadkit.soak.drift import LONG
from loadkit.stats.number_format import number, plural

_HEADLINES: Final = (
    "response.p50",
    "response.p95",
    "throughput",
    "errors",
    "memory",
    "master_memory",
)
"""What the table always has; other figures are in it where they drift."""

_NAMES: Final = {
    "errors": "error rate",
    "reconnects": "reconnect rate",
    "master_memory": "master's memory",
}
_SPOKEN: Final = 5  # figures that have a sentence of their own
_TENFOLD: Final = 900.0  # percent; beyond, the levels tell more than their ratio
_HOUR: Final = 3600.0
_DRIFTS: Final = {"no": "", "line": "yes", "starts": "yes", "settles": "at first", "step": "a step"}


def told(drift: Mapping[str, Any] | None) -> Iterator[str]:
    """Say what `Summary.drift` found, one sentence a line; nothing where the run was too short."""
    if drift is None:
        return
    found = _found(drift)
    for name in found[:_SPOKEN]:
        yield f"{_words(name)} {_move(name, drift)}"
    if found[_SPOKEN:]:
        more = plural(len(found) - _SPOKEN, "more figure")
        yield f"{more} drift{'s' if len(found) == _SPOKEN + 1 else ''}: " + ", ".join(
            map(_words, found[_SPOKEN:])
        )
    if drift["by_age"] != "no":
        yield _by_age(drift)
    if not found:
        yield _nothing(drift)


def looked_at(drift: Mapping[str, Any]) -> str:
    """Say what part of the run it is about."""
    begins, ends = (_clock(drift[key], drift) for key in ("from_s", "to_s"))
    length = drift["window_s"]
    each = f"{number(length)} s" if length < 60 else _minutes(length)
    text = f"Steady load from {begins} to {ends}: {drift['windows']} windows of {each}."
    return text if _scale(drift) == 1 else f"{text} The slope is over all of them."


def columns(drift: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the heads of the table."""
    long = drift["to_s"] - drift["from_s"] >= LONG
    part, slope = "hour" if long else "10th", "slope, %/h" if _scale(drift) == 1 else "slope, %"
    return "figure", f"first {part}", f"last {part}", "change, %", slope, "95 % CI", "drifts"


def rows(drift: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Return the table, by `columns`: the headlines, and whatever drifts."""
    scale = _scale(drift)
    for name, figure in drift["figures"].items():
        if name in _HEADLINES or figure["drifts"] != "no":
            yield (
                f"{_words(name)}, {figure['unit']}",
                number(round(figure["first"], 3)),
                number(round(figure["last"], 3)),
                "" if figure["change"] is None else _signed(figure["change"]),
                _signed(figure["percent_per_hour"] * scale),
                _between([end * scale for end in figure["interval"]]),
                _DRIFTS[figure["drifts"]],
            )


def by_age(drift: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Return response times by the session's age: the age, samples, p50, p95."""
    for name, age in zip(_ages(drift), drift["ages"], strict=True):
        p50, p95 = ("–" if age[key] is None else number(age[key]) for key in ("p50", "p95"))
        yield name, number(age["count"]), p50, p95


def _found(drift: Mapping[str, Any]) -> list[str]:
    return [name for name, figure in drift["figures"].items() if figure["drifts"] != "no"]


def _words(name: str) -> str:
    return _NAMES.get(name) or name.replace(".", " ")


def _move(name: str, drift: Mapping[str, Any]) -> str:
    """How a figure moves: `rises 3.1 %/h (2.6–3.7): leak-like, starts at 02:10`."""
    figure = drift["figures"][name]
    unit, moved = figure["unit"], figure["moved"]
    grows = (figure["after"] - figure["before"] if moved is None else moved) > 0
    span = drift["to_s"] - drift["from_s"]
    at = "" if figure["at_s"] is None else _clock(figure["at_s"], drift)
    ends = (number(round(figure[end], 3)) for end in ("before", "after"))
    levels = f"{' to '.join(ends)} {unit}".replace(" /", "/")
    if figure["drifts"] in ("step", "settles"):
        told = moved is not None and abs(moved) <= _TENFOLD
        by = f" by {_sized(figure, 1.0, '%')}" if told else ""
        if figure["drifts"] == "step":
            return f"steps {'up' if grows else 'down'}{by} at {at}, from {levels}"
        return f"{'rises' if grows else 'falls'}{by} until {at}, from {levels}, and no further"
    verb = "rises" if grows else "falls"
    leak = ": leak-like" if grows and name != "throughput" else ""
    begun = f"{',' if leak else ':'} starts at {at}" if at else ""
    if span >= _HOUR:
        absolute = f", {number(figure['per_hour'])} MB/h" if unit == "MB" else ""
        return f"{verb} {_sized(figure, 1.0, '%/h', absolute)}{leak}{begun}"
    # A rate by the hour of less than an hour says what nobody has seen: tell what was seen.
    seen = span if figure["at_s"] is None else drift["to_s"] - figure["at_s"]
    went = f", {_percent(abs(moved))} %/h if it went on"
    return f"{verb} by {_sized(figure, seen / _HOUR, '%', went)} in {_minutes(seen)}{leak}{begun}"


def _sized(figure: Mapping[str, Any], scale: float, unit: str, more: str = "") -> str:
    """How far it moved, without the sign, with its interval and what else is to be said."""
    size, ends = figure["moved"] * scale, figure["moved_interval"]
    sign = -1 if size < 0 else 1
    inner = more.removeprefix(", ")
    if ends is not None:
        inner = _between(sorted(sign * scale * end for end in ends)) + more
    return f"{_percent(abs(size))} {unit}" + (f" ({inner})" if inner else "")


def _by_age(drift: Mapping[str, Any]) -> str:
    known = [
        (name, age["p95"])
        for name, age in zip(_ages(drift), drift["ages"], strict=True)
        if age["p95"] is not None
    ]
    (young, before), (old, after) = known[0], known[-1]
    verb = "grows" if drift["by_age"] == "rises" else "falls"
    return (
        f"response p95 {verb} with the session's age: {number(before)} ms {young}, "
        f"{number(after)} ms {old}"
    )


def _nothing(drift: Mapping[str, Any]) -> str:
    """No drift, and what of it would have been seen: the most that may be there all the same."""
    figures = drift["figures"]
    name = next((name for name in ("response.p95", "response.p50") if name in figures), None)
    text = f"no drift found in {plural(len(figures), 'figure')}"
    if name is None:
        return text
    seen = figures[name]["visible"]
    hours = (drift["to_s"] - drift["from_s"]) / _HOUR
    if seen * hours > 100:
        return f"{text}; {_words(name)} varies too much to see even that it doubles"
    if hours >= 1:
        least = _percent(seen)
        return f"{text}; a rise of {_words(name)} of over {least} %/h would have been seen"
    return (
        f"{text} in {_minutes(hours * _HOUR)}; a rise of {_words(name)} by over "
        f"{_percent(seen * hours)} % in that time would have been seen"
    )


def _ages(drift: Mapping[str, Any]) -> list[str]:
    names = []
    for age in drift["ages"]:
        start = age["from_s"]
        end = age["to_s"]
        if not start:
            names.append(f"under {_age(end)}")
        elif end is None:
            names.append(f"beyond {_age(start)}")
        else:
            names.append(f"at {_age(start, alike=end)}–{_age(end)}")
    return names


def _age(seconds: int, alike: int | None = None) -> str:
    """`15 s`, `4 min`; without its unit where that of `alike`, which follows, is the same."""
    unit = "s" if seconds < 60 else "min"
    value = number(seconds if seconds < 60 else seconds / 60)
    same = alike is not None and (alike < 60) is (seconds < 60)
    return value if same else f"{value} {unit}"


def _scale(drift: Mapping[str, Any]) -> float:
    """Hours over which a slope is told: one, or those that the run has had if it is shorter."""
    return float(min(1.0, (drift["to_s"] - drift["from_s"]) / _HOUR))


def _clock(seconds: float, drift: Mapping[str, Any]) -> str:
    """A moment of the run, from its start: 02:10, or 00:02:10 where the run is under an hour."""
    whole = floor(seconds)
    text = f"{whole // 3600:02}:{whole // 60 % 60:02}"
    return text if drift["to_s"] - drift["from_s"] >= _HOUR else f"{text}:{whole % 60:02}"


def _minutes(seconds: float) -> str:
    return f"{_percent(seconds / 60)} min"


def _between(ends: Any) -> str:
    low, high = ends
    return f"{_percent(low)}{' to ' if low < 0 else '–'}{_percent(high)}"


def _signed(value: float) -> str:
    text = _percent(value)
    return f"+{text}" if text[0] != "-" and text != "0" else text


def _percent(value: float) -> str:
    """With the digits that a drift is ever known to: 40, 3.1, 0.44."""
    size = abs(value)
    text = f"{value:,.{0 if size >= 10 else 1 if size >= 1 else 2}f}"
    whole = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if whole == "-0" else whole
