"""The buckets of an HdrHistogram of three significant digits: how they are numbered."""

from typing import Final

__all__ = ["SUB_BUCKET_BITS", "index_of", "lowest_at"]

SUB_BUCKET_BITS: Final = 11
"""2,048 sub-buckets: the power of two above 2 × 10³, for three digits (HdrHistogram)."""

_HALF: Final = SUB_BUCKET_BITS - 1


def index_of(lowest: int) -> int:
    """The place of a bucket, by its lowest value, among all there are (HdrHistogram's)."""
    shift = lowest.bit_length() - SUB_BUCKET_BITS
    return (shift << _HALF) + (lowest >> shift) if shift > 0 else lowest


def lowest_at(index: int) -> int:
    """The lowest value of the bucket at a place; undoes `index_of`."""
    shift = max(0, (index >> _HALF) - 1)
    return index - (shift << _HALF) << shift
