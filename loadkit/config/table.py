"""What every table of settings has in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from loadkit.config.magnitude import checked

__all__ = ["Table"]


class Table(BaseModel):
    """A table of settings: frozen, no unknown key, no coercion, no number without a meaning.

    Strict because `users = "50"` or `seed = true` is a slip of the pen, not a wish.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _means_something(cls, value: Any, info: ValidationInfo) -> Any:
        return value if info.field_name == "seed" else checked(value)
