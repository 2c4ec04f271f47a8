"""Workers that come late, go, are killed, or cannot be let in; and nothing that is lost."""

import hashlib
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import pytest
import zmq
from fleet_of_workers import LOCUSTFILE, Fleet
from processes import (
    LOCUST,
    Finished,
    Truth,
    profile,
    simulator,
    summary,
    unless_busy,
)
from zmq.utils import z85

USERS = 24
RATE = 10  # new sessions a second
# Seconds before a worker's death of which nothing may be told; and after it, in which the server
# may still answer it.
REPORTED, NOTICED = 2.0, 1.0
CARRIED = 6  # rows without the dead, and with all of the load again, after which a run is stopped

# --- who comes, goes and dies -------------------------------------------------------------------


class Changes(NamedTuple):
    """A run whose third worker came late, and whose first was killed.

    Attributes:
        died: rows of the timeline that were whole when it was.
        died_at: the second of the run.
        killed: that moment on the clock of the server's log.
        until: rows that were whole when the run was stopped, well after the loss was known.
    """

    ended: Finished
    summary: dict[str, Any]
    rows: list[dict[str, str]]
    truth: Truth
    died: int
    died_at: float
    killed: float
    until: int


def three_are_settled(rows: list[dict[str, str]]) -> bool:
    """Whether three workers are there; where users are asked for, with nobody's on the way."""
    moving = any(row["asked_users"] and int(row["sessions_started"]) for row in rows)
    return [row["workers"] for row in rows] == ["3", "3"] and not moving


def with_changes(
    folder: Path, path: Path, is_back: Callable[[list[dict[str, str]]], bool]
) -> Changes:
    """Run a profile on two workers; a third comes later, and then the first is killed.

    Args:
        is_back: whether the last rows have all of the load; a busy machine takes its time.
    """
    with simulator(folder) as server, Fleet(folder, server.url, path, expected=2) as fleet:
        victim, _ = fleet.worker(), fleet.worker()
        fleet.wait_for_second(1)
        fleet.worker()
        fleet.master.wait_for(
            lambda: three_are_settled(fleet.rows()[-2:]), "the third came, and had its share"
        )
        rows = fleet.rows()
        died_at = time.time() - datetime.fromisoformat(rows[0]["utc"]).timestamp()
        killed = time.monotonic()
        victim.send(signal.SIGKILL)

        def carried() -> bool:
            last = fleet.rows()[-CARRIED:]
            return [row["workers"] for row in last] == ["2"] * CARRIED and is_back(last)

        fleet.master.wait_for(carried, "the others had carried on for a while, with all the load")
        until = len(fleet.rows())
        fleet.master.send(signal.SIGTERM)
        ended = fleet.master.finish()
        told, truth = summary(fleet.out), server.stop()
        return Changes(ended, told, fleet.rows(), truth, len(rows), died_at, killed, until)


def of_users(folder: Path) -> Changes:
    talkative = "{ min = 400, max = 400 }"
    path = profile(folder, users=USERS, seconds=600, turns=talkative, pause="10h")
    path.write_text(path.read_text().replace("time_scale = 0.02", "time_scale = 0.1"))
    return with_changes(folder, path, lambda last: column(last, "sessions_mean")[-1] > 0.95 * USERS)


def of_arrivals(folder: Path) -> Changes:
    path = profile(folder, turns="{ min = 2, max = 2 }")
    legs = ", ".join(f'{{ duration = "{s}s", arrivals_per_second = {RATE} }}' for s in (0, 600))
    load = f'model = "open"\narrivals = "uniform"\nstages = [{legs}]'
    path.write_text(re.sub("stages = .*", load, path.read_text()))
    # Both ends of the rows may be off by a moment.
    return with_changes(
        folder, path, lambda last: fmean(column(last, "sessions_started")) > 0.75 * RATE
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Any]]]:
    """All of this file at once, as they mostly wait, each with a server of its own."""
    with ThreadPoolExecutor() as pool:
        yield {
            each.__name__: pool.submit(each, tmp_path_factory.mktemp(each.__name__))
            for each in (of_users, of_arrivals, refused, told_to_go)
        }


@pytest.fixture
def closed(runs: dict[str, Future[Changes]]) -> Changes:
    return runs["of_users"].result()


@pytest.fixture
def opened(runs: dict[str, Future[Changes]]) -> Changes:
    return runs["of_arrivals"].result()


@pytest.fixture(params=["of_users", "of_arrivals"])
def changes(request: pytest.FixtureRequest, runs: dict[str, Future[Changes]]) -> Changes:
    return runs[request.param].result()


def column(rows: list[dict[str, str]], name: str) -> list[float]:
    return [float(row[name] or 0) for row in rows]


