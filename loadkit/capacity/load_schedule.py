"""The load of a search: stages that grow in mid-run, what lies behind being left as it was."""

from typing import Final

from loadkit.profile.tables import Load, Stage

OPEN_END: Final = 1e7
"""Seconds that the last stage lasts until something else is asked for: four months."""


class LoadSchedule:
    """The stages so far, and the one that lasts until further notice; the rest is of `load`."""

    def __init__(self, load: Load) -> None:
        self._first = load
        self._stages: list[Stage] = []

    @property
    def load(self) -> Load:
        """The load as it is asked for now, as a profile would have it."""
        return self._first.model_copy(update={"stages": tuple(self._stages), "warmup": 0.0})

    def go(self, at_s: float, level: float, ramp_s: float) -> None:
        """Ask for another level from a second of the run on, until further notice.

        Args:
            at_s: that second.
            level: users, or session arrivals a second.
            ramp_s: seconds that the way there takes.
        """
        self.end(at_s)
        self._stages += [self._stage(ramp_s, level), self._stage(OPEN_END, level)]

    def end(self, at_s: float) -> None:
        """Ask for nothing any more from a second of the run on."""
        kept: list[Stage] = []
        begin = level = 0.0
        for stage in self._stages:
            target = stage.users or stage.arrivals_per_second or 0.0
            if begin + stage.duration > at_s:
                share = (at_s - begin) / stage.duration
                if at_s > begin:
                    kept.append(self._stage(at_s - begin, level + (target - level) * share))
                break
            kept.append(stage)
            begin, level = begin + stage.duration, target
        self._stages = kept

    def _stage(self, duration: float, level: float) -> Stage:
        if self._first.model == "closed":
            return Stage(duration=duration, users=round(level))
        return Stage(duration=duration, arrivals_per_second=level)
