"""The doctor's rules, by tables: facts in, findings out."""

import dataclasses
import io
import json
import re
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from loadkit import cli
from loadkit.machine.resources import PortUse, ResourceLimit
from loadkit.readiness import doctor
from loadkit.readiness.doctor import (
    Finding,
    bounds,
    conclusion,
    document,
    examine,
    render,
    rounded,
)
from loadkit.readiness.machine_facts import Facts
from loadkit.readiness.room import files_of_a_worker

GOOD = Facts(
    files=ResourceLimit(65_536, 524_288),
    ports=PortUse(232, 28_232),
    cores=8.0,
    machine_cores=8,
    busy_percent=0.0,
    load=0.1,
    memory=16_000_000_000,
    clock_source="tsc",
    clock_step=1e-9,
    clock_cost=5e-8,
    sleep_late=0.0001,
    speed=1.0,
    listen_backlog=4096,
    tracked=(10, 262_144),
    secrets="",
    code="compiled",
    versions={"python": "3.11.7", "loadkit": "0.1.0"},
)
"""A machine without a fault."""


def with_(**changes: Any) -> Facts:
    return dataclasses.replace(GOOD, **changes)


def look(facts: Facts, users: int | None = None, workers: int = 4) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(facts, users=users, workers=workers)}


def carried(facts: Facts, workers: int = 4) -> dict[str, int]:
    return {bound.check: bound.sessions for bound in bounds(facts, workers)}


@pytest.mark.parametrize(
    ("soft", "hard", "files"),
    [
        (1_024, 524_288, 10_000),
        (1_024, 10_000, 10_000),
        (1_024, 4_096, 1_024),
        (10_000, 10_000, 10_000),
        (65_536, 524_288, 65_536),
    ],
    ids=[
        "Locust raises it",
        "as far as it may",
        "which it does not try beyond the hard limit",
        "and has no need to here",
        "nor lowers it",
    ],
)
def test_a_worker_has_the_files_that_locust_leaves_it(soft: int, hard: int, files: int) -> None:
    """Its rule is all or nothing: 10,000, or what there was."""
    assert files_of_a_worker(ResourceLimit(soft, hard)) == files


def test_each_resource_carries_what_its_formula_says() -> None:
    """The formulas of docs/doctor.md, computed by hand."""
    assert carried(GOOD) == {
        "open files": 4 * (65_536 - 100),
        "ports": 28_232 - 232,
        "memory": (16_000_000_000 - 6 * 80_000_000) // 40_000,
        "cores": 4 * 11_500,
    }


@pytest.mark.parametrize(
    ("changes", "workers", "sessions"),
    [
        ({"cores": 1.5}, 4, 17_250),
        ({"speed": 0.5}, 4, 23_000),
        ({}, 1, 11_500),
        ({}, 16, 92_000),
    ],
    ids=[
        "a cgroup's quota",
        "half as fast",
        "a worker has one core",
        "no more cores than there are",
    ],
)
def test_cores_carry_by_number_and_speed(
    changes: dict[str, Any], workers: int, sessions: int
) -> None:
    """A worker uses one core at most."""
    assert carried(with_(**changes), workers)["cores"] == sessions


def test_the_scarcest_resource_comes_first() -> None:
    """It is what the last line names."""
    assert bounds(GOOD, 4)[0].check == "ports"
    assert bounds(with_(memory=0), 4)[0].sessions == 0


@given(
    soft=st.integers(0, 2_000_000),
    more=st.integers(0, 2_000_000),
    used=st.integers(0, 100_000),
    memory=st.integers(0, 2**40),
    workers=st.integers(1, 128),
)
def test_no_machine_carries_less_than_nothing(
    soft: int, more: int, used: int, memory: int, workers: int
) -> None:
    """However full it is."""
    facts = with_(
        files=ResourceLimit(soft, soft + more),
        ports=PortUse(used, 28_232),
        memory=memory,
    )
    assert all(bound.sessions >= 0 for bound in bounds(facts, workers))


