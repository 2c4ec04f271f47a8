"""A process that starts does not look again and again for what is not there."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import pytest

from loadkit.machine import quick_start

LOOKED = """
import gc
from loadkit.machine import quick_start
looks = []
gc.callbacks.append(lambda phase, info: looks.append(info["generation"]))
quick_start.begin()
import argparse, asyncio, email.message, logging, http.client
found = looks.count(2)
quick_start.over()
print(found, gc.get_freeze_count() > 10_000)
"""


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


class Ring:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


def test_what_is_imported_is_hardly_looked_through_and_shared_with_forks() -> None:
    """Nothing of it is looked through as a whole."""
    told = subprocess.run(
        [sys.executable, "-c", LOOKED], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout == "0 True\n"


def test_what_comes_later_is_collected_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = 700, 10, 10
    monkeypatch.setattr(quick_start, "_USUAL", usual)  # of this process, something else may be
    quick_start.begin()
    assert gc.get_threshold() > usual
    quick_start.over()
    assert gc.get_threshold() == usual
    kept = Ring()
    before = sum(isinstance(each, Ring) for each in gc.get_objects())
    del kept
    gc.collect()
    assert sum(isinstance(each, Ring) for each in gc.get_objects()) == before - 1 == 0


def test_what_is_installed_is_read_once_for_all_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """And all are told the same as ever."""
    scripts = tuple(metadata.entry_points(group="console_scripts"))
    read, times = metadata.entry_points, []

    def counted(**wanted: Any) -> Any:
        times.append(wanted)
        return read(**wanted)

    monkeypatch.setattr(metadata, "entry_points", counted)
    with quick_start.entry_points_read_once():
        assert tuple(metadata.entry_points(group="console_scripts")) == scripts
        assert not metadata.entry_points(group="no.such")
        assert metadata.entry_points(group="console_scripts", name="loadkit").names == {"loadkit"}
    assert times == [{}]
    assert metadata.entry_points is counted
