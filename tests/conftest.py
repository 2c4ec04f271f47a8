"""For all tests: what is slow on a busy machine is not wrong."""

import gc
from collections.abc import Iterator
from itertools import groupby

import pytest
from hypothesis import settings

settings.register_profile("loadkit", deadline=None)
settings.load_profile("loadkit")


def pytest_collection_finish() -> None:
    """What all the modules are made of stays: the collector need not look through it each time."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the unit tests between those that mostly wait for processes, file by file."""
    files = [list(found) for _, found in groupby(items, lambda item: item.path)]
    waiting = [found for found in files if found[0].path.parent.name == "integration"]
    quick = [found for found in files if found[0].path.parent.name != "integration"]
    items[:] = [item for found in _dealt(waiting, quick) for item in found]


def _dealt(
    some: list[list[pytest.Item]], more: list[list[pytest.Item]]
) -> Iterator[list[pytest.Item]]:
    """Both, in their own order, the one evenly between the other."""
    places = [
        ((at + 0.5) / len(found), one) for found in (some, more) for at, one in enumerate(found)
    ]
    yield from (one for _, one in sorted(places, key=lambda place: place[0]))
