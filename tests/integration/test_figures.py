"""What a run leaves of its figures: files that agree, verdicts that hold, clocks that lie."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hdrh.histogram import HdrHistogram
from processes import (
    READY_LOCUST,
    ROOT,
    SECRETS,
    Finished,
    Simulator,
    Truth,
    as_run,
    free_port,
    profile,
    results,
    run,
    simulator,
    started,
    summary,
    timeline,
    unless_busy,
)
from prometheus_client.parser import text_string_to_metric_families

from loadkit.results.rebuild import needed, rebuild
from loadkit.results.run_folder import load_summary


def alone(path: Path, url: str, out: Path, *more: str | Path) -> list[str | Path]:
    """A run in one process, which leads and loads."""
    command: list[str | Path] = [READY_LOCUST, "-f", ROOT / "locustfile.py", "--headless"]
    return [*command, "--profile", path, "-H", url, "--out", out, *more]


# --- the files of one run -----------------------------------------------------------------------

RATE, SECONDS = 20, 6  # arrivals a second, and for how long they come


class Measured(NamedTuple):
    """A run of the open model, scraped while it ran, and stopped when the last visitor had gone."""

    folder: Path
    summary: dict[str, Any]
    rows: list[dict[str, str]]
    scrapes: list[dict[str, float]]
    truth: Truth


def scrape(port: int) -> dict[str, float]:
    """The samples without labels of one scrape, by name."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    families = text_string_to_metric_families(text)
    return {s.name: s.value for family in families for s in family.samples if not s.labels}


Scenes = dict[str, Future[Any]]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    """Most runs of this file, two at once, as they mostly wait, each with a server of its own."""
    folders = tmp_path_factory.mktemp
    with ThreadPoolExecutor(2) as pool:
        yield {
            "measured": pool.submit(open_model, folders("measured")),
            "judged": pool.submit(judge, folders("judged"), strict=False),
            "strict": pool.submit(judge, folders("strict"), strict=True),
            "clock": pool.submit(with_a_moved_clock, folders("clock")),
        }


@pytest.fixture
def measured(scenes: Scenes) -> Measured:
    run: Measured = scenes["measured"].result()
    return run


def open_model(folder: Path) -> Measured:
    path = profile(
        folder, users=0, turns="{ min = 1, max = 4 }", more="[results]\ninterval='500ms'"
    )
    stages = ", ".join(
        f'{{ duration = "{seconds}s", arrivals_per_second = {rate} }}'
        for seconds, rate in ((0, RATE), (SECONDS, RATE), (0, 0), (600, 0))
    )
    path.write_text(re.sub("stages = .*", f'model = "open"\nstages = [{stages}]', path.read_text()))
    port = free_port()
    scrapes: list[dict[str, float]] = []
    with simulator(folder) as server:
        command = as_run(path, server.url, folder / "out", "--metrics-port", str(port))
        with started(command, folder, SECRETS) as process:

            def is_empty() -> bool:
                """Everybody has come, and nobody is there any more."""
                with contextlib.suppress(OSError):  # it is not up yet
                    scrapes.append(scrape(port))
                time.sleep(0.5)
                return (
                    len(timeline(folder / "out")) > 2 * SECONDS
                    and not (scrapes[-1]["loadkit_sessions_live"])
                )

            process.wait_for(is_empty, "empty")
            process.send(signal.SIGTERM)
            assert process.finish().code == 143, process.output
        truth = server.stop()
    out = folder / "out"
    return Measured(results(out), summary(out), timeline(out), scrapes, truth)


