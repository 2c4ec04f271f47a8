"""The run to come: what the options ask for, whether it may begin, and its folder."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from locust import User

from loadkit.errors import UsageError
from loadkit.flags import TYPED
from loadkit.network import DIRECT
from loadkit.readiness.foresight import Doubt
from loadkit.swarm import next_run
from loadkit.swarm.next_run import NextRun
from loadkit.swarm.worker.users import CompleteChat
from tests.swarm.doubles import CLOSED, OPEN, Master, environment, options

TARGET = "http://127.0.0.1:8100"


class World:
    """The next run of a process, and the options that it was started with."""

    def __init__(self, folder: Path, profile: str = CLOSED, **asked: Any) -> None:
        self.options = options(folder, profile, **asked)
        self.environment = environment(self.options)
        self.next = NextRun(self.environment, DIRECT, print)
        self.results = folder / "results"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestTheCommandThatRunsItAgain:
    def test_is_what_was_typed(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not what `loadkit` made of it for Locust; of Locust's own command it is that."""
        monkeypatch.setenv(TYPED, '["loadkit", "run", "my own.toml"]')
        assert world.next.again() == "loadkit run 'my own.toml'"
        monkeypatch.delenv(TYPED)
        monkeypatch.setattr("sys.argv", ["/usr/bin/locust", "--headless"])
        assert world.next.again() == "locust --headless"

    def test_is_what_a_form_says(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(TYPED, '["loadkit", "ui", "--port", "0"]')
        world.environment.host = TARGET
        world.options.profile, world.options.processes = "smoke", 2
        world.options.profile_overrides = ["load.seed=8"]
        again = f"loadkit run smoke --host {TARGET} --set load.seed=8 --workers 2"
        assert world.next.again() == again


class TestItsProfile:
    def test_is_read_again_only_when_another_is_asked_for(self, world: World) -> None:
        """A run keeps its profile though the file is gone."""
        first = world.next.profile()
        Path(world.options.profile).unlink()
        assert world.next.profile() is first
        world.options.profile_overrides = ["load.seed=8"]
        with pytest.raises(UsageError):
            world.next.profile()

    def test_is_that_of_a_search_where_there_is_to_be_one(self, tmp_path: Path) -> None:
        """Which begins at its own stages, and goes on for as long as it takes."""
        assert World(tmp_path, capacity=True).next.profile().load.duration_s > 1e6

    def test_lets_no_users_arrive_that_have_no_sessions(self, tmp_path: Path) -> None:
        world = World(tmp_path, OPEN)
        plain = type("CompleteChat", (User,), {"abstract": True})
        world.environment.user_classes = [plain]
        with pytest.raises(UsageError, match="is no subclass of ChatUser"):
            world.next.profile()

    def test_has_no_class_with_a_number_of_its_own(self, world: World) -> None:
        """Locust would pass over the mix by it."""
        fixed = type("Fixed", (CompleteChat,), {"fixed_count": 2})
        world.environment.user_classes = [CompleteChat, fixed]
        with pytest.raises(UsageError, match="class Fixed has a fixed_count"):
            world.next.profile()


class TestItsTarget:
    def test_is_one_that_was_named(self, world: World) -> None:
        """By the command line, not by whoever fills in a form."""
        world.next.permit(TARGET)
        with pytest.raises(UsageError):
            world.next.permit("http://elsewhere.example")

    def test_may_be_one_that_the_profile_allows(self, tmp_path: Path) -> None:
        world = World(tmp_path, 'allow_hosts = ["elsewhere.example"]\n' + CLOSED)
        world.next.permit("http://elsewhere.example")

    def test_is_refused_before_anything_is_sent_to_it(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Seen(monkeypatch)
        monkeypatch.setattr(next_run, "preflight", lambda *_: pytest.fail("it was asked"))
        with pytest.raises(UsageError, match="may not have the connector token"):
            world.next.check("http://elsewhere.example")


class Seen:
    """A target that is as it should be, and what was asked of this machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: dict[str, Any] = {}
        self.introductions = 0
        self.target = SimpleNamespace(addresses=["127.0.0.1"] * 3, way="by TLS")
        monkeypatch.setenv("POLY_CONNECTOR_TOKEN", "a-connector-token")
        monkeypatch.setenv("POLY_HOST_IDENTIFIER", "shop.example")
        monkeypatch.setattr(next_run, "preflight", lambda *_: self.target)
        monkeypatch.setattr(next_run, "introduced", self.introduce)
        monkeypatch.setattr(next_run.room, "check", self.check)

    def introduce(self, *_: Any) -> Mapping[str, Any]:
        self.introductions += 1
        return {"name": "an agent"}

    def check(self, load: Any, here: Any, workers: int | None, **more: Any) -> list[Doubt]:
        self.room = {"workers": workers, **more}
        return [Doubt(None, "it is narrow", "have more")]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    return Seen(monkeypatch)


class TestTheCheck:
    def test_tells_how_the_target_is_reached_and_what_is_too_small(
        self, world: World, seen: Seen
    ) -> None:
        assert world.next.way is None
        before = world.next.doubts()
        world.next.check(TARGET)
        assert world.next.way == "by TLS"  # type: ignore[comparison-overlap]
        assert [str(each) for each in world.next.doubts()] == [
            *map(str, before),
            "it is narrow; have more",
        ]

    @pytest.mark.parametrize(("processes", "workers"), [(2, 2), (None, None), (-1, 5)], ids=str)
    def test_of_the_room_is_for_the_processes_of_this_machine(
        self,
        world: World,
        seen: Seen,
        monkeypatch: pytest.MonkeyPatch,
        processes: int | None,
        workers: int | None,
    ) -> None:
        """A master without any has its workers elsewhere, and -1 is one a core."""
        monkeypatch.setattr(next_run.os, "cpu_count", lambda: 5)
        world.options.processes = processes
        Master(world.environment)
        world.next.check(TARGET)
        assert (seen.room["workers"], seen.room["addresses"]) == (workers, 3)

    def test_of_a_lone_process_is_for_one(self, world: World, seen: Seen) -> None:
        world.next.check(TARGET)
        assert seen.room["workers"] == 1

    @pytest.mark.parametrize("capacity", [False, True])
    def test_asks_whom_it_found_for_a_search_alone(
        self, tmp_path: Path, seen: Seen, capacity: bool
    ) -> None:
        """One that is gone on with has to be of the same."""
        World(tmp_path, capacity=capacity).next.check(TARGET)
        assert seen.introductions == capacity


class TestASearch:
    def test_is_there_only_where_it_is_asked_for(self, tmp_path: Path, world: World) -> None:
        assert world.next.adapter() is None
        world.options.capacity = True
        adapter = world.next.adapter()
        assert adapter is not None
        assert adapter.load == world.next.profile().load

    def test_cannot_go_on_where_none_is_asked_for(self, world: World) -> None:
        world.options.resume = "results/there"
        with pytest.raises(UsageError, match="add --capacity"):
            world.next.check(TARGET)

    def test_cannot_go_on_from_nothing(self, tmp_path: Path) -> None:
        """It is told before the target is asked anything."""
        world = World(tmp_path, capacity=True, resume=str(tmp_path / "nowhere"))
        with pytest.raises(UsageError, match="nowhere"):
            world.next.check(TARGET)


class TestItsFolder:
    def test_is_made_once_and_each_run_has_its_own(self, world: World) -> None:
        world.next.make_folder()
        first, second = world.next.take_folder(), world.next.take_folder()
        assert {each.path for each in (first, second)} == {*world.results.iterdir()}
        assert first.path != second.path

    @pytest.mark.parametrize("late", [False, True])
    def test_is_gone_again_where_there_is_no_run(self, world: World, late: bool) -> None:
        """A signal may come before there is one, too."""
        steps = [world.next.make_folder, world.next.withdraw]
        for step in reversed(steps) if late else steps:
            step()
        assert [*world.results.iterdir()] == []
        assert world.next.withdrawn
