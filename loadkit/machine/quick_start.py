"""A process that starts and ends without what takes long and comes to nothing.

Modules are not garbage, but there are some 200,000 objects of them, which Python's collector looks
through again and again while they are loaded, and twice more as it ends: a third of the processor
time of a start. Gevent asks for its plug-ins twenty times as it patches, each time of the files of
all that is installed: an eighth of it.
"""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

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


@contextmanager
def entry_points_read_once() -> Iterator[None]:
    """Whoever asks in here what is installed is told of what was there as the first one asked."""
    from importlib import metadata  # which takes some of the time that is saved here

    read = metadata.entry_points
    found: Any = None

    def known(**wanted: Any) -> Any:
        nonlocal found
        if found is None:
            found = read()
        return found.select(**wanted)

    metadata.entry_points = known
    try:
        yield
    finally:
        metadata.entry_points = read