class TestWhenWorkersChange:
    def test_the_run_goes_on(self, changes: Changes) -> None:
        """A worker's death ends nobody else's run; it is the test that stops it."""
        assert changes.ended.code == 143, changes.ended.output
        assert changes.summary["stopped_early"].endswith(", by SIGTERM"), changes.ended.output

    def test_the_loss_is_stated_by_name(self, changes: Changes) -> None:
        """The summary says who went away, when, and with how many sessions; the run is suspect."""
        (lost,) = changes.summary["generator"]["workers_lost"]
        assert lost["worker"]
        assert changes.died_at <= lost["at_s"] <= changes.died_at + 10
        assert lost["sessions_live"] > 0
        assert changes.summary["verdict"]["validity"] != "valid"
        assert any(lost["worker"] in reason for reason in changes.summary["verdict"]["reasons"])

    def test_the_loss_is_an_incident_by_name(self, changes: Changes) -> None:
        """With the time until the others carried its load."""
        (lost,) = changes.summary["generator"]["workers_lost"]
        found = [one for one in changes.summary["incidents"] if one["workers_gone"]]
        (incident,) = [one for one in found if lost["worker"] in one["workers_gone"]]
        # Whole rows; on a busy machine one may be open already.
        assert incident["begin_s"] <= lost["at_s"]
        assert incident["end_s"] is None or incident["end_s"] >= changes.died_at - 1
        # There is none where the run was too young to know what load is usual.
        assert incident["end_s"] is None or incident.get("load_back_s", 0.0) is not None

    def test_what_the_dead_had_reported_counts(self, changes: Changes) -> None:
        """At most the sessions and turns of its last seconds are missing."""
        told = changes.summary
        for kind, at, count in (
            ("session", "at", told["latency_ms"]["create_session"]["count"]),
            ("turn", "received", told["turns"]["sent"]),
        ):
            moments = [record[at] - changes.killed for record in changes.truth.of(kind)]
            unsure = sum(-REPORTED < moment < NOTICED for moment in moments)
            assert len(moments) - unsure <= count <= len(moments)

    def test_the_latecomer_gets_its_share_of_the_users(self, closed: Changes) -> None:
        """A third of the sessions move, in order; the other workers' go on."""
        cut_off = column(closed.rows, "ended_cut_off")
        moved = sum(cut_off[: closed.died])
        assert moved == USERS // 3

    def test_the_survivors_go_on_and_take_over_the_users_of_the_dead(self, closed: Changes) -> None:
        """Nobody is cut off after the death until the end; the run waits for the load's return."""
        after = closed.rows[closed.died + 1 : closed.until]
        assert sum(column(after, "ended_cut_off")) == 0
        assert min(column(after, "sessions_mean")) > USERS / 2  # never from zero

    def test_every_arrival_is_let_in_again_soon_after_the_death(self, opened: Changes) -> None:
        """The survivors get the slots of the dead, and none twice."""
        arrivals = opened.summary["arrivals"]
        due = sum(column(opened.rows, "arrivals_due"))
        assert due <= arrivals["asked"]
        # Nor more often: those that a busy machine kept back have come, too, by then.
        started = column(opened.rows[: opened.until], "sessions_started")
        assert sum(started) <= arrivals["asked"]
        before = [float(record["at"]) for record in opened.truth.of("session")]
        assert len(before) == len(set(before))


# --- who is not let in --------------------------------------------------------------------------


KEY = "a text that nobody else knows"
NOT_OURS = "whoever wants to join as a worker does not run loadkit's locustfile"


def say_nonsense(port: int) -> None:
    """Throw at a master's port what ends Locust's listener: first without the key, then with it."""
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(1000))
    with zmq.Context() as context:  # leaves when what is below is delivered, or half a second later
        for key in (None, KEY):
            sock = context.socket(zmq.DEALER)
            sock.linger = 500
            if key is not None:
                salt = b"loadkit: the port of the workers"
                secret = hashlib.scrypt(key.encode(), salt=salt, n=16384, r=8, p=1, dklen=32)
                sock.curve_serverkey = zmq.curve_public(z85.encode(secret))
                sock.curve_publickey, sock.curve_secretkey = zmq.curve_keypair()
            sock.connect(f"tcp://127.0.0.1:{port}")
            for nonsense in (b"", b"\xc1", b"\x91\x01"):
                with suppress(zmq.Again):  # it was turned away already
                    sock.send(nonsense, zmq.NOBLOCK)
            sock.close()


