"""How a run begins from the web UI, by Locust's form or by that of the live page."""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any, Final

from gevent.lock import Semaphore

from loadkit.errors import LoadkitError, UsageError
from loadkit.profile.stages import scaled
from loadkit.profile.tables import Stage
from loadkit.security.textfile import clipped
from loadkit.swarm.run_controller import RunController
from loadkit.swarm.signals import NO_QUIT
from loadkit.swarm.web.form import Form, FormAnswer

LAST_RUN_ENDS: Final = 5.0  # seconds; its state says "stopped" before all of it is handed over
TUNED: Final = ("scale", "seed", "time_scale")
"""Fields of the live page's form that change a profile for a run."""
MOST_TIMES: Final = 10_000.0
_UNTUNED: Final[Mapping[str, str]] = {}


class Starts:
    """Begins one run at a time, each with what a form says and a check of all that can be wrong.

    Args:
        form: what may be said.
    """

    def __init__(self, environment: Any, controller: RunController, form: Form) -> None:
        self._environment, self._controller = environment, controller
        self.form = form  # as it was given
        options = environment.parsed_options
        assert isinstance(options, Namespace)
        self._options, self._given = options, list(options.profile_overrides)
        self.one_at_a_time = Semaphore()  # held from the check of a form to the begin of its run
        # whether the process ends with the run that the command line began
        self.once = bool(options.autostart and options.autoquit != NO_QUIT)

    def check(self, fields: Mapping[str, str], tuned: Mapping[str, str] = _UNTUNED) -> FormAnswer:
        """Have the options say what a form says, once it is looked at.

        Args:
            fields: of Locust's form.
            tuned: those of the live page's besides, which are among `TUNED`.

        Raises:
            LoadkitError: it cannot be run, or another run is under way; nothing has changed.
        """
        options, environment = self._options, self._environment
        if self.once:
            raise UsageError("this process is of one run: start others with loadkit ui")
        # It begins a moment after the answer, and is known of by its shape until then.
        idle = self._controller.wait_until_idle(LAST_RUN_ENDS)
        if not idle or environment.runner.shape_greenlet is not None:
            raise UsageError("a run is under way: stop it before you start another")
        before = options.profile, options.capacity, options.profile_overrides
        try:
            said = self.form.read(fields, environment.host or "")
            options.profile = said.profile
            # Locust reads it only after this; a profile that cannot be searched is told here.
            options.capacity = fields.get("capacity", str(options.capacity)).lower() == "true"
            options.profile_overrides = self._given
            options.profile_overrides = [*self._given, *self._tuned(tuned)]
            self._controller.next.check(said.host)
        except LoadkitError:
            options.profile, options.capacity, options.profile_overrides = before
            raise
        return said

    def begin(self, fields: Mapping[str, str]) -> None:
        """Begin a run.

        Raises:
            LoadkitError: as `check`.
        """
        tuned = {name: text.strip() for name, text in fields.items() if name in TUNED}
        plain = {name: text for name, text in fields.items() if name not in TUNED}
        with self.one_at_a_time:
            said = self.check(plain, tuned)
            environment = self._environment
            environment.host = self._options.host = said.host
            environment.profile = said.name
            environment.runner.start_shape()

    def call_off(self) -> bool:
        """Take back a start whose run has not begun, as there is no worker yet.

        Returns:
            Whether there was one.
        """
        runner = self._environment.runner
        if runner.shape_greenlet is None or not self._controller.wait_until_idle(0):
            return False
        runner.shape_greenlet.kill()
        runner.shape_greenlet = runner.shape_last_tick = None
        return True

    def _tuned(self, fields: Mapping[str, str]) -> Iterator[str]:
        """What is set on top of the profile; a field that is left empty sets nothing."""
        if seed := fields.get("seed"):
            if not (seed.isdecimal() and seed.isascii() and len(seed) <= 18):
                raise UsageError(f"the seed is a whole number from 0 on, not {clipped(seed)!r}")
            yield f"load.seed={int(seed)}"
        if (speed := _number(fields, "time scale", "time_scale")) is not None:
            yield f"conversation.time_scale={speed!r}"
        times = _number(fields, "load", "scale")
        if times is not None and times != 1:
            stages = scaled(self._controller.next.profile().load.stages, times)
            yield f"load.stages=[{', '.join(map(_toml, stages))}]"


def _number(fields: Mapping[str, str], called: str, name: str) -> float | None:
    text = fields.get(name)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not (isfinite(number) and 0 < number <= MOST_TIMES):
        raise UsageError(
            f"the {called} is a number above 0 and at most {MOST_TIMES:,.0f}, not {clipped(text)!r}"
        )
    return number


def _toml(stage: Stage) -> str:
    level = (
        f"users = {stage.users}"
        if stage.users is not None
        else f"arrivals_per_second = {stage.arrivals_per_second!r}"
    )
    return f"{{ duration = {stage.duration!r}, {level} }}"
