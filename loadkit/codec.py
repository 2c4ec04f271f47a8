"""Dataclasses as plain types, for msgpack and JSON, and back again: checked once, as they are read.

A dataclass says of each field what it may be, with the types in here. A number that says how much
there is, or how long, decides how much memory and time it takes whoever reads it: none may be
larger than a run can be.
"""

import json
from collections.abc import Collection
from dataclasses import fields
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from loadkit.security.textfile import clipped

Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e15, le=1e15)]
Amount = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1e15)]
Seconds = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1e9)]
Stamp = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e12, le=1e12)]
Count = Annotated[int, Field(strict=True, ge=0, le=10**15)]
Name = Annotated[str, Field(strict=True, max_length=1_000)]
Line = Annotated[str, Field(strict=True, max_length=100_000)]
Text = Annotated[str, Field(strict=True, max_length=1_000_000)]
Flag = Annotated[bool, Field(strict=True)]


def _moment(text: str) -> str:
    if not 1970 <= datetime.fromisoformat(text).year <= 2999:
        raise ValueError("should be a moment of our times")
    return text


Moment = Annotated[Name, AfterValidator(_moment)]

OPTIONAL: Any = Field(exclude_if=lambda value: not value)
"""Of a field with a default that is empty: left out where it is."""

T = TypeVar("T")


def known(names: Collection[str], what: str) -> AfterValidator:
    """Of a text that should be one of some names; `what` they are, for the message."""

    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"no {what} is called so")
        return name

    return AfterValidator(check)


def whole(*names: str) -> BeforeValidator:
    """Of a dataclass that can begin empty: to be read, it has to say these of itself."""

    def check(plain: Any) -> Any:
        if isinstance(plain, dict) and (missing := [name for name in names if name not in plain]):
            raise ValueError(f"{missing[0]} is missing")
        return plain

    return BeforeValidator(check)


def _as_list(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    names = [field.name for field in fields(source)]

    def named(values: Any) -> Any:
        if not isinstance(values, list | tuple) or len(values) != len(names):
            raise ValueError(f"should be a list of {len(names)}")
        return dict(zip(names, values, strict=True))

    def listed(value: Any, serialize: core_schema.SerializerFunctionWrapHandler) -> list[Any]:
        return list(serialize(value).values())

    return core_schema.no_info_before_validator_function(
        named,
        handler(source),
        serialization=core_schema.wrap_serializer_function_ser_schema(listed),
    )


AS_LIST: Final = GetPydanticSchema(_as_list)
"""Of a field with a dataclass that is written as the list of its values."""


class Codec(Generic[T]):
    """Puts one kind of dataclass, or what pydantic makes it of, into plain types, and back."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    @cached_property
    def _adapter(self) -> TypeAdapter[T]:
        return TypeAdapter(self._kind)

    def prepare(self) -> None:
        """Have all ready now, and not in the midst of a load: it takes some 10 ms."""
        _ = self._adapter

    def encode(self, value: T) -> Any:
        """Return it as plain types, which msgpack and JSON carry alike."""
        return self._adapter.dump_python(value, mode="json", by_alias=True)

    def json(self, value: T) -> bytes:
        """Return it as JSON, in one line."""
        return self._adapter.dump_json(value, by_alias=True)

    def decode(self, plain: object) -> T:
        """Undo `encode`; keys of a later version are passed over.

        Raises:
            ValueError: it is none; the text says where, and why.
        """
        try:
            return self._adapter.validate_python(plain)
        except ValidationError as error:
            wrong = error.errors(include_url=False)
        more = f"; and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise ValueError(told(wrong[0]) + more)


def told(error: ErrorDetails) -> str:
    """Say what is wrong with a value: where it is, what it should be, what it is."""
    where = ".".join(clipped(str(part)) for part in error["loc"] if part != "[key]")
    if error["type"] == "missing":
        return f"{where} is missing"
    says = error["msg"].removeprefix("Value error, ").replace("Input should", "should")
    value = error["input"]
    if isinstance(value, str | int | float | None):
        says += f", not {clipped(json.dumps(value))}"
    return f"{where}: {says}" if where else says
