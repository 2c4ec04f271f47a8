"""A run from the command line to its results, held against what the server knows to be true."""

import contextlib
import csv
import json
import re
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from processes import (
    LOADKIT,
    LOCUST,
    READY_BOTH,
    READY_LOADKIT,
    ROOT,
    SECRETS,
    TOKEN,
    Finished,
    Started,
    Truth,
    as_run,
    forked,
    profile,
    results,
    run,
    simulator,
    simulators,
    started,
    summary,
    unless_busy,
)

ONE_SESSION_EACH = {"turns": "{ min = 1, max = 30 }", "pause": "10h"}
"""Some sessions end, some are cut off, none begins while the run is being stopped: so the counts
of both ends must agree to the last one."""


class Run(NamedTuple):
    """What a run left behind, and what the server says about it."""

    ended: Finished
    folder: Path
    summary: dict[str, Any]
    truth: Truth
    command_lines: frozenset[str]


def command_lines(process: Started) -> set[str]:
    lines = set()
    for member in process.family():
        with contextlib.suppress(psutil.Error):
            lines.add(" ".join(member.cmdline()))
    return lines


@pytest.fixture(scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    path = profile(folder, seconds=6, users=12, **ONE_SESSION_EACH)
    seen: set[str] = set()
    with simulator(folder) as server:
        command = [LOADKIT, "run", path, "--host", server.url, "--workers", "1"]
        with started([*command, "--out", folder / "out"], folder, SECRETS) as process:
            while process.running:
                seen |= command_lines(process)
                time.sleep(1)
            ended = process.finish()
        truth = server.stop()
    out = folder / "out"
    return Run(ended, results(out), summary(out), truth, frozenset(seen))


class TestARunAgreesWithTheServer:
    def test_about_the_sessions_that_began(self, a_run: Run) -> None:
        assert a_run.summary["sessions"]["started"] == len(a_run.truth.of("session")) == 12

    def test_about_how_they_ended(self, a_run: Run) -> None:
        ended = a_run.summary["sessions"]["ended"]
        told = Counter(record["reason"] for record in a_run.truth.of("session_end"))
        assert ended["user_end"]
        assert ended["cut_off"]
        # A visitor who is cut off says goodbye too: the server need not keep the session.
        assert told == {"REASON_USER_END": ended["user_end"] + ended["cut_off"]}
        assert sum(ended.values()) == 12

    def test_about_the_messages_that_were_sent(self, a_run: Run) -> None:
        assert a_run.summary["turns"]["sent"] == len(a_run.truth.of("turn")) > 12

    def test_about_the_answers(self, a_run: Run) -> None:
        turns = a_run.summary["turns"]
        answered = len(a_run.truth.of("turn", outcome="answered"))
        still_open = turns["sent"] - turns["answered"]
        assert turns["lost"] == 0
        assert turns["lost_ratio"] == 0
        assert still_open <= a_run.summary["sessions"]["ended"]["cut_off"]
        # An answer may be on its way to a visitor who is being cut off.
        assert turns["answered"] <= answered <= turns["answered"] + still_open
        assert answered + len(a_run.truth.of("turn", outcome="cut_off")) == turns["sent"]

    def test_about_how_long_the_answers_took(self, a_run: Run) -> None:
        told = a_run.truth.answer_times()
        measured = a_run.summary["latency_ms"]["response"]
        assert measured["count"] == a_run.summary["turns"]["answered"]
        # By no more than the time by which this side says that its own loop was late, and what a
        # message takes there and back: the server stamps it when it gets to it.
        lag = a_run.summary["generator"]["loop_lag_ms"]
        late = lag["p90"] + a_run.summary["latency_ms"]["echo"]["p50"]
        assert measured["p50"] == pytest.approx(statistics.median(told), abs=5 + late)
        assert told[-1] - 1 < measured["max"] < told[-1] + 50 + lag["max"]

    def test_about_the_connections(self, a_run: Run) -> None:
        assert len(a_run.truth.of("socket_open")) == 12
        assert len(a_run.truth.of("socket_close", client_code=1000)) == 12
        assert not any(a_run.summary["disconnects"].values())

    def test_about_the_frames(self, a_run: Run) -> None:
        received = sum(record["received"] for record in a_run.truth.of("socket_close"))
        frames = a_run.summary["frames"]
        assert frames["sent"] == received + 12  # and a close frame each


class TestARunLeaves:
    def test_its_files_and_no_draft_of_one(self, a_run: Run) -> None:
        names = {path.name for path in a_run.folder.iterdir()}
        assert {"run.json", "summary.json", "summary.md", "loadkit.log"} <= names
        assert not [name for name in names if name.endswith(".tmp")]
        assert a_run.folder.name.endswith("Z-tiny")

    def test_a_summary_with_the_keys_that_were_promised(self, a_run: Run) -> None:
        keys = {
            "": "schema profile started_at duration_s target verdict sessions turns frames"
            " latency_ms from_schedule_ms disconnects violations errors generator slo",
            "verdict": "slo validity reasons exit_code",
            "sessions": "started completed peak_concurrent ended",
            "turns": "sent answered lost lost_ratio resent answered_twice",
            "frames": "sent received bytes_sent bytes_received",
            "disconnects": "forced unexpected reconnected gave_up events_lost events_duplicated",
            "generator": "workers loop_lag_ms schedule_delay_ms cpu_percent rss_mb",
        }
        for table, names in keys.items():
            found = a_run.summary[table] if table else a_run.summary
            # A later version may add keys; those that scripts rely on stay, in their order.
            assert " ".join(name for name in found if name in names.split()) == names
        assert " ".join(a_run.summary["sessions"]["ended"]) == (
            "user_end natural_end abandoned client_handoff failed cut_off"
        )
        for stats in a_run.summary["latency_ms"].values():
            assert " ".join(stats) == "count min mean p50 p90 p95 p99 p999 max"

    def test_a_figure_for_every_phase_that_happened_and_for_no_other(self, a_run: Run) -> None:
        happened = "response first_chunk chunk_gap thinking echo token create_session connect"
        happened += " history join greeting end"
        assert " ".join(a_run.summary["latency_ms"]) == happened

    def test_the_same_verdict_in_its_exit_code_its_last_words_and_its_markdown(
        self, a_run: Run
    ) -> None:
        assert a_run.ended.code == a_run.summary["verdict"]["exit_code"]
        word = "PASS" if a_run.ended.code == 0 else "INVALID"
        assert f"\n{word}  " in a_run.ended.output
        assert (a_run.folder / "summary.md").read_text().startswith(f"# {word}: tiny\n")

    def test_what_was_run_and_with_what(self, a_run: Run) -> None:
        told = json.loads((a_run.folder / "run.json").read_text())
        assert told["profile"]["load"]["seed"] == 7
        assert told["profile"]["question"] == "Does it work at all?"
        assert told["target"] == a_run.summary["target"]
        assert {"python", "loadkit", "locust"} <= set(told["versions"])

    def test_what_it_could_not_tell_said_before_the_load(self, a_run: Run) -> None:
        told = json.loads((a_run.folder / "run.json").read_text())
        (patience,) = told["warnings"]
        assert "conversation.patience (1m) is no shorter than those 6s" in patience
        assert f"warning: {patience}\n" in a_run.ended.output.partition("sessions ")[0]

    def test_no_token_anywhere(self, a_run: Run) -> None:
        assert any("locust" in line for line in a_run.command_lines)
        texts = {path.name: path.read_text() for path in a_run.folder.iterdir()}
        texts |= {"output": a_run.ended.output, "processes": "\n".join(a_run.command_lines)}
        for place, text in texts.items():
            assert TOKEN not in text, place
            assert not re.search(r"eyJ[\w-]+\.", text), place  # a JWT: in base64 alone is no dot


def test_without_a_host_the_simulator_is_started_and_stopped_with_the_run(tmp_path: Path) -> None:
    path = profile(tmp_path, seconds=2, warmup=0.5)
    command = [READY_BOTH, "run", path, "--workers", "1", "--out", tmp_path / "out"]
    with started(command, tmp_path) as process:  # and no secret is needed
        process.wait_for(
            lambda: any("simulate" in line for line in command_lines(process)), "simulating"
        )
        ended = process.finish()  # which looks for what is left
    told = summary(tmp_path / "out")
    assert ended.code == unless_busy(0, told), ended.output
    assert told["sessions"]["started"] >= 1
    shown = run([READY_LOADKIT, "report", results(tmp_path / "out")], tmp_path)
    word = "PASS " if ended.code == 0 else "INVALID "
    (verdict,) = [line for line in ended.output.splitlines() if line.startswith(word)]
    assert shown.code == ended.code
    assert [line for line in shown.output.splitlines() if line.startswith(word)] == [verdict]


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Run]]:
    """Two runs at once, each with a server of its own: the ends of runs in a crowd."""
    folder = tmp_path_factory.mktemp("two-workers")
    path = profile(folder, users=12, **ONE_SESSION_EACH)
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(simulators(folder, 2))
        outs = [folder / f"out-{number}" for number in range(2)]
        running = [
            stack.enter_context(started(as_run(path, server.url, out, workers=2), folder, SECRETS))
            for server, out in zip(servers, outs, strict=True)
        ]
        ended = [process.finish() for process in running]
        yield [
            Run(end, results(out), summary(out), server.stop(), frozenset())
            for end, out, server in zip(ended, outs, servers, strict=True)
        ]


