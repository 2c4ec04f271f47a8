"""What a signal brings about, wherever a process that leads stands."""

import pytest

from loadkit.swarm.process import Stage
from loadkit.swarm.signals import way_out

STAGES: list[Stage] = ["before", "under way", "ending", "writing"]


@pytest.mark.parametrize(
    ("stage", "way"),
    [
        pytest.param("before", "leave", id="nobody waits for workers that may never come"),
        pytest.param("under way", "stop", id="a run is ended in order"),
        pytest.param("ending", "wait", id="one that ends goes on ending"),
        pytest.param("writing", "wait", id="results are written to their end"),
    ],
)
def test_without_a_ui_it_is_the_end_of_what_goes_on(stage: Stage, way: str) -> None:
    assert way_out(stage, with_ui=False) == way


@pytest.mark.parametrize("stage", STAGES)
def test_with_a_ui_it_closes_that_and_locust_does_the_rest(stage: Stage) -> None:
    assert way_out(stage, with_ui=True) == "close the UI"
