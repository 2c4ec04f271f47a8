"""The buckets of an HdrHistogram of three significant digits: how they are numbered and written."""

from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, Final, Protocol

from pydantic import Field, GetCoreSchemaHandler, GetPydanticSchema
from pydantic_core import CoreSchema, core_schema

HIGHEST: Final = 600_000_000
"""The longest duration that is a sample: ten minutes in microseconds."""

MOST_COUNT: Final = 2**32 - 1
"""What a counter can hold, as of `loadkit.stats.dense_histogram`."""

SUB_BUCKET_BITS: Final = 11
"""2,048 sub-buckets: the power of two above 2 × 10³, for three digits (HdrHistogram)."""

_HALF: Final = SUB_BUCKET_BITS - 1


def bucket_of(value: int) -> int:
    """The lowest value that three digits count as equal to `value`, from 0 to `HIGHEST`."""
    value = min(max(0, value), HIGHEST)
    shift = max(0, value.bit_length() - SUB_BUCKET_BITS)
    return value >> shift << shift


def index_of(lowest: int) -> int:
    """The place of a bucket, by its lowest value, among all there are (HdrHistogram's)."""
    shift = lowest.bit_length() - SUB_BUCKET_BITS
    return (shift << _HALF) + (lowest >> shift) if shift > 0 else lowest


def lowest_at(index: int) -> int:
    """The lowest value of the bucket at a place; undoes `index_of`."""
    shift = max(0, (index >> _HALF) - 1)
    return index - (shift << _HALF) << shift


class BucketCounts(Protocol):
    """How often each bucket was hit, by its lowest value: a dictionary, or what does as one."""

    def __len__(self) -> int: ...
    def __getitem__(self, lowest: int, /) -> int: ...
    def __setitem__(self, lowest: int, count: int, /) -> None: ...
    def keys(self) -> Iterable[int]: ...
    def values(self) -> Iterable[int]: ...
    def items(self) -> Iterable[tuple[int, int]]: ...
    def copy(self) -> Any: ...


def _flat(counts: BucketCounts) -> list[int]:
    flat = [0] * (2 * len(counts))
    flat[::2], flat[1::2] = counts.keys(), counts.values()
    return flat


@cache
def _lowest() -> frozenset[int]:
    """The lowest value of each bucket: some 2 MB, for whoever reads what others counted."""
    return frozenset(map(lowest_at, range(index_of(HIGHEST) + 1)))


def _counts_of(flat: list[int]) -> defaultdict[int, int]:
    if len(flat) % 2:
        raise ValueError("should be pairs of a value and how often it was")
    values, counts = flat[::2], flat[1::2]
    found = defaultdict(int, zip(values, counts, strict=True))
    if len(found) != len(values):
        raise ValueError("should have each value once")
    if not _lowest().issuperset(values):
        wrong = next(value for value in values if value not in _lowest())
        raise ValueError(f"{wrong} is the value of no bucket")
    if counts and not 0 <= min(counts) <= max(counts) <= MOST_COUNT:
        raise ValueError(f"how often should be from 0 to {MOST_COUNT}")
    return found


def _pairs(_: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    return core_schema.no_info_after_validator_function(
        _counts_of,
        handler.generate_schema(list[Annotated[int, Field(strict=True)]]),
        serialization=core_schema.plain_serializer_function_ser_schema(
            _flat, return_schema=core_schema.list_schema(core_schema.int_schema())
        ),
    )


PAIRS: Final = GetPydanticSchema(_pairs)
"""Of a field with counts by bucket: they are written as one flat list, lowest value, count, lowest
value, count …, as the keys of a map may turn to text on their way."""
