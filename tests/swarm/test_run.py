"""One run, from its first second to its summary: fed by hand, on a clock that stands still."""

import errno
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from loadkit.errors import Failure, UsageError
from loadkit.figures import Count, Phase
from loadkit.measure.recorder import Recorder
from loadkit.profile.profile import load_profile
from loadkit.profile.tables import Load
from loadkit.readiness.foresight import Doubt
from loadkit.results.rebuild import rebuild
from loadkit.swarm.run import Run
from loadkit.swarm.run_files import RunFiles
from loadkit.swarm.workers.membership import Membership
from loadkit.verdict.run_facts import Loss
from tests.capacity.searches import found

PROFILE = """[load]
stages = [{ duration = "0s", users = 4 }, { duration = "20s", users = 4 }]
warmup = "5s"
[mix]
CompleteChat = 1
[slo]
"response.p50" = "1s"
[abort]
grace = "3s"
"""
TARGET = "http://127.0.0.1:8100"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class World:
    """A run of `PROFILE` and one worker's records."""

    def __init__(self, folder: Path, *, strict: bool = False, doubts: Sequence[Doubt] = ()) -> None:
        path = folder / "tiny.toml"
        path.write_text(PROFILE)
        self.folder, self.clock, self.paused = folder / "results", Clock(), 0
        self.folder.mkdir()
        self.run = Run(
            load_profile(str(path)),
            TARGET,
            RunFiles(self.folder),
            strict=strict,
            pause=self._pause,
            doubts=doubts,
            clock=self.clock,
        )
        self.run.begin()
        self.recorder = Recorder(clock=self.clock)
        self.sent = 0

    def _pause(self) -> None:
        self.paused += 1

    def at(self, second: float) -> None:
        self.clock.now = 100.0 + second

    def report(self, second: float, *answers: float, live: int = 4) -> dict[str, Any]:
        """The worker's report of so many turns, each of which took so many seconds."""
        for took in answers:
            self.recorder.session_started()
            self.recorder.sample(Phase.RESPONSE, None, second - took, second)
            self.recorder.count(Count.TURNS_SENT)
            self.recorder.count(Count.TURNS_ANSWERED)
        self.at(second)
        self.sent += 1
        interval = self.recorder.take(self.clock.now)
        self.run.add("worker", self.sent, interval)
        return interval

    def written(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / name).read_text())
        return found


class TestItsEnd:
    def told(self, world: World) -> dict[str, Any]:
        world.run.conclude(Membership(), [])
        return world.written("summary.json")

    def test_in_its_time_is_no_stop(self, world: World) -> None:
        """Whoever stops it while it drains has not cut its load short."""
        world.report(6.0, *[0.25] * 10)
        world.at(19.95)
        world.run.end()
        world.run.stopped_by("SIGTERM")
        told = self.told(world)
        assert told["stopped_early"] is None
        assert told["verdict"] == {**told["verdict"], "validity": "valid", "exit_code": 0}

    @pytest.mark.parametrize("by", ["Ctrl-C (SIGINT)", "Stop in the web UI", None])
    def test_before_its_time_is_no_pass(self, world: World, by: str | None) -> None:
        """Not even where nobody has said what ended it."""
        world.report(6.0, *[0.25] * 10)
        if by is not None:
            world.run.stopped_by(by)
            world.run.stopped_by("somebody who came later")
        world.at(19.0)
        world.run.end()
        told = self.told(world)
        assert told["stopped_early"].startswith(f"after 19 of 20 s, by {by or 'Locust'}")
        assert told["verdict"]["exit_code"] == 3
        assert told["verdict"]["validity"] == "invalid"
        assert told["verdict"]["reasons"][0].startswith("stopped early: after 19 of 20 s")
        assert (world.folder / "summary.md").read_text().startswith("# INVALID: tiny")
        assert '<failure type="stopped early"' in (world.folder / "junit.xml").read_text()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    if made.run.summary is None:  # its files are still open
        made.run.conclude(None, [])