def test_a_good_machine_is_told_nothing_to_do() -> None:
    """Every check is ok, and an ok has no mend."""
    found = look(GOOD)
    assert {finding.level for finding in found.values()} == {"ok"}
    assert all(not finding.mend for finding in found.values())
    assert set(found) == {
        *("open files", "ports", "memory", "cores"),
        *("other load", "clock", "sleep", "firewall", "secrets", "code"),
    }


@pytest.mark.parametrize(
    ("users", "level"),
    [(None, "ok"), (22_400, "ok"), (22_401, "warn"), (28_000, "warn"), (28_001, "bad")],
)
def test_who_asks_for_too_much_is_told(users: int | None, level: str) -> None:
    """More than 80 % of what can be carried is near the edge, more than all of it is too much."""
    assert look(GOOD, users)["ports"].level == level


@pytest.mark.parametrize(
    ("changes", "check", "level", "mend"),
    [
        (
            {"files": ResourceLimit(1_024, 1_024)},
            "open files",
            "bad",
            "sudo prlimit --pid $$ --nofile=",
        ),
        ({"files": ResourceLimit(1_024, 524_288)}, "open files", "bad", "ulimit -n 65536"),
        ({"ports": PortUse(0, 28_232)}, "ports", "bad", "ip_local_port_range"),
        ({"ports": PortUse(0, 64_512)}, "ports", "ok", ""),
        ({"ports": None}, "ports", "warn", ""),
        ({"memory": 1_000_000_000}, "memory", "bad", "larger machine"),
        ({"speed": 0.1}, "cores", "bad", "--workers 7"),
        ({"speed": 0.1, "cores": 5.0}, "cores", "bad", "more cores"),
        ({"cores": 4.0}, "workers", "warn", "--workers 3"),
        ({"busy_percent": 20.0}, "other load", "ok", ""),
        ({"busy_percent": 21.0}, "other load", "warn", "top"),
        ({"busy_percent": 81.0}, "other load", "bad", "top"),
        ({"clock_source": "hpet", "clock_cost": 2e-6}, "clock", "warn", "echo tsc | sudo tee"),
        ({"clock_step": 0.001}, "clock", "warn", "another machine"),
        ({"clock_source": None}, "clock", "ok", ""),
        ({"sleep_late": 0.011}, "sleep", "warn", "virtual machine"),
        ({"listen_backlog": 128}, "backlog", "warn", "somaxconn=4096"),
        ({"tracked": (250_000, 262_144)}, "firewall", "warn", "nf_conntrack_max=1048576"),
        ({"secrets": "POLY_X is missing"}, "secrets", "warn", "export POLY_CONNECTOR_TOKEN=…"),
        ({"code": "pure Python: nothing is compiled"}, "code", "warn", "make compiled"),
    ],
)
def test_every_fault_has_its_mend(
    changes: dict[str, Any], check: str, level: str, mend: str
) -> None:
    """45,000 sessions on four workers, with one thing wrong."""
    finding = look(with_(**changes), 45_000)[check]
    assert finding.level == level
    assert mend in finding.mend


@pytest.mark.parametrize("check", ["backlog", "firewall"])
def test_what_the_system_does_not_tell_is_passed_over(check: str) -> None:
    """Where there is no such setting there is nothing to set."""
    assert check not in look(with_(listen_backlog=None, tracked=None))


@pytest.mark.parametrize("users", [30_000, 300_000, 5_000_000])
@pytest.mark.parametrize(
    "limit",
    [ResourceLimit(1_024, 4_096), ResourceLimit(1_024, 524_288), ResourceLimit(20_000, 20_000)],
)
def test_the_command_for_open_files_is_enough(limit: ResourceLimit, users: int) -> None:
    """Who does as told is not told again; `ulimit` is proposed only within the hard limit."""
    mend = look(with_(files=limit), users, workers=1)["open files"].mend
    command, wanted = re.findall(r"(ulimit -n |sudo prlimit --pid \$\$ --nofile=)(\d+)", mend)[0]
    assert (int(wanted) > limit.hard) == command.startswith("sudo")
    raised = ResourceLimit(int(wanted), max(limit.hard, int(wanted)))
    assert look(with_(files=raised), users, workers=1)["open files"].level != "bad"


