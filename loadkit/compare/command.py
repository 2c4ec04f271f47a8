"""`loadkit compare`: what is read, which way it is told, and the exit code."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from rich.console import Console

from loadkit.compare import markdown, terminal
from loadkit.compare.compare import compare, told
from loadkit.compare.comparison import Comparison
from loadkit.compare.limits import hold, parse
from loadkit.compare.stored_run import load_run
from loadkit.compare.trend import step
from loadkit.errors import UsageError
from loadkit.output import say
from loadkit.report.meter import Meter
from loadkit.report.screen import Screen
from loadkit.results.run_folder import write_text
from loadkit.security.escaping import in_json

Form = Literal["terminal", "markdown", "json"]


def compare_runs(
    console: Console,
    paths: Sequence[Path],
    fail_on: Sequence[str] = (),
    form: Form = "terminal",
    out: Path | None = None,
    page: Callable[[Comparison], None] = lambda _: None,
) -> int:
    """Compare runs and tell; returns the exit code.

    Args:
        console: where to, unless it is a document.
        paths: of the runs, in their order: the last one is compared with the first.
        fail_on: limits, see `loadkit.compare.limits`.
        form: how it is told.
        out: the file for a document; None prints it.
        page: makes a page of it besides.

    Raises:
        UsageError: a run cannot be read, a limit makes no sense or cannot be judged, or the file
            cannot be written.
    """
    if out is not None and form == "terminal":
        raise UsageError("-o takes a document: add --markdown or --json")
    found = compared(paths, fail_on)
    page(found)
    if form == "terminal":
        terminal.render(found, console)
    else:
        text = markdown.document(found) if form == "markdown" else document(found)
        if out is None:
            say(text.rstrip("\n"))
        else:
            write_text(out, text, "-o")
    return found.exit_code


def compared(paths: Sequence[Path], fail_on: Sequence[str] = ()) -> Comparison:
    """Compare runs as `compare_runs` does.

    Raises:
        UsageError: likewise.
    """
    if len(paths) < 2:
        raise UsageError("give two runs or more: loadkit compare BASE NEW")
    limits = [parse(text) for text in fail_on]
    runs = [load_run(path) for path in paths]
    with Meter(Screen()) as progress:
        found = compare(runs[0], runs[-1], progress)
    if runs[0].folder.resolve() == runs[-1].folder.resolve():
        found = replace(found, doubts=("BASE and NEW are one and the same run", *found.doubts))
    steps = [step(told(run), run.summary) for run in runs] if len(runs) > 2 else []
    return replace(found, held=hold(found, limits), trend=tuple(steps))


def check_baseline(baseline: str | None, fail_on: Sequence[str]) -> None:
    """Find out before a run whether it can be compared at its end.

    Raises:
        UsageError: there is no run to compare it with, or a limit makes no sense.
    """
    for text in fail_on:
        parse(text)
    if baseline is not None:
        load_run(Path(baseline))
    elif fail_on:
        raise UsageError("--fail-on is of a comparison: add --baseline DIR")


def document(found: Comparison) -> str:
    """Return a comparison as JSON; docs/compare.md has its keys."""
    return in_json(json.dumps(found.to_dict(), indent=1, ensure_ascii=False)) + "\n"