def test_its_summary_is_of_what_the_workers_measured(world: World) -> None:
    """And says for how long, and against whom."""
    world.report(6.0, 0.25, 0.5, 0.75)
    world.run.tick(6.0, 4, Membership())
    world.at(7.5)
    world.run.end()
    world.at(9.0)  # what is handed over after the end makes it no longer
    world.run.conclude(Membership(), [])
    assert world.run.summary is not None
    assert world.run.unwritten is None
    told = world.written("summary.json")
    assert (told["target"], told["duration_s"], told["profile"]) == (TARGET, 7.5, "tiny")
    assert told["turns"]["answered"] == told["latency_ms"]["response"]["count"] == 3
    assert (
        told["started_at"] == world.written("run.json")["started_at"] == world.run.name[:19] + "Z"
    )


@pytest.mark.parametrize("strict", [False, True])
def test_what_was_foreseen_stands_in_its_files(tmp_path: Path, strict: bool) -> None:
    """And where an objective is undecided, the reason says what it would take."""
    short = Doubt("response.p50", "about 3 samples in the 15s measured", "have 9 users")
    hangs = Doubt(None, "a turn that hangs cannot be lost", "set conversation.patience to 5s")
    world = World(tmp_path, strict=strict, doubts=[hangs, short])
    world.report(6.0, 0.25, 0.5)
    world.at(20.0)
    world.run.conclude(Membership(), [])
    assert world.written("run.json")["warnings"] == [
        "a turn that hangs cannot be lost; set conversation.patience to 5s",
        "response p50: about 3 samples in the 15s measured; have 9 users",
    ]
    reasons = world.written("summary.json")["verdict"]["reasons"]
    told = "SLO undecided: response p50: too few samples (2 of 7)"
    told += ", and --strict" if strict else ""
    assert f"{told}, as foreseen; have 9 users" in reasons


def test_a_doubt_that_did_not_come_true_is_no_reason(tmp_path: Path) -> None:
    world = World(tmp_path, doubts=[Doubt("response.p50", "about 3 samples", "have 9 users")])
    world.report(6.0, *[0.25] * 7)
    world.at(20.0)
    world.run.conclude(Membership(), [])
    assert "as foreseen" not in json.dumps(world.written("summary.json"))


def test_a_report_that_comes_twice_counts_once(world: World) -> None:
    interval = world.report(6.0, 0.25)
    assert not world.run.add("worker", world.sent, interval)
    assert world.run.ledger.counts[Count.TURNS_ANSWERED] == 1


def test_a_report_after_the_end_writes_no_file(world: World) -> None:
    """It is too late for the journal, which is deleted, and for the summary."""
    world.report(6.0, 0.25)
    world.run.conclude(Membership(), [])
    before = {path.name: path.read_bytes() for path in world.folder.iterdir()}
    world.report(7.0, 0.25)
    assert {path.name: path.read_bytes() for path in world.folder.iterdir()} == before


def test_it_stands_in_its_files_as_of_its_last_look(world: World) -> None:
    """Which is all that is left of it when its process is killed."""
    world.report(6.0, 0.25, 0.5)
    world.run.tick(6.0, 4, Membership())
    left = Path(shutil.copytree(world.folder, world.folder.with_name("left")))
    found = rebuild(left, [])
    assert found.cut is not None
    assert found.turns["answered"] == 2


def test_seconds_belong_to_it_though_it_ends_while_they_are_written(world: World) -> None:
    """To write gives way, as to whoever ends it then."""
    world.report(6.0, 0.25)

    def ended(*told: Any) -> None:
        world.run.end()
        world.run.conclude(Membership(), [])

    world.run.folder.write_second = ended  # type: ignore[method-assign]
    world.run.tick(6.0, 4, Membership())
    assert len(world.written("summary.json")["load"]["points"]) >= 5


def test_what_a_worker_says_of_itself_stays_until_it_says_something_else(world: World) -> None:
    world.recorder.gauge("cpu_percent", 30.0)
    world.report(1.0)
    first = dict(world.run.generator["worker"])
    world.report(2.0)
    assert first.items() <= world.run.generator["worker"].items()


