"""The charts of the queue for a human: who waits there, and which places people are told."""

from collections.abc import Iterator
from typing import Final

from loadkit.figures import PLACE_CLASSES, State
from loadkit.pages.page import Chart
from loadkit.pages.run_slices import Slices
from loadkit.stats.number_format import number

_PALEST: Final = 0.2  # the colour's share for the first place; the last one has all of it


def queue_charts(slices: Slices) -> Iterator[Chart]:
    """Give those of what there was."""
    each = f"in {number(slices.length)} s"
    told = {
        f"state_{State.QUEUED}": ("people in the queue", "handoff_wait"),
        "handoffs_triggered": (f"began to wait, {each}", "other"),
        "handoffs_joined": (f"a human came, {each}", "live_response"),
    }
    known = {name: slices.columns[name] for name in told if any(slices.columns.get(name, ()))}
    if known:
        yield Chart(
            id="queue",
            kind="lines",
            title="The queue for a human",
            question="Did a queue build up, or did humans come as fast as people asked for them?",
            says="People in the queue for a human, those who joined it, and those to whom a human "
            "came, over time.",
            columns={"t": slices.starts, **known},
            labels={"t": "second of the run", **{name: told[name][0] for name in known}},
            more={
                "colours": {name: told[name][1] for name in known},
                "unit": "people",
                "step": True,
                "empty": False,
            },
        )
    yield from _places(slices, each)


def _places(slices: Slices, each: str) -> Iterator[Chart]:
    names = {f"place_{name}": name for name in PLACE_CLASSES}
    known = {
        column: slices.columns[column] for column in names if any(slices.columns.get(column, ()))
    }
    if not known:
        return
    counted = ", ".join(
        f"place {names[column]} {number(sum(value or 0 for value in values))} times"
        for column, values in known.items()
    )
    step = (1 - _PALEST) / (len(names) - 1)
    yield Chart(
        id="places",
        kind="stack",
        title="Places in the queue",
        question="Which places were people told? The stronger, the further back.",
        says=f"HANDOFF_QUEUE_STATUS told {counted}.",
        columns={"t": slices.starts, **known},
        labels={"t": "second of the run", **{column: f"place {names[column]}" for column in known}},
        more={
            "colours": dict.fromkeys(known, "handoff_wait"),
            "shares": {
                column: round(_PALEST + step * place, 2) for place, column in enumerate(names)
            },
            "unit": f"times told, {each}",
            "step": True,
            "empty": False,
        },
    )
