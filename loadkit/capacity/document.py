"""What a capacity search found, as `capacity.json` holds it: one sentence first, then the curve."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from loadkit.capacity.curve import analysed, headline, told_of_curve
from loadkit.capacity.pace import held_step, own_pace, time_scale
from loadkit.capacity.stored import read
from loadkit.exit_codes import ExitCode
from loadkit.profile.metrics import Metric
from loadkit.report.latency import shown
from loadkit.results.run_folder import write_text
from loadkit.security.escaping import code, in_json, markdown
from loadkit.stats.number_format import number, plural

FILE: Final = "capacity.json"

_COLUMNS: Final = ("step", "load", "at once", "turns/s", "p50, ms", "p95, ms", "outcome")
_COLOURS: Final = {"held": "green", "broken": "red", "generator": "magenta", "policy": "yellow"}

Document = Mapping[str, Any]


def completed(found: Document) -> dict[str, Any]:
    """Return a search's document with what follows from its steps: sentence, exit code, model."""
    known = dict(found) | {"model_fit": analysed(found)}
    return known | {"sentence": sentence(known), "exit_code": exit_code(known)}


def save(folder: Path, found: Document) -> None:
    """Write `capacity.json` so that it is there whole or as it was; raises UsageError."""
    write_text(folder / FILE, in_json(json.dumps(found, indent=1, ensure_ascii=False)) + "\n")


def load(folder: Path, left_out: list[str] | None = None) -> dict[str, Any]:
    """Read a search's document, from its folder or its file.

    Args:
        left_out: takes what is wrong with parts that a report can do without, a line each; None
            refuses a document with such parts.

    Raises:
        UsageError: there is none, or it is not one.
    """
    return read(folder if folder.suffix == ".json" else folder / FILE, left_out)


def exit_code(found: Document) -> int:
    """0 if a capacity is named and confirmed, 3 if the generator was the limit, else 1."""
    result = found["capacity"]
    if result is None:
        return ExitCode.FAILED
    if result["limit"] == "generator":
        return ExitCode.INVALID
    named = result["verdict"] in ("found", "policy") or result["limit"] == "ceiling"
    confirmed = named and result["confirmed"] and result["load"] is not None
    return ExitCode.OK if confirmed else ExitCode.FAILED


def sentence(found: Document) -> str:
    result, steps = found["capacity"], found["steps"]
    slo = _objectives(found)
    if result is None:
        held = [step["load"] for step in steps if _held(step)]
        what = (
            f"the highest load that held so far is {_load(found, max(held))}"
            if held
            else ("no load has held so far")
        )
        return (
            f"Interrupted after {plural(len(steps), 'step')}: {what} with {slo}; "
            "go on with --resume and this folder."
        )
    if result["load"] is None:
        return _nothing(found)
    holds = f"{_load(found, result['load'])}{_interval(found)}{_busy(found)} with {slo}"
    match result["verdict"]:
        case "found" if result["confirmed"]:
            return f"This deployment holds {holds}; the generator was not the limit."
        case "found":
            return f"This deployment holds {holds}, by short steps; no long hold confirmed it."
        case "policy":
            return (
                f"This deployment holds {holds}; above, it is no lack of strength but a rule of "
                f"its own that turns people away: {_last(steps, 'policy')}."
            )
        case "unstable":
            low, high = result["flips"] or (result["load"], result["load"])
            return (
                f"This deployment is unstable: between {_number(low)} and {_number(high)} the same "
                f"load held and broke; below that it holds {holds}."
            )
        case "out_of_budget":
            return (
                f"The time was up: this deployment holds at least {holds}; raise capacity.budget "
                "and go on with --resume and this folder."
            )
    why = {
        "generator": (
            f"the generator was saturated: add workers, and go on with --resume and this folder "
            f"({_last(steps, 'generator')})"
        ),
        "ceiling": "that is capacity.ceiling: raise it to look further",
    }.get(result["limit"], "what is above could not be judged: raise capacity.measure")
    return f"This deployment holds at least {holds}; {why}."


def _nothing(found: Document) -> str:
    result, steps = found["capacity"], found["steps"]
    least = _load(found, min((step["load"] for step in steps), default=0.0))
    if result["limit"] == "generator":
        return (
            f"No capacity can be named: the generator was saturated at {least} already: add "
            f"workers ({_last(steps, 'generator')})."
        )
    if result["verdict"] == "below_start":
        return f"This deployment does not hold even {least} with {_objectives(found)}."
    if result["verdict"] == "policy":
        return (
            f"This deployment turns people away by a rule of its own at {least} already: "
            f"{_last(steps, 'policy')}."
        )
    return (
        f"No capacity can be named: no load could be judged held, down to {least} "
        f"({result['verdict'].replace('_', ' ')}); see the steps for why."
    )


