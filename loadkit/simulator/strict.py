"""What every table of settings has in common."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from loadkit.magnitude import checked

__all__ = ["Range", "Rate", "Strict"]

Rate = Annotated[float, Field(ge=0, le=1)]
"""A probability."""


class Strict(BaseModel):
    """A table of settings: immutable, without unknown keys, without guessing at types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @field_validator("*")
    @classmethod
    def _means_something(cls, value: Any, info: ValidationInfo) -> Any:
        return value if info.field_name == "seed" else checked(value)


class Range(Strict):
    """A whole number that is drawn anew each time, evenly spread over `min` to `max`."""

    min: int = Field(default=1, ge=1, le=1000, description="the lowest")
    max: int = Field(default=1, ge=1, le=1000, description="the highest")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError("min is above max")
        return self
