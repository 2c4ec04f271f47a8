"""A run of which the results are there, as it is compared."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from loadkit.compare.course import Course
from loadkit.compare.course_files import read_course
from loadkit.errors import UsageError
from loadkit.measure.turn_times import TurnTime
from loadkit.results.checked import read_json
from loadkit.results.run_folder import load_summary
from loadkit.results.series import HISTOGRAMS, TIMELINE
from loadkit.results.stored_series import Progress, unwatched
from loadkit.results.turn_log import read_turns
from loadkit.verdict.summary import Summary

_MOST_VALUES: Final = 5_000
"""Values of a `run.json` that are compared; a profile has some 150."""


@dataclass(slots=True)
class StoredRun:
    """One of the runs that are compared.

    Attributes:
        path: as it was given.
        summary: what it came to.
        settings: its profile, by dotted keys.
        surroundings: the machine, the versions and the network, likewise.
        left_out: what could not be read, and is not in the comparison, a line each.
        warmup, interval: seconds, as the profile has them.
        course: what it measured, stretch by stretch, once that is read.
        no_course: why there is none.
        turns: those that were answered, one by one, likewise; empty where they were not kept.
    """

    path: Path
    summary: Summary
    settings: Mapping[str, Any] = field(default_factory=dict)
    surroundings: Mapping[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    warmup: float = 0.0
    interval: float = 1.0
    course: Course | None = None
    no_course: str = ""
    turns: Sequence[TurnTime] = ()

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.path.parent if self.path.suffix == ".json" else self.path

    def read_course(self, stretch: float, progress: Progress = unwatched) -> None:
        """Read what it measured.

        Args:
            stretch: seconds of the stretches that it is cut into.
            progress: told now and then, with the run's path and the share that is read.
        """
        try:
            self.turns = read_turns(self.folder)
        except UsageError as error:
            self.left_out.append(f"{error}; turns are not paired")
        missing = [
            name for name in (TIMELINE, HISTOGRAMS) if not os.path.isfile(self.folder / name)
        ]
        if missing:
            self.no_course = f"{self.path} has no {' and no '.join(missing)} beside its summary"
            return
        seconds = max(1.0, self.summary.duration_s)

        def tell(second: float) -> None:
            progress(self.path, min(1.0, second / seconds))

        try:
            course = read_course(self.folder, stretch, self.warmup, tell)
        except UsageError as error:
            self.no_course = str(error)
            return
        for phase, found in course.phases.items():
            if stats := self.summary.latency_ms.get(phase):  # which knows the ends exactly
                found.whole.min = round(stats["min"] * 1e3)
                found.whole.max = min(found.whole.max, round(stats["max"] * 1e3))
        self.course = course


def load_run(path: Path) -> StoredRun:
    """Read a run, but not yet what it measured second by second.

    Args:
        path: its folder, or its `summary.json`.

    Raises:
        UsageError: there is no summary, or it is damaged.
    """
    left_out: list[str] = []
    run = StoredRun(path, load_summary(path, left_out), left_out=left_out)
    info_path = run.folder / "run.json"
    if not os.path.lexists(info_path):
        run.left_out.append(f"{info_path} is missing: the profile and the machine are not compared")
        return run
    try:
        info = read_json(info_path, "a file that `loadkit run` wrote")
        if not isinstance(info, dict):
            raise UsageError(f"{info_path} is damaged, or was edited: it is no object")
        profile = info.get("profile")
        run.settings = dict(_flat(profile if isinstance(profile, dict) else {}))
        known = {key: info[key] for key in ("machine", "versions", "network") if key in info}
        run.surroundings = dict(_flat(known))
    except UsageError as error:
        run.left_out.append(f"{error}; the profile and the machine are not compared")
        return run
    run.warmup = _seconds(run.settings.get("load.warmup"), 0.0)
    run.interval = _seconds(run.settings.get("results.interval"), 1.0) or 1.0
    return run


def _seconds(value: Any, default: float) -> float:
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e8
    return float(value) if known else default


def _flat(table: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """A table by dotted keys; what is no table is a value."""
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        if isinstance(value, dict):
            found += _flat(value, f"{before}{key}.")
        else:
            found.append((f"{before}{key}", value))
        if len(found) > _MOST_VALUES:
            raise UsageError("a run.json with more values than a profile has was edited")
    return found
