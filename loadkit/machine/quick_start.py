"""A process that starts and ends without its collector of garbage looking through what it imports.

Modules are not garbage, but there are some 200,000 objects of them, which Python looks through
again and again while they are loaded, and twice more as it ends: a third of the processor time of
a start.
"""

import atexit
import gc
from typing import Final

_SELDOM: Final = 50_000  # objects more than before, until what is young is looked through
_USUAL: Final = gc.get_threshold()


def begin() -> None:
    """Have hardly any of it looked through from now on, and nothing at the end of the process."""
    gc.set_threshold(_SELDOM, *_USUAL[1:])
    atexit.register(gc.freeze)


def over() -> None:
    """Collect as usual again, but for what is there by now; forks share the memory of that."""
    gc.freeze()
    gc.set_threshold(*_USUAL)