def test_one_core_cannot_be_shared_well() -> None:
    """There is no smaller number of workers to propose."""
    assert "two cores" in look(with_(cores=1.0), workers=1)["workers"].mend


@given(st.integers(0, 10**9))
def test_about_is_two_digits_rounded_down(sessions: int) -> None:
    """It never promises more than was found, and at most a tenth less."""
    about = rounded(sessions)
    assert about <= sessions
    assert about >= 0.9 * sessions
    assert len(str(about).rstrip("0")) <= 2


def test_the_last_line_names_the_limit_and_the_mend() -> None:
    """One line, with what was asked for if something was."""
    line = conclusion(bounds(GOOD, 4), 30_000)
    assert line.startswith(
        "This machine can carry about 28,000 sessions (30,000 were asked for): the limit is the "
        "ports (sudo sysctl -w"
    )
    assert "asked" not in conclusion(bounds(GOOD, 4), None)


def test_it_fits_eighty_columns_but_for_its_last_line() -> None:
    """Long texts are folded; the conclusion stays whole, so that a log can be searched for it."""
    out = io.StringIO()
    facts = with_(secrets="POLY_CONNECTOR_TOKEN [bold] is missing", busy_percent=99.0)
    render(
        examine(facts, users=10**6, workers=4),
        bounds(facts, 4),
        10**6,
        facts,
        Console(file=out, width=80),
    )
    *lines, last = out.getvalue().splitlines()
    assert all(len(line.rstrip()) <= 80 for line in lines)
    assert last == conclusion(bounds(facts, 4), 10**6)
    assert "[bold]" in out.getvalue()
    assert "python 3.11.7" in out.getvalue()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line on the good machine."""
    monkeypatch.setattr(doctor, "collect", lambda: GOOD)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("words", "code"),
    [([], 0), (["--users", "27000"], 0), (["--users", "29000"], 1)],
    ids=["all well", "a warning", "too many"],
)
def test_the_exit_code_says_whether_it_will_do(
    words: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 only when something is bad for the number asked for."""
    assert cli.main(["doctor", "--workers", "4", *words]) == code
    assert "This machine can carry about 28,000 sessions" in capsys.readouterr().out.replace(
        "\n", " "
    )


@pytest.mark.parametrize("words", [["--users", "0"], ["--users", "many"], ["--workers", "0"]])
def test_what_makes_no_sense_is_exit_code_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """As everywhere."""
    with pytest.raises(SystemExit) as left:
        cli.main(["doctor", *words])
    assert left.value.code == 2


@pytest.mark.usefixtures("machine")
def test_a_target_that_cannot_be_reached_is_told_first(capsys: pytest.CaptureFixture[str]) -> None:
    """And is bad, however good the machine."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        assert cli.main(["doctor", "--workers", "4", "--host", url]) == 1
    assert capsys.readouterr().out.startswith("✗  target")


@pytest.mark.usefixtures("machine")
def test_a_way_that_cannot_be_taken_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """As for a run."""
    assert cli.main(["doctor", "--host", "http://127.0.0.1", "--insecure"]) == 2
    assert "has no TLS" in capsys.readouterr().err


def test_a_script_gets_the_same_as_json() -> None:
    """Each check with what to do, each bound, and the sentence at the end."""
    facts = with_()
    found, limits = examine(facts, users=5, workers=4), bounds(facts, 4, 5)
    told = json.loads(document(found, limits, 5, facts, 0))
    assert told["conclusion"] == conclusion(limits, 5)
    assert [each["check"] for each in told["checks"]] == [each.check for each in found]
    assert (told["sessions"], told["limit"]) == (limits[0].sessions, limits[0].check)
    assert (told["users"], told["exit_code"]) == (5, 0)