def test_nothing_that_two_workers_measured_is_lost_at_the_end(two_workers: list[Run]) -> None:
    for each in two_workers:
        told, truth = each.summary, each.truth
        ended = told["sessions"]["ended"]
        assert told["generator"]["workers"] == 2, each.ended.output
        assert told["sessions"]["started"] == len(truth.of("session")) == 12
        assert sum(ended.values()) == len(truth.of("session_end")) == 12
        assert told["turns"]["sent"] == len(truth.of("turn"))
        assert told["latency_ms"]["response"]["count"] == told["turns"]["answered"]
        answered = len(truth.of("turn", outcome="answered"))
        assert told["turns"]["answered"] <= answered <= told["turns"]["sent"]
        received = sum(record["received"] for record in truth.of("socket_close"))
        assert told["frames"]["sent"] == received + 12
        reasons = told["verdict"]["reasons"]
        # A heartbeat may be late on a busy machine; a report may not.
        told_of = [text for text in reasons if "worker" in text[:30] and "heartbeat" not in text]
        assert not told_of


def test_locusts_own_command_runs_the_same_profile_to_the_verdicts_exit_code(
    tmp_path: Path,
) -> None:
    more = '[slo]\n"response.p50" = "1ms"\n"end.p99.9" = "5s"'
    path = profile(tmp_path, users=12, seconds=3, warmup=0.5, more=more)
    with simulator(tmp_path) as server:
        command = [LOCUST, "--headless", "--profile", path, "-H", server.url, *forked(1)]
        command += ["--out", tmp_path / "out", "--csv", tmp_path / "locust"]
        ended = run(command, tmp_path, SECRETS)
    told = summary(tmp_path / "out")
    code = unless_busy(1, told)
    assert ended.code == told["verdict"]["exit_code"] == code
    assert told["verdict"]["slo"] == "fail"
    assert told["turns"]["answered"] > 0
    assert TOKEN not in ended.output
    assert "eyJ" not in ended.output
    (doubt,) = re.findall(r"^warning: end p99.9: about (\d+) samples in .*$", ended.output, re.M)
    assert 0.5 < int(doubt) / told["latency_ms"]["end"]["count"] < 2  # of people in a great hurry
    assert any("end p99.9" in text and "as foreseen" in text for text in told["verdict"]["reasons"])

    shown = run([READY_LOADKIT, "report", results(tmp_path / "out")], tmp_path)
    assert shown.code == code
    assert shown.output.splitlines()[-1] in ended.output.splitlines()

    with (tmp_path / "locust_stats.csv").open(newline="") as file:
        rows = {row["Name"]: int(row["Request Count"]) for row in csv.DictReader(file)}
    assert rows["Aggregated"] == rows["response"] > 0  # the headline alone
    assert rows["echo"] > 0


LATE = """
import time

from gevent import monkey
from locust.runners import WorkerRunner

handle, sleep = WorkerRunner.handle_message, monkey.get_original("time", "sleep")


def late(self, message):
    if message.type == "ack":
        sleep(1.5)  # all of the process; its master goes on
    handle(self, message)


WorkerRunner.handle_message = late
"""


def test_a_worker_that_hears_of_the_run_before_it_is_ready_takes_part(tmp_path: Path) -> None:
    # Locust connects a worker to its master before it runs anybody's `init`.
    own = tmp_path / "late.py"
    own.write_text(LATE + (ROOT / "locustfile.py").read_text())
    path = profile(tmp_path)
    with simulator(tmp_path) as server:
        command = as_run(path, server.url, tmp_path / "out", locustfile=own)
        ended = run(command, tmp_path, SECRETS)
        truth = server.stop()
    told = summary(tmp_path / "out")
    assert told["turns"]["sent"] == len(truth.of("turn")) > 0, ended.output
    assert told["generator"]["workers_lost"] == told["generator"]["workers_refused"] == []
