"""How much memory hangs on an object."""

import gc
import sys
from types import FunctionType, ModuleType


def size_of(what: object) -> int:
    """The bytes of everything that can be reached from it, code left out."""
    seen: dict[int, object] = {}
    waiting = [what]
    while waiting:
        one = waiting.pop()
        if id(one) not in seen and not isinstance(one, type | ModuleType | FunctionType):
            seen[id(one)] = one
            waiting += gc.get_referents(one)
    return sum(map(sys.getsizeof, seen.values()))