class TestTheFilesOfARun:
    def test_the_rows_of_the_timeline_add_up_to_the_summary(self, measured: Measured) -> None:
        """Every count, and every sample of a phase."""

        def total(column: str) -> float:
            return sum(float(row[column] or 0) for row in measured.rows)

        told = measured.summary
        assert total("sessions_started") == told["sessions"]["started"] > 60
        for ending, count in told["sessions"]["ended"].items():
            assert total(f"ended_{ending}") == count
        for name in ("sent", "answered", "lost"):
            assert total(f"turns_{name}") == told["turns"][name]
        assert total("response_count") == told["latency_ms"]["response"]["count"]
        assert total("frames_sent") == told["frames"]["sent"]
        assert total("bytes_received") == told["frames"]["bytes_received"]

    def test_a_row_is_as_long_as_the_profile_says(self, measured: Measured) -> None:
        starts = [float(row["elapsed_s"]) for row in measured.rows]
        assert starts[:4] == [0, 0.5, 1, 1.5]
        assert len(measured.rows) >= 2 * SECONDS

    def test_the_interval_log_adds_up_to_the_summary(self, measured: Measured) -> None:
        """Read by HdrHistogram's own decoder: the same number of samples, the same maximum."""
        found: dict[str, HdrHistogram] = {}
        for line in (measured.folder / "latency.hlog").read_text().splitlines():
            if line.startswith("Tag="):
                tag, _, _, _, encoded = line.removeprefix("Tag=").split(",")
                total = found.setdefault(tag, HdrHistogram(1, 600_000_000, 3))
                total.decode_and_add(encoded)
        others = ("from_schedule.", "lost.", "open.")
        phases = {tag: one for tag, one in found.items() if not tag.startswith(others)}
        told = measured.summary["latency_ms"]
        assert {tag: one.get_total_count() for tag, one in phases.items()} == {
            phase: stats["count"] for phase, stats in told.items()
        }
        for phase, stats in told.items():
            longest = phases[phase].get_max_value() / 1000
            assert longest <= stats["max"] * 1.001, "an open wait may have lasted longer"
            if phase not in measured.summary["waits"]:
                assert longest == pytest.approx(stats["max"], rel=0.001)

    def test_littles_law_holds_between_the_timeline_and_the_servers_log(
        self, measured: Measured
    ) -> None:
        """Sessions at once = sessions a second × how long one lasts, each told by another end."""
        truth, told = measured.truth, measured.summary["latency_ms"]

        def total(kind: str) -> float:
            return float(sum(record["at"] for record in truth.of(kind)))

        # One socket a session, and all are over: the sums of the moments are those of the stays.
        assert len(truth.of("session_end")) == len(truth.of("session")) > 60
        assert len(truth.of("socket_close")) == len(truth.of("session"))
        until_the_end = total("session_end") - total("session")
        until_the_close = total("socket_close") - total("session")
        client_side = sum(
            float(row["sessions_mean"] or 0) * float(row["length_s"]) for row in measured.rows
        )
        # The server does not see how long a client waits for it before there is a session.
        waited = sum(
            told[phase]["mean"] * told[phase]["count"] / 1000
            for phase in ("token", "create_session")
        )
        assert until_the_end < client_side < 1.03 * (waited + until_the_close)

    def test_the_arrivals_are_those_that_were_asked_for(self, measured: Measured) -> None:
        arrivals = measured.summary["arrivals"]
        assert arrivals["asked"] == arrivals["started"] == len(measured.truth.of("session"))
        assert arrivals["refused"] == 0

    def test_the_metrics_port_tells_the_same_while_it_runs(self, measured: Measured) -> None:
        """Counters only rise, and never above the end's."""
        started_ = [scrape["loadkit_sessions_started_total"] for scrape in measured.scrapes]
        assert started_ == sorted(started_)
        assert 0 < started_[-1] <= measured.summary["sessions"]["started"]
        assert max(scrape["loadkit_sessions_live"] for scrape in measured.scrapes) > 5

    def test_ci_gets_a_test_case_for_each_doubt(self, measured: Measured) -> None:
        cases = ET.parse(measured.folder / "junit.xml").getroot().iter("testcase")
        names = [case.get("name") for case in cases]
        assert "the run is valid" in names
        assert "nothing failed (there is no SLO)" in names


# --- objectives ---------------------------------------------------------------------------------


KEPT = '[slo]\n"response.p99.9" = "5s"\n"StreamingChat.response.max" = "9s"'
BROKEN = '"CompleteChat.first_chunk.max" = "9s"'


class Judged(NamedTuple):
    """A run, and what its results say of an objective."""

    profile: Path
    ended: Finished
    summary: dict[str, Any]
    cases: list[ET.Element]

    def line(self, metric: str) -> dict[str, Any]:
        (found,) = [line for line in self.summary["slo"] if line["metric"] == metric]
        return dict(found)

    def case(self, metric: str) -> ET.Element:
        return next(case for case in self.cases if metric in str(case.get("name")))


def judge(folder: Path, *, strict: bool) -> Judged:
    more = f"{KEPT}\n{BROKEN}" if strict else KEPT
    path = profile(folder, users=8, seconds=3, more=more)
    with simulator(folder) as server:
        command = alone(path, server.url, folder / "out", *(["--strict"] if strict else []))
        ended = run(command, folder, {**SECRETS, "GITHUB_ACTIONS": "true"})
    cases = ET.parse(results(folder / "out") / "junit.xml").getroot().iter("testcase")
    return Judged(path, ended, summary(folder / "out"), list(cases))


@pytest.fixture
def judged(scenes: Scenes) -> dict[bool, Judged]:
    """A run whose objectives hold, as far as can be told, and a strict one with one that cannot."""
    return {False: scenes["judged"].result(), True: scenes["strict"].result()}


