"""The `[capacity]` table: where the search for the highest load begins, and what it may cost."""

from typing import Annotated, Final

from pydantic import Field, ValidationInfo, field_validator, model_validator

from loadkit.config.table import Duration, Ratio, Table
from loadkit.profile.tables import MOST_ARRIVALS, MOST_USERS

_FLOOR: Final = 64
"""The search gives up below start ÷ this: six halvings below what was thought an easy load."""


class CapacitySettings(Table):
    """How `loadkit capacity` looks for the highest load.

    A load is a number of users in the closed model and session arrivals per second in the open
    one; times are in seconds.
    """

    start: Annotated[float, Field(ge=1e-6, le=MOST_USERS)] = 10.0  # the load of the first step
    # The highest that is tried: as many as the open files that Locust asks the system for.
    ceiling: Annotated[float, Field(gt=0, le=MOST_USERS)] = 10_000.0
    growth: Annotated[float, Field(ge=1.1, le=10)] = 2.0  # from step to step, until a limit breaks
    # how far apart, as a share, the highest load that held and the lowest that broke may be in the
    # end. Not under 1 %: no two holds of a real target agree that closely.
    bracket: Annotated[Ratio, Field(ge=0.01, le=0.5)] = 0.05
    ramp: Duration = 10.0  # from one load to the next
    settle: Duration = 120.0  # for a step to become stationary; then it is measured anyway
    measure: Annotated[Duration, Field(gt=0)] = 30.0  # of a step, at least: until samples suffice
    hold: Annotated[Duration, Field(gt=0)] = 300.0  # that the answer is confirmed for, at least
    cool_down: Duration = 15.0  # without load after a step that broke
    budget: Annotated[Duration, Field(gt=0)] = 7200.0  # of the whole search

    @property
    def floor(self) -> float:
        """The lowest load that is tried where the first step breaks."""
        return self.start / _FLOOR

    @field_validator("start", "ceiling")
    @classmethod
    def _whole_users(cls, load: float, info: ValidationInfo) -> float:
        model = (info.context or {}).get("model")
        if model == "open" and load > MOST_ARRIVALS:
            raise ValueError(f"should be {MOST_ARRIVALS:,.0f} arrivals a second or less")
        if model == "closed" and load != int(load):
            raise ValueError(f"should be a whole number of users in the closed model, not {load:g}")
        return load

    @model_validator(mode="after")
    def _can_be_done(self) -> "CapacitySettings":
        if self.start > self.ceiling:
            raise ValueError(
                f"start ({self.start:,g}) should not be above ceiling ({self.ceiling:,g})"
            )
        least = 2 * self.ramp + self.measure + self.hold
        if self.budget < least:
            raise ValueError(
                f"budget ({self.budget:,g} s) is too short for one step and a confirmation; give "
                f"it {least:,g} s or more, or make ramp, measure or hold shorter"
            )
        return self
