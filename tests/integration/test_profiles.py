"""Every profile that comes with the tool asks a question, and runs."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from processes import (
    READY_LOADKIT,
    READY_LOCUST,
    ROOT,
    SECRETS,
    Finished,
    Truth,
    run,
    simulators,
    summary,
    unless_busy,
)

PROFILES = sorted((ROOT / "profiles").glob("*.toml"))
# What makes each short. Limits on latency are for a machine that runs one thing at a time, and
# are not what is tested here; the share of the turns lost is for runs with many.
SHORT: dict[str, dict[str, str]] = {
    "app-release": {
        "load.stages": "[{ duration = '1s', users = 24 }, { duration = '5s', users = 24 }]",
        "conversation.time_scale": "0.05",
        "chaos.storms.0.at": "1500ms",
        "chaos.storms.1.at": "3s",
    },
    "capacity": {
        "load.stages": "[{ duration = '1s', users = 10 }, { duration = '3s', users = 10 }]",
        "conversation.time_scale": "0.04",
    },
    "ci": {
        "load.stages": "[{ duration = '1s', users = 20 }, { duration = '4s', users = 20 }]",
        "conversation.time_scale": "0.04",
    },
    "conversation-mix": {
        "load.stages": "[{ duration = '1s', users = 30 }, { duration = '4s', users = 30 }]",
        "conversation.time_scale": "0.03",
    },
    "flaky-network": {
        "load.stages": "[{ duration = '1s', users = 20 }, { duration = '5s', users = 20 }]",
        "conversation.time_scale": "0.04",
        "chaos.per_turn": "0.5",
        "chaos.stall_for": "200ms",
    },
    "handoff-surge": {
        "load.stages": "[{ duration = '1s', users = 8 }, { duration = '1s', users = 8 },"
        " { duration = '1s', users = 24 }, { duration = '3s', users = 24 }]",
        "conversation.time_scale": "0.04",
    },
    "idle-fleet": {
        "load.stages": "[{ duration = '1s', users = 40 }, { duration = '5s', users = 40 }]",
        "conversation.time_scale": "0.05",
    },
    "open-arrivals": {
        "load.stages": "[{ duration = '1s', arrivals_per_second = 8 },"
        " { duration = '4s', arrivals_per_second = 8 }]",
        "conversation.time_scale": "0.04",
    },
    "reconnect-storm": {
        "load.stages": "[{ duration = '1s', users = 40 }, { duration = '5s', users = 40 }]",
        "conversation.time_scale": "0.1",
        "chaos.storms.0.at": "1500ms",
        "chaos.storms.1.at": "3s",
    },
    "soak": {
        "load.stages": "[{ duration = '1s', users = 20 }, { duration = '4s', users = 20 }]",
        "conversation.time_scale": "0.04",
        "chaos.stall_for": "200ms",
    },
    "soak-short": {
        "load.stages": "[{ duration = '1s', users = 20 }, { duration = '4s', users = 20 }]",
        "conversation.time_scale": "0.1",
        "chaos.stall_for": "200ms",
        "connection.recycle": "1s",
    },
    "smoke": {
        "load.stages": "[{ duration = '1s', users = 12 }, { duration = '3s', users = 12 }]",
        "conversation.time_scale": "0.04",
    },
}
AT_ONCE = 6
KEPT = ("violations", "disconnects.events_lost", "disconnects.gave_up", "turns.answered_twice")


class Run(NamedTuple):
    ended: Finished
    summary: dict[str, Any]
    truth: Truth


def short(name: str) -> dict[str, str]:
    limits = ", ".join(f'"{metric}" = 0' for metric in KEPT)
    return {"load.warmup": "0s", "slo": f"{{ {limits} }}", **SHORT[name]}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Some at once, as they mostly wait, each with a server of its own."""
    folder = tmp_path_factory.mktemp("profiles")
    dials = (
        "heartbeat_interval_seconds=1",
        "handoff.wait=300ms",
        "handoff.live_response=50ms",
        "handoff.live_idle=1s",
        "ended_session_linger_seconds=10",  # who is away just then hears of the end
    )
    with simulators(folder, len(SHORT), *dials) as servers, ThreadPoolExecutor(AT_ONCE) as pool:
        own = dict(zip(SHORT, servers, strict=True))
        ended = {name: pool.submit(load, name, own[name].url, folder) for name in SHORT}
        found = {name: each.result() for name, each in ended.items()}
        return {name: Run(found[name], summary(folder / name), own[name].stop()) for name in SHORT}


def load(name: str, url: str, folder: Path) -> Finished:
    command: list[str | Path] = [READY_LOCUST, "-f", ROOT / "locustfile.py", "--headless"]
    command += ["--profile", name, "-H", url, "--out", folder / name]
    for key, value in short(name).items():
        command += ["--set", f"{key}={value}"]
    ended = run(command, folder, SECRETS)
    assert (folder / name).exists(), ended.output
    return ended


def test_each_is_tried() -> None:
    assert {path.stem for path in PROFILES} == set(SHORT)


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_profile_opens_with_its_question(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert first.endswith("?")


def test_the_questions_are_what_the_list_of_profiles_shows(tmp_path: Path) -> None:
    shown = run([READY_LOADKIT, "profiles"], tmp_path).output
    for path in PROFILES:
        question = path.read_text().splitlines()[0].removeprefix("# ")
        assert f"{path.stem:<20} {question}\n" in shown


@pytest.mark.parametrize("name", SHORT)
def test_a_profile_runs_and_finds_nothing_wrong(name: str, runs: dict[str, Run]) -> None:
    ended, told, truth = runs[name]
    assert ended.code == unless_busy(0, told), ended.output
    assert told["profile"] == name
    assert told["violations"] == {}
    # One that is being created when the run is stopped is in one of the books only.
    unborn = told["sessions"]["started"] - len(truth.of("session"))
    assert 0 <= unborn <= told["sessions"]["ended"]["cut_off"]
    assert told["turns"]["sent"] > 0
    assert told["turns"]["answered"] + told["turns"]["lost"] <= told["turns"]["sent"]
    # A visitor who is not back yet when the run is stopped has lost the connection.
    failed = told["sessions"]["ended"]["failed"]
    assert told["errors"] == ({"connection_lost": failed} if failed else {})
    assert not failed or name in ("flaky-network", "reconnect-storm")


def test_a_profile_brings_about_what_it_asks_about(runs: dict[str, Run]) -> None:
    counts = {name: run.summary["counts"] for name, run in runs.items()}
    storm = runs["reconnect-storm"].summary["disconnects"]
    assert storm["forced"] > 30  # nearly all, then a half; on a busy machine fewer are there
    assert counts["reconnect-storm"]["chaos.reset"] > counts["reconnect-storm"]["chaos.close"] > 0
    assert runs["flaky-network"].summary["disconnects"]["forced"] > 10
    assert runs["handoff-surge"].summary["counts"]["handoffs.joined"] > 5
    assert runs["idle-fleet"].summary["latency_ms"]["heartbeat"]["count"] > 100
    assert counts["conversation-mix"]["vanished.fin"] > 0
    assert counts["ci"]["tabs.opened"] > 0
    old, recycled = runs["soak-short"].truth, runs["soak-short"].summary["disconnects"]["recycled"]
    assert recycled == len(old.of("socket_close", how="close_frame", client_code=4002)) > 10
    for name in ("ci", "smoke", "handoff-surge", "idle-fleet"):
        assert runs[name].summary["disconnects"]["forced"] == 0
