"""A search's place in a run: the file that it leaves after each step, and what it goes on from."""

import json
from pathlib import Path
from typing import Any

import pytest

from loadkit.capacity import adapter as module
from loadkit.capacity.adapter import CapacityAdapter
from loadkit.capacity.controller import for_search
from loadkit.capacity.document import FILE
from loadkit.errors import UsageError
from tests.capacity.rows import row
from tests.capacity.test_controller import profile

SUBJECT = {"profile": {"conversation": {"time_scale": 1.0}}, "url": "http://there"}
HEAD = {"target": "http://there", "notes": [], "started_at": "2026-11-22T15:06:54Z"}


def a_search(resume: str = "", subject: dict[str, Any] = SUBJECT) -> CapacityAdapter:
    of = for_search(profile(start=10.0, ramp=1.0, settle=12.0, measure=12.0))
    return CapacityAdapter(of, 7.0, subject, resume)


def advance(search: CapacityAdapter, seconds: int) -> None:
    """So many seconds in which a step's load is all there, and answers come at once."""
    for second in range(seconds):
        at = search.load.stages[-1].users or 0
        answers = [row(float(second), [0.2] * 60, live=at)]
        search.advance(second + 1.0, answers, at, [])


def test_before_its_first_step_nothing_is_written(tmp_path: Path) -> None:
    search = a_search()
    search.begin(tmp_path, lambda: HEAD)
    assert not (tmp_path / FILE).exists()
    assert search.outcome()["sentence"].startswith("Interrupted after 0 steps")


def test_each_step_is_written_down_with_what_the_run_says_of_itself(tmp_path: Path) -> None:
    """An interrupted search goes on from there; before a run there is no such place."""
    search = a_search()
    advance(search, 60)
    assert search.outcome()["steps"]
    assert [*tmp_path.iterdir()] == []
    search = a_search()
    search.begin(tmp_path, lambda: HEAD | {"duration_s": 9.5})
    advance(search, 60)
    told = json.loads((tmp_path / FILE).read_text())
    assert told["steps"] == json.loads(json.dumps(search.outcome()["steps"]))
    assert {name: told[name] for name in HEAD} == HEAD
    assert (told["duration_s"], told["subject"]) == (9.5, SUBJECT)


def test_it_goes_on_with_the_steps_of_an_earlier_one_of_the_same(tmp_path: Path) -> None:
    earlier = a_search()
    earlier.begin(tmp_path, lambda: HEAD)
    advance(earlier, 60)
    steps = earlier.outcome()["steps"]
    again = a_search(str(tmp_path))
    assert len(again.outcome()["steps"]) == len(steps)
    assert again.load.stages[-1].users != a_search().load.stages[-1].users
    with pytest.raises(UsageError):
        a_search(str(tmp_path), SUBJECT | {"url": "http://elsewhere"})


def test_a_step_that_cannot_be_written_down_ends_no_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """There is room again later, or there is the result at its end."""

    def full(*_: Any) -> None:
        raise UsageError("there is no room")

    monkeypatch.setattr(module.document, "save", full)
    search = a_search()
    search.begin(tmp_path, lambda: HEAD)
    advance(search, 60)
    assert search.outcome()["steps"]
    assert "there is no room" in caplog.text
