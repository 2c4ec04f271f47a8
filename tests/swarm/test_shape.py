"""How many users Locust is told to run, tick by tick."""

from time import perf_counter
from types import SimpleNamespace

import pytest
from locust.runners import MasterRunner

from loadkit.errors import UsageError
from loadkit.profile.tables import Load, Stage
from loadkit.swarm.shape import EARLY, ProfileShape


class RunController:
    stage = "under way"

    def __init__(self, *stages: tuple[float, int]) -> None:
        self._stages = tuple(Stage(duration=duration, users=users) for duration, users in stages)

    def load(self) -> Load:
        if not self._stages:
            raise UsageError("the profile is gone")
        return self._load()

    def _load(self) -> Load:
        return Load(stages=self._stages)


class OpenConductor(RunController):
    def _load(self) -> Load:
        stages = [
            {"duration": stage.duration, "arrivals_per_second": float(stage.users or 0)}
            for stage in self._stages
        ]
        return Load.model_validate({"model": "open", "stages": stages})


def users(controller: RunController, *elapsed: float) -> list[int | None]:
    shape = ProfileShape()
    environment = SimpleNamespace(loadkit_controller=controller)
    shape.runner = SimpleNamespace(environment=environment)  # type: ignore[assignment]
    told: list[int | None] = []
    for seconds in elapsed:
        shape.start_time = perf_counter() - seconds
        tick = shape.tick()
        told.append(None if tick is None else tick[0])
    return told


@pytest.mark.parametrize(
    ("stages", "ticks"),
    [
        pytest.param([(3, 6)], [2, 4, 6, None], id="a ramp gets to its top in its last second"),
        pytest.param([(0, 5), (2, 5)], [5, 5, None], id="a jump is there at once"),
        pytest.param([(2, 4), (2, 4)], [2, 4, 4, 4, None], id="a ramp and what it led to"),
        pytest.param([(0, 4), (2, 0)], [2, 0, None], id="a ramp down"),
    ],
)
def test_the_target_is_the_one_at_the_end_of_the_coming_second(
    stages: list[tuple[float, int]], ticks: list[int | None]
) -> None:
    assert users(RunController(*stages), *range(len(ticks))) == ticks


def test_the_open_model_asks_for_no_users_until_its_stages_are_over() -> None:
    assert users(OpenConductor((2, 50), (1, 0)), 0, 1, 2, 3) == [0, 0, 0, None]


def test_a_tick_that_comes_a_hair_early_does_not_add_a_second_to_the_run() -> None:
    assert users(RunController((0, 5), (3, 5)), 2.998) == [None]


def test_a_run_ends_when_its_stages_do_and_not_with_the_second_after() -> None:
    """However late the tick before came."""
    shape = ProfileShape()
    environment = SimpleNamespace(loadkit_controller=RunController((0, 5), (3, 5)))
    shape.runner = SimpleNamespace(environment=environment)  # type: ignore[assignment]
    shape.start_time = perf_counter() - 1.8
    assert shape.tick() == (5, 100.0)
    shape.start_time = perf_counter() - 2.8
    assert shape.tick() is None
    assert 3.0 - 2 * EARLY <= perf_counter() - shape.start_time < 3.8


def test_a_change_in_the_last_second_is_made_before_it_ends() -> None:
    assert users(RunController((0, 5), (2.5, 5), (0, 9), (0.5, 9)), 1.0, 2.0) == [5, 9]


def test_the_spawn_rate_is_above_any_step() -> None:
    shape = ProfileShape()
    environment = SimpleNamespace(loadkit_controller=RunController((0, 5000), (9, 5000)))
    shape.runner = SimpleNamespace(environment=environment)  # type: ignore[assignment]
    shape.reset_time()
    assert shape.tick() == (5000, 5000.0)


def test_a_profile_that_cannot_be_read_any_more_ends_the_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert users(RunController(), 0) == [None]
    assert caplog.messages == ["the profile is gone"]


def test_until_a_master_has_a_worker_its_first_second_does_not_pass() -> None:
    """Locust starts nothing then, and remembers that it has been asked."""
    controller, shape = RunController((3, 6)), ProfileShape()
    controller.stage = "before"
    runner = object.__new__(MasterRunner)
    runner.environment = SimpleNamespace(loadkit_controller=controller)
    runner.greenlet = None
    shape.runner = runner
    for _ in range(3):
        shape.start_time, runner.shape_last_tick = perf_counter() - 2.0, (2, 100.0)
        assert shape.tick() == (2, 100.0)
        assert runner.shape_last_tick is None
    controller.stage, shape.start_time = "under way", perf_counter() - 2.0
    assert shape.tick() == (6, 100.0)