class TestAnObjective:
    @pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
    def test_with_too_few_samples_is_undecided(
        self, judged: dict[bool, Judged], strict: bool
    ) -> None:
        """It fails with --strict alone, and is a skipped case in JUnit else."""
        line = judged[strict].line("response.p99.9")
        assert (line["status"], line["pass"], line["needed"]) == ("undecided", False, 4603)
        case = judged[strict].case("response.p99.9")
        assert case.find("failure" if strict else "skipped") is not None
        told = judged[strict].summary
        assert judged[strict].ended.code == unless_busy(1 if strict else 0, told)

    def test_of_one_user_class_is_judged_by_its_sessions_alone(
        self, judged: dict[bool, Judged]
    ) -> None:
        """first_chunk is what streaming sessions alone have."""
        line = judged[False].line("StreamingChat.response.max")
        assert line["status"] == "pass"
        assert 0 < line["samples"] < judged[False].summary["turns"]["answered"]
        line = judged[True].line("CompleteChat.first_chunk.max")
        assert (line["status"], line["actual"]) == ("fail", None)

    def test_that_is_broken_is_shown_at_its_line_by_ci(self, judged: dict[bool, Judged]) -> None:
        """GitHub's form, with the profile's own file and line."""
        number = judged[True].profile.read_text().splitlines().index(BROKEN) + 1
        assert re.search(
            rf"^::error file=\S+tiny\.toml,line={number},.*first_chunk",
            judged[True].ended.output,
            re.M,
        )


# --- what goes wrong around it ------------------------------------------------------------------

MOVES_THE_WALL_CLOCK = """
import time as _time
from locust import events as _events
import gevent as _gevent

_wall, _moved = _time.time, [0.0]
_time.time = lambda: _wall() + _moved[0]

def _move(environment, **_):
    # Forward by an hour, which is past every time-out of Locust's; then back by two.
    _gevent.spawn_later(1.0, _moved.__setitem__, 0, 3600.0)
    _gevent.spawn_later(2.5, _moved.__setitem__, 0, -3600.0)

_events.test_start.add_listener(_move)
"""


def with_a_moved_clock(folder: Path) -> tuple[Finished, dict[str, Any], Truth]:
    locustfile = folder / "moving.py"
    locustfile.write_text(MOVES_THE_WALL_CLOCK + (ROOT / "locustfile.py").read_text())
    path = profile(folder, users=10, seconds=5, pause="2s")
    with simulator(folder) as server:
        command = as_run(path, server.url, folder / "out", locustfile=locustfile)
        ended = run(command, folder, SECRETS)
        return ended, summary(folder / "out"), server.stop()


def test_a_wall_clock_that_is_set_changes_no_latency(scenes: Scenes) -> None:
    """In master and worker alike, in the middle of the run: it is measured on to its end."""
    ended, told, truth = scenes["clock"].result()
    assert ended.code in (0, 3), ended.output
    assert told["generator"]["workers_lost"] == []
    assert told["duration_s"] == pytest.approx(5, abs=4)  # of hours
    times = truth.answer_times()
    measured = told["latency_ms"]["response"]
    assert len(times) >= measured["count"] > 20
    assert times[0] <= measured["min"]
    assert measured["max"] < times[-1] + 50 + told["generator"]["loop_lag_ms"]["max"]
    assert told["turns"]["lost"] == 0


@contextlib.contextmanager
def disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of a few KB."""
    place = folder / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def on_a_disk(folder: Path, size: str) -> tuple[Finished, Path]:
    """How a run ended, and what it left there."""
    path = profile(folder, users=20, seconds=6)
    with simulator(folder) as server, disk(folder, size) as tiny:
        ended = run(alone(path, server.url, tiny), folder, SECRETS)
        return ended, Path(shutil.copytree(results(tiny), folder / "left"))


# On a machine that is busy a run writes too little to fill the larger one.
@pytest.mark.parametrize("size", ["24k", pytest.param("64k", marks=pytest.mark.timed)])
def test_a_disk_that_is_full_ends_the_files_and_not_the_run(tmp_path: Path, size: str) -> None:
    """The summary is printed all the same, and the exit code says that the files are not whole.

    The results take the journal's room; where not even that is enough, it makes a report later.
    """
    ended, left = on_a_disk(tmp_path, size)
    assert ended.code in (2, 3), ended.output
    assert re.search(r"cannot write .*(latency\.hlog|timeline\.csv): No space left", ended.output)
    assert len(re.findall(r"cannot write .*journal\.jsonl: No space left", ended.output)) <= 1
    assert "response" in ended.output
    assert re.search(r"^(PASS|INVALID) ", ended.output, re.M)
    if size == "64k":
        assert load_summary(left).turns["sent"] > 0
        assert not (left / "journal.jsonl").exists()
    else:
        assert "free some space there, or choose" in ended.output
        assert needed(left)
        assert rebuild(left, []).cut is not None


def test_a_metrics_port_that_is_taken_is_told_before_any_load(
    server: Simulator, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        path = profile(tmp_path)
        command = alone(path, server.url, tmp_path / "out", "--metrics-port", port)
        ended = run(command, tmp_path, SECRETS)
    assert ended.code == 2
    assert f"cannot be served on 127.0.0.1:{port}" in ended.output
    assert not os.path.exists(tmp_path / "out")
