"""Chance that can be repeated: streams that hang on a path, and draws that hang on a number."""

import math
import random
from collections.abc import Mapping
from hashlib import blake2b
from statistics import NormalDist
from struct import Struct
from typing import Final

SLOTS: Final = 16
"""How many draws each number of a `RandomStream` gives."""

_WORDS: Final = Struct(f"<{SLOTS}I")
_UNIT: Final = 2.0**-32
_normal = NormalDist().inv_cdf


def person_rng(seed: int, *path: int | str) -> random.Random:
    """A random stream of its own for each path, the same in every process and on every machine.

    Streams hang on the path alone (the user class, the number of the session among all of the run),
    so one person makes the same choices whatever the number of workers and whichever of them runs
    it. Python's own `hash` would not do: it is salted. The number 1 and the text "1" differ.
    """
    return random.Random(int.from_bytes(_digest(seed, path, 16), "big"))


def share_of(seed: int, *path: int | str) -> float:
    """A number in [0, 1) that hangs on the path alone, as if drawn uniformly."""
    return int.from_bytes(_digest(seed, path, 8), "big") / 2.0**64


def _digest(seed: int, path: tuple[int | str, ...], size: int) -> bytes:
    plain = [int(part) if isinstance(part, int) else str(part) for part in (seed, *path)]
    return blake2b(repr(plain).encode(), digest_size=size).digest()


class RandomStream:
    """Draws that are looked up by number instead of drawn one after the other.

    Each choice has a slot of its own, so whether one is made, or how it falls, never moves
    another: two runs that differ in one rate differ in nothing else. It holds 16 bytes where a
    `random.Random` holds 2.5 KB.
    """

    __slots__ = ("_key",)

    def __init__(self, rng: random.Random) -> None:
        self._key = rng.getrandbits(128).to_bytes(16, "big")

    def draws(self, number: int) -> list[float]:
        """`SLOTS` numbers, uniform between 0 and 1 and never either; the same at each call."""
        digest = blake2b(number.to_bytes(8, "big"), key=self._key, digest_size=64).digest()
        return [(word + 0.5) * _UNIT for word in _WORDS.unpack(digest)]


def lognormal(uniform: float, median: float, sigma: float) -> float:
    """The value below which the share `uniform` lies; sigma is that of the logarithm."""
    return median * math.exp(sigma * _normal(uniform))


def exponential(uniform: float, mean: float) -> float:
    """A waiting time without memory: the value above which the share `uniform` lies."""
    return -mean * math.log(uniform)


def weighted(weights: Mapping[str, float], uniform: float) -> str:
    """The name on which a share of the total weight falls."""
    left = uniform * math.fsum(weights.values())
    chosen = ""
    for name, weight in weights.items():
        if not weight:
            continue
        chosen = name
        left -= weight
        if left < 0:
            break
    return chosen
