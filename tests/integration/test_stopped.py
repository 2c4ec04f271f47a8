"""SIGTERM ends a run within ten seconds, whatever it is doing, and its results are whole."""

import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from processes import (
    READY_LOADKIT,
    READY_LOCUST,
    ROOT,
    Started,
    forked,
    profile,
    results,
    run,
    started,
    summary,
    timeline,
)
from simulator_client import HOST, TOKEN, simulator

SECRETS = {"POLY_CONNECTOR_TOKEN": TOKEN, "POLY_HOST_IDENTIFIER": HOST}
PATIENCE = 100.0  # seconds before the tests give up; nothing waits for it to pass
LIMIT = 10.0  # seconds
PATIENT = ["-s", "60"]  # Locust's own: let users finish what they do, here for a minute
ALL = {"run.json", "summary.json", "summary.md", "junit.xml", "loadkit.log"} | {
    "violations.jsonl",
    "errors.jsonl",
}
ALL |= {"timeline.csv", "latency.hlog", "slow_turns.jsonl", "turns.csv", "report.html"}
HELD = '[{ duration = "3s", users = 20 }, { duration = "600s", users = 20 }]'
RAMP = '[{ duration = "600s", users = 2400 }]'
SHORT = '[{ duration = "0s", users = 20 }, { duration = "1.5s", users = 20 }]'
ARRIVING = (
    '[{ duration = "0s", arrivals_per_second = 10 }, '
    '{ duration = "600s", arrivals_per_second = 10 }]\nmodel = "open"'
)
MOMENTS = {
    "ramping": (1, RAMP, []),
    "waiting for its users": (4, HELD, PATIENT),
    "draining": (3, SHORT, PATIENT),
    "arriving": (2, ARRIVING, []),
    "alone": (2, HELD, PATIENT),
    "alone and draining": (3, SHORT, PATIENT),
}
"""What a run is doing when the signal comes: the rows it has written, its stages, and options."""


class Stopped(NamedTuple):
    code: int
    seconds: float
    out: Path
    output: str


def is_busy(rows: list[dict[str, str]], fewest: int) -> bool:
    """Whether a run has come so far, and somebody has said something in it."""
    return len(rows) >= fewest and any(int(row["turns_sent"]) for row in rows)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Stopped]]:
    """All of them side by side; the agent takes a minute for every answer."""
    folder = tmp_path_factory.mktemp("stopped")
    with ExitStack() as stack:
        server = stack.enter_context(simulator("agent.first_response=60s"))
        runs: dict[str, Started] = {}
        ended: dict[str, Stopped] = {}
        for name, (_, stages, options) in MOMENTS.items():
            own = folder / name
            own.mkdir()
            path = profile(own)
            path.write_text(re.sub("stages = .*", f"stages = {stages}", path.read_text()))
            command = [READY_LOCUST, "-f", ROOT / "locustfile.py", "--headless", "--profile", path]
            command += ["-H", server.url, "--out", own / "out", *options]
            command += [] if "alone" in name else forked(2)
            runs[name] = stack.enter_context(started(command, own, SECRETS))
        until = time.monotonic() + PATIENCE
        told: dict[str, float] = {}
        while len(ended) < len(runs):
            now = time.monotonic()
            assert now < until, {n: run.output for n, run in runs.items() if n not in ended}
            for name, run in runs.items():
                out = folder / name / "out"
                if name not in told and is_busy(timeline(out), MOMENTS[name][0]):
                    told[name] = time.monotonic()
                    run.send(signal.SIGTERM)
                elif name not in ended and not run.running:
                    took = now - told.get(name, 0.0)
                    ended[name] = Stopped(run.finish().code, took, out, run.output)
            time.sleep(0.1)
        yield ended


@pytest.mark.parametrize("name", MOMENTS)
def test_a_run_that_is_told_to_go_is_over_within_ten_seconds(
    stopped: dict[str, Stopped], name: str
) -> None:
    """Nobody is waited for who waits for an answer."""
    assert stopped[name].code == 143, stopped[name].output
    assert stopped[name].seconds < LIMIT


@pytest.mark.parametrize("name", MOMENTS)
def test_its_results_are_whole(stopped: dict[str, Stopped], name: str) -> None:
    """Every worker has handed over what it had, and every session has an ending."""
    out = stopped[name].out
    assert {path.name for path in results(out).iterdir()} == ALL
    told = summary(out)
    assert "cut" not in told
    assert told["sessions"]["started"] == sum(told["sessions"]["ended"].values()) > 0
    assert told["turns"]["sent"] > 0
    assert told["generator"]["workers_lost"] == []


@pytest.mark.parametrize("name", MOMENTS)
def test_its_results_say_that_it_is_no_pass(stopped: dict[str, Stopped], name: str) -> None:
    """Unless all of its load had been run, and it was only draining."""
    out, output = stopped[name].out, stopped[name].output
    told = summary(out)
    if "draining" in name:
        assert told["stopped_early"] is None
        return
    assert re.fullmatch(r"after [\d.]+ of 60\d s, by SIGTERM", told["stopped_early"])
    assert (told["verdict"]["validity"], told["verdict"]["exit_code"]) == ("invalid", 3)
    assert told["verdict"]["reasons"][0].startswith(f"stopped early: {told['stopped_early']}")
    assert re.search("^INVALID  stopped early: after .* by SIGTERM", output, re.MULTILINE)
    found = ElementTree.parse(results(out) / "junit.xml").getroot()
    failures = {case.attrib["name"] for case in found.iter("testcase") if len(case)}
    assert "the run lasts to its end" in failures


def test_loadkit_report_and_status_say_it_again(
    stopped: dict[str, Stopped], tmp_path: Path
) -> None:
    folder = results(stopped["arriving"].out)
    shown = run([READY_LOADKIT, "report", folder], tmp_path)
    assert shown.code == 3
    assert re.search("^INVALID  stopped early: after", shown.output, re.MULTILINE)
    assert run([READY_LOADKIT, "status", folder], tmp_path).output.startswith("stopped ")


def test_before_its_workers_have_come_it_ends_and_leaves_nothing(tmp_path: Path) -> None:
    """Locust waits for them, for ever if need be."""
    with simulator() as server:
        command = [READY_LOCUST, "-f", ROOT / "locustfile.py", "--headless", "--master"]
        command += ["--profile", profile(tmp_path), "-H", server.url, "--out", tmp_path / "out"]
        command += ["--expect-workers", "2", *forked(1)[2:]]
        with started(command, tmp_path, SECRETS) as process:
            process.wait_for(lambda: [*(tmp_path / "out").glob("*")], "it had its folder")
            time.sleep(0.5)
            process.send(signal.SIGTERM)
            sent = time.monotonic()
            assert process.finish().code == 143
            assert time.monotonic() - sent < LIMIT
    assert list((tmp_path / "out").iterdir()) == []
