"""What the doctor finds out: real looks at this machine, and texts of the kernel."""

import os
import time
from pathlib import Path

import pytest

from loadkit.machine.resources import cores, files_limit
from loadkit.protocol.decode import Event, decode
from loadkit.readiness.machine_facts import FRAMES, Facts, calibrate, collect, number_in

TOKEN = "a-connector-token-that-nobody-may-see"


@pytest.fixture(scope="module")
def facts() -> Facts:
    return collect({"POLY_CONNECTOR_TOKEN": TOKEN, "POLY_HOST_IDENTIFIER": "shop.example"})


def test_the_limits_are_the_systems(facts: Facts) -> None:
    """What was collected is what the modules and the system say by themselves."""
    assert facts.files == files_limit()
    assert facts.cores == cores()
    assert facts.machine_cores == os.cpu_count()
    assert facts.clock_step == time.get_clock_info("perf_counter").resolution


def test_measures_are_possible_ones(facts: Facts) -> None:
    """A clock that costs something, a sleep that is never too short, a core that computes."""
    assert 0 < facts.clock_cost < 0.001
    assert facts.sleep_late > 0
    assert facts.speed > 0
    assert 0 <= facts.busy_percent <= 100
    assert facts.memory > 0


def test_no_value_of_a_secret_is_kept(facts: Facts) -> None:
    """That they are there is known, nothing else."""
    assert facts.secrets == ""
    assert TOKEN not in repr(facts)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, ["POLY_CONNECTOR_TOKEN", "POLY_HOST_IDENTIFIER"]),
        ({"POLY_CONNECTOR_TOKEN": TOKEN}, ["POLY_HOST_IDENTIFIER"]),
        (
            {"POLY_CONNECTOR_TOKEN": f"{TOKEN} ", "POLY_HOST_IDENTIFIER": "shop.example"},
            ["POLY_CONNECTOR_TOKEN"],
        ),
    ],
    ids=["none", "one is missing", "one holds a blank"],
)
def test_what_is_wrong_with_a_secret_is_told_by_name_alone(
    environment: dict[str, str], named: list[str]
) -> None:
    """The variable is in the text, its value is not."""
    text = collect(environment).secrets
    assert all(name in text for name in named)
    assert TOKEN not in text


def test_the_calibration_decodes_what_a_server_sends() -> None:
    """Each frame is one event with all it has, so the work is that of a real exchange."""
    for frame in FRAMES:
        (event,) = decode(frame)
        assert isinstance(event, Event)
        assert event.payload["text"]
        assert event.local_id


def test_the_calibration_is_a_few_microseconds() -> None:
    """Far from both a loop that does nothing and one that sleeps."""
    assert 1e-6 < calibrate() < 1e-3


def test_a_number_of_the_kernel_may_be_missing(tmp_path: Path) -> None:
    """A file that is not there is None, never 0."""
    (tmp_path / "somaxconn").write_text("4096\n")
    assert number_in(tmp_path / "somaxconn") == 4096
    assert number_in(tmp_path / "other") is None