def test_lost_workers_are_in_the_summary(world: World) -> None:
    world.run.conclude(Membership(), [Loss("w2", 3.5, 7)])
    told = world.written("summary.json")["generator"]["workers_lost"]
    assert told == [{"worker": "w2", "at_s": 3.5, "sessions_live": 7}]


class TestAnObjective:
    def hopeless(self, world: World, took: float, seconds: Callable[[int], bool]) -> list[int]:
        """The seconds at which the run is found to be hopeless."""
        found = []
        for second in range(1, 15):
            if seconds(second):
                world.report(float(second), *[took] * 20)
            if world.run.is_hopeless(float(second)):
                found.append(second)
        return found

    def test_that_stays_broken_makes_a_run_hopeless_once(self, world: World) -> None:
        """After the warm-up and the grace; and the summary says why it ended."""
        assert self.hopeless(world, 2.0, lambda second: True) == [8]
        world.run.conclude(Membership(), [])
        told = world.written("summary.json")
        assert "ended after 8 s: response p50" in told["stopped_early"]
        assert told["verdict"]["exit_code"] == 1

    def test_that_is_kept_never_does(self, world: World) -> None:
        assert self.hopeless(world, 0.5, lambda second: True) == []

    def test_is_looked_at_with_a_pause_after_each(self, world: World) -> None:
        """A lone process also loads."""
        before = world.paused
        world.run.is_hopeless(6.0)
        assert world.paused == before + 1


def test_what_cannot_be_written_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise UsageError("cannot write summary.json") from OSError(errno.EACCES, "denied")

    monkeypatch.setattr("loadkit.swarm.run.write", full)
    world.run.conclude(Membership(), [])
    assert world.run.unwritten == "cannot write summary.json"
    assert world.run.summary is not None


def test_failures_come_with_their_examples(world: World) -> None:
    world.recorder.fail(Failure.UNANSWERED, "no answer within 30 s")
    world.report(6.0, 0.25)
    world.run.conclude(Membership(), [])
    assert world.written("summary.json")["errors"] == {"unanswered": 1}
    assert "no answer within 30 s" in json.dumps(world.written("run.json")["examples"])


class Search:
    """A capacity search that has come to an end."""

    state, load = "measuring", Load.model_validate({"stages": [{"duration": "9s", "users": 4}]})

    def __init__(self, exit_code: int) -> None:
        self.found = {**found(), "sentence": "It holds 400.", "exit_code": exit_code}
        self.lost: list[Loss] = []

    def begin(self, folder: Path, head: Callable[[], dict[str, Any]]) -> None:
        self.folder, self.head = folder, head

    def advance(self, now: float, rows: Any, users: int, lost: list[Loss]) -> None:
        self.lost = lost

    def outcome(self) -> dict[str, Any]:
        return self.found


class TestACapacitySearch:
    def test_is_what_the_run_comes_to(self, world: World) -> None:
        """Its sentence and its exit code in place of objectives, which it has looked at itself."""
        search: Any = Search(exit_code=0)
        world.run.search(search)
        world.report(6.0, *[2.0] * 20)  # far over the objective
        world.at(9.0)
        world.run.conclude(Membership(), [])
        told = world.written("summary.json")["verdict"]
        assert (told["exit_code"], told["reasons"]) == (0, ["capacity search: It holds 400."])
        assert world.written("capacity.json")["sentence"] == "It holds 400."
        assert "This deployment holds 412" in (world.folder / "summary.md").read_text()

    def test_of_a_tool_at_fault_is_worth_nothing(self, world: World) -> None:
        search: Any = Search(exit_code=0)
        world.run.search(search)
        world.run.fault = "KeyError: 'x'"
        world.run.conclude(Membership(), [])
        assert world.written("summary.json")["verdict"]["exit_code"] == 70

    def test_hears_each_second_who_was_lost(self, world: World) -> None:
        """A step in which a worker went away shows nothing of the target."""
        search: Any = Search(exit_code=0)
        world.run.search(search)
        membership = Membership()
        membership.lost["w2"] = loss = Loss("w2", 3.5, 7)
        world.run.tick(4.0, 4, membership)
        assert search.lost == [loss]
        assert (search.folder, search.head()["target"]) == (world.folder, TARGET)