def document(found: Document) -> str:
    """Return it as Markdown, to stand above the summary of the whole run."""
    lines = [f"# Capacity: {markdown(found['profile'])}", "", markdown(sentence(found)), ""]
    result = found["capacity"]
    notes = [*found.get("notes", ()), *(result or {}).get("notes", ())]
    lines += [f"- {markdown(text)}" for text in (*notes, *told_of_curve(found))]
    lines += ["", "## Steps", "", f"| {' | '.join(_COLUMNS)} | why |"]
    lines.append("|---:" * (len(_COLUMNS) - 1) + "|---|---|")
    for step, cells in _rows(found):
        lines.append(f"| {' | '.join(map(markdown, cells))} | {markdown(step['outcome']['why'])} |")
    lines += ["", f"p50 and p95 are of {code(headline(found))}.", ""]
    return "\n".join(lines)


def render(found: Document, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in _COLUMNS:
        table.add_column(title, justify="left" if title == "outcome" else "right")
    for step, cells in _rows(found):
        colour = _COLOURS.get(step["outcome"]["verdict"], "")
        table.add_row(*cells[:-1], Text(cells[-1], colour))
    console.print(table)
    console.print(Text(f"p50 and p95 are of {headline(found)}.", "dim"))
    console.print()
    notes = [*found.get("notes", ()), *(found["capacity"] or {}).get("notes", ())]
    notes += told_of_curve(found)
    for note in notes:
        console.print(Text(f"· {note}"))
    if notes:
        console.print()
    # Never broken, so that a log can be searched for it.
    console.print(Text(sentence(found), "bold"), soft_wrap=True)


def _rows(found: Document) -> Iterator[tuple[Mapping[str, Any], tuple[str, ...]]]:
    """The steps by load, and where loads are the same in their order."""
    phase = headline(found)
    for step in sorted(found["steps"], key=lambda each: (each["load"], each["number"])):
        stats, outcome = step["latency_ms"].get(phase, {}), step["outcome"]
        told = outcome["verdict"] + _breakers(step)
        told += "" if outcome["settled"] else ", not at rest"
        yield (
            step,
            (
                f"{step['number']}{'*' if step['kind'] == 'confirm' else ''}",
                _number(step["load"]),
                number(step["delivered"]["concurrent"]),
                number(step["delivered"]["turns_per_second"]),
                *(shown(stats, ("p50", "p95")) if stats else ("–", "–")),
                told,
            ),
        )


def _breakers(step: Mapping[str, Any]) -> str:
    """The objectives that a step broke: none of them need be in the columns beside."""
    if step["outcome"]["verdict"] != "broken":
        return ""
    broken = [line["metric"] for line in step["slo"] if line["status"] == "fail"]
    more = f" +{len(broken) - 1}" if len(broken) > 1 else ""
    return f" by {broken[0]}{more}" if broken else ""


def _objectives(found: Document) -> str:
    first, *others = [_objective(line["metric"], line["limit"]) for line in found["slo"]]
    return first + (f" and {plural(len(others), 'more objective')}" if others else "")


def _objective(metric: str, limit: float) -> str:
    parsed = Metric.parse(metric)
    if parsed.kind != "duration":
        return f"{parsed.words} ≤ {number(limit)}"
    told = f"{number(limit / 1000)} s" if limit >= 1000 else f"{number(limit)} ms"
    return f"{parsed.words} ≤ {told}"


def _load(found: Document, load: float) -> str:
    scale = time_scale(found)
    at = "" if scale == 1 else f" at time scale {scale:g}"
    if found["model"] == "closed":
        return f"{plural(load, 'concurrent conversation')}{at}"
    at_once = [
        step["delivered"]["concurrent"]
        for step in found["steps"]
        if step["load"] == load and _held(step)
    ]
    about = f" (about {number(round(at_once[-1]))} at once{at})" if at_once else at
    return f"{_number(load)} new sessions a second{about}"


def _busy(found: Document) -> str:
    """What a capacity comes to in turns, and in people who are as slow as people are."""
    step, scale = held_step(found), time_scale(found)
    if step is None:
        return ""
    told = f", {number(step['delivered']['turns_per_second'])} turns/s,"
    people = own_pace(step, scale) if scale != 1 else None
    if people is None:
        return told
    return f"{told} as many as of about {number(float(f'{people:.2g}'))} people at their own pace,"


def _interval(found: Document) -> str:
    low, high = found["capacity"]["low"], found["capacity"]["high"]
    if low is not None and high is not None:
        return f" (95 % CI {_number(low)}–{_number(high)})"
    if low is not None:
        return f" (95 % CI from {_number(low)}, no upper end)"
    return "" if high is None else f" (95 % CI up to {_number(high)}, no lower end)"


def _number(load: float) -> str:
    """With the four digits that a search tells loads apart by."""
    return f"{load:,.0f}" if load == math.floor(load) else f"{load:,.4g}"


def _held(step: Mapping[str, Any]) -> bool:
    return step["outcome"]["verdict"] == "held" and bool(step["outcome"]["settled"])


def _last(steps: Sequence[Mapping[str, Any]], verdict: str) -> str:
    every = [step["outcome"]["why"] for step in steps if step["outcome"]["verdict"] == verdict]
    return every[-1].rstrip(".") if every else "see the steps"
