"""For all tests: what is slow is not wrong, and a secret of one is none of another."""

import atexit
import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from hypothesis import settings

from loadkit.security import redaction

# Whoever tests with real processes starts them with the helpers of `tests/integration`.
sys.path.append(str(Path(__file__).parent / "integration"))

settings.register_profile("loadkit", deadline=None, max_examples=40)  # `make fuzz` has more
settings.load_profile("loadkit")

# Seconds for whoever ends as soon as they look up; and before it is worth a search who that is.
LEAVE_WITHIN, LOOK_AFTER = 9.0, 0.5


# What all the modules are made of stays: nobody need look through it as it is loaded, nor later.
gc.disable()
atexit.register(gc.freeze)


def pytest_collection_finish() -> None:
    """From here on garbage is collected as ever."""
    gc.enable()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def each_file_clears_up() -> Iterator[None]:
    """What it leaves open is told of in it; what it keeps is not looked through again and again."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_new_is_secret() -> Iterator[None]:
    """What a test takes for a secret may be a word of the next one."""
    known: Any = (redaction._held, redaction._index, redaction._whole, redaction._spared)
    before = [each.copy() for each in known]
    yield
    for each, was in zip(known, before, strict=True):
        each.clear()
        each.update(was)
    redaction._recent.clear()


def waiting() -> int:
    """How much gevent waits for, if it is there at all; what can go on has done so."""
    local = sys.modules.get("gevent._hub_local")
    hub = local and local.get_hub_if_exists()
    if hub is None:
        return 0
    import gevent

    while hub.loop._callbacks:
        gevent.sleep(0)
    return int(hub.loop.activecnt)


@pytest.fixture(autouse=True)
def nobody_stays_behind() -> Iterator[None]:
    """Who is left asleep wakes up in the midst of another test, or holds its process."""
    before = waiting()
    yield
    if waiting() <= before:
        return
    import gevent

    began = monotonic()
    while waiting() > before:
        if monotonic() > began + LOOK_AFTER:
            # What is no greenlet is a socket or a signal, and wakes nobody.
            left = [one for one in gc.get_objects() if isinstance(one, gevent.Greenlet) and one]
            if not left:
                return
            assert monotonic() < began + LEAVE_WITHIN, f"it leaves behind {left}"
        gevent.sleep(0.01)