def refused(folder: Path) -> dict[str, Any]:
    path = profile(folder, users=8, seconds=600)
    other = profile(folder, name="other", users=8, seconds=600)
    (folder / "elsewhere").mkdir()
    edited = profile(folder / "elsewhere", users=8, seconds=600, pause="700ms")
    old = folder / "old.py"
    old.write_text(f'import loadkit\nloadkit.__version__ = "0.0.9"\n{LOCUSTFILE.read_text()}')
    lacking = folder / "lacking.py"
    lacking.write_text(LOCUSTFILE.read_text() + "\ndel StreamingChat\n")
    plain = folder / "plain.py"
    plain.write_text(
        "from locust import User, task\n"
        "class CompleteChat(User):\n    @task\n    def nothing(self):\n        pass\n"
    )
    with (
        simulator(folder) as server,
        Fleet(folder, server.url, path, expected=1, key=KEY) as fleet,
    ):
        fleet.worker()
        fleet.wait_for_second(0)
        say_nonsense(fleet.port)
        fleet.worker(locustfile=plain)  # Locust's own, which tries for five minutes
        workers = {
            "old": fleet.worker(locustfile=old, locust=LOCUST),  # before loadkit is imported
            "other": fleet.worker("--profile", other),
            "edited": fleet.worker("--profile", edited),
            "lacking": fleet.worker(locustfile=lacking),
            "stranger": fleet.worker(LOADKIT_WORKER_KEY="some other text that is long enough"),
        }
        same = fleet.worker("--profile", path)
        ended = {name: worker.finish() for name, worker in workers.items()}
        # It goes on until each of them has been answered, whenever that is.
        fleet.master.wait_for(
            lambda: fleet.rows() and fleet.rows()[-1]["workers"] == "2", "it took one more"
        )
        # A stranger may be the first of the two to hang up: of that libzmq says nothing to the
        # master. So some more come.
        fleet.master.wait_for(
            lambda: NOT_OURS in fleet.master.output or say_nonsense(fleet.port), "it told of them"
        )
        fleet.master.send(signal.SIGTERM)
        master = fleet.master.finish()
        return {
            **ended,
            "same": same.finish(),
            "master": master,
            "summary": summary(fleet.out),
        }


@pytest.fixture
def fleet(runs: dict[str, Future[dict[str, Any]]]) -> dict[str, Any]:
    return runs["refused"].result()


class TestAWorkerThatCannotTakePart:
    @pytest.mark.parametrize(
        ("who", "says"),
        [
            ("old", "runs loadkit 0.0.9, the master"),
            ("other", "was started with the profile 'other', this run's is 'tiny'"),
            ("edited", "was started with another 'tiny' (it differs in conversation.pause)"),
            ("lacking", "has no user class StreamingChat"),
        ],
    )
    def test_is_told_why_and_how_to_mend_it(
        self, fleet: dict[str, Any], who: str, says: str
    ) -> None:
        """It ends with exit code 2 and the reason, and the master says the same."""
        assert fleet[who].code == 2, fleet[who].output
        assert says in fleet[who].output
        assert says in fleet["master"].output

    def test_is_not_even_heard_where_it_lacks_the_key(self, fleet: dict[str, Any]) -> None:
        """Nor one with somebody else's locustfile, nor whoever else finds the port."""
        stranger, master = fleet["stranger"], fleet["master"]
        assert stranger.code == 2, stranger.output
        assert "set LOADKIT_WORKER_KEY to the text that it has there" in stranger.output
        assert NOT_OURS in master.output
        assert "cannot be read and is left out" in master.output  # of one that has the key

    def test_may_be_started_with_the_same_profile(self, fleet: dict[str, Any]) -> None:
        """What is refused is a difference, not the option."""
        assert fleet["same"].code == 0, fleet["same"].output

    def test_is_named_in_the_summary(self, fleet: dict[str, Any]) -> None:
        """The run goes on without them, and says so."""
        assert len(fleet["summary"]["generator"]["workers_refused"]) == 4
        reasons = " ".join(fleet["summary"]["verdict"]["reasons"])
        assert "4 workers not let in" in reasons
        assert fleet["summary"]["generator"]["workers_lost"] == []
        assert fleet["master"].code == 143, fleet["master"].output


def told_to_go(folder: Path) -> tuple[Finished, dict[str, Any], Truth]:
    path = profile(folder, users=8, seconds=9, turns="{ min = 400, max = 400 }", pause="10h")
    with simulator(folder) as server, Fleet(folder, server.url, path, expected=2) as fleet:
        goer, _ = fleet.worker(), fleet.worker()
        fleet.wait_for_second(2)
        goer.send(signal.SIGTERM)
        goer.finish()
        return fleet.master.finish(), summary(fleet.out), server.stop()


def test_a_worker_that_is_told_to_go_hands_over_all_it_has(runs: dict[str, Future[Any]]) -> None:
    """SIGTERM to one worker in mid-run: its figures are whole, and it is no loss."""
    ended, told, truth = runs["told_to_go"].result()
    assert ended.code == unless_busy(0, told)
    assert told["generator"]["workers_lost"] == []
    assert told["turns"]["sent"] == len(truth.of("turn"))
    # One that begins as its worker goes may not have come as far as the server.
    assert 0 <= told["sessions"]["started"] - len(truth.of("session")) <= 8
    assert sum(told["sessions"]["ended"].values()) == told["sessions"]["started"]
