"""The load of a search: stages that grow in mid-run, what lies behind being left as it was."""

from collections.abc import Sequence
from typing import Final

from loadkit.profile.tables import Load, Stage

__all__ = ["OPEN_END", "LoadSchedule"]

OPEN_END: Final = 1e7
"""Seconds that the last stage lasts until something else is asked for: four months."""


class LoadSchedule:
    """The stages so far, and the one that lasts until further notice.

    Args:
        load: of the profile: its model and all but its stages.
    """

    def __init__(self, load: Load) -> None:
        self._first = load
        self._stages: list[Stage] = []

    @property
    def load(self) -> Load:
        """The load as it is asked for now, as a profile would have it."""
        return self._first.model_copy(update={"stages": tuple(self._stages), "warmup": 0.0})

    @property
    def stages(self) -> Sequence[Stage]:
        """All of them, from the start of the run."""
        return tuple(self._stages)

    def go(self, at_s: float, level: float, ramp_s: float) -> None:
        """Ask for another level.

        Args:
            at_s: from which second of the run on.
            level: users, or session arrivals a second; then that, until further notice.
            ramp_s: seconds that the way there takes.
        """
        self.end(at_s)
        self._stages += [self._stage(ramp_s, level), self._stage(OPEN_END, level)]

    def end(self, at_s: float) -> None:
        """Ask for nothing any more from a second of the run on."""
        kept: list[Stage] = []
        begin = level = 0.0
        for stage in self._stages:
            target = self._level(stage)
            if begin + stage.duration > at_s:
                share = (at_s - begin) / stage.duration
                if at_s > begin:
                    kept.append(self._stage(at_s - begin, level + (target - level) * share))
                break
            kept.append(stage)
            begin, level = begin + stage.duration, target
        self._stages = kept

    def _level(self, stage: Stage) -> float:
        return (stage.users if self._closed else stage.arrivals_per_second) or 0.0

    def _stage(self, duration: float, level: float) -> Stage:
        if self._closed:
            return Stage(duration=duration, users=round(level))
        return Stage(duration=duration, arrivals_per_second=level)

    @property
    def _closed(self) -> bool:
        return self._first.model == "closed"
