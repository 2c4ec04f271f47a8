"""Whose fault an exception is, and what becomes of a user whose own code fails."""

import errno
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from locust.event import EventHook
from locust.exception import StopUser

import loadkit
from loadkit.swarm.worker import blame
from loadkit.swarm.worker.blame import Blame, OwnCodeError, own_frames, unmade_by

OURS = str(Path(loadkit.__file__).with_name("made_up.py"))


def ours(source: str) -> Callable[..., Any]:
    """A function as if it stood in this tool."""
    found: dict[str, Any] = {}
    exec(compile(f"def broken(call=None):\n    {source}", OURS, "exec"), found)
    made: Callable[..., Any] = found["broken"]
    return made


def caught(call: Callable[[], object]) -> BaseException:
    try:
        call()
    except BaseException as error:
        return error.with_traceback(error.__traceback__.tb_next if error.__traceback__ else None)
    raise AssertionError("nothing was raised")


class Told:
    """What a blame told to whom."""

    def __init__(self) -> None:
        self.own_code: list[str] = []
        self.faults: list[str] = []
        self.limits: list[str] = []
        self.blame = Blame(
            lambda text, trace: self.own_code.append(text),
            lambda text, trace: self.faults.append(text),
            lambda text, trace: self.limits.append(text),
        )


@pytest.fixture
def told() -> Told:
    return Told()


def mine() -> None:
    raise ValueError("boom")


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(errno.EMFILE, ""), OSError(errno.ENOMEM, "")]
)
def test_what_this_machine_has_no_room_for_is_no_fault_of_this_tool(
    told: Told, error: Exception
) -> None:
    told.blame.take(error)
    assert len(told.limits) == 1
    assert not told.faults


def test_what_the_users_code_raises_is_the_users(told: Told) -> None:
    """Also deep within this tool, which it called with nonsense."""
    told.blame.take(caught(mine), "Mine.plan")
    told.blame.take(caught(lambda: ours("call()")(mine)))
    first, second = told.own_code
    assert first.startswith("Mine.plan: ValueError: boom (test_blame.py:")
    assert "ValueError: boom (test_blame.py:" in second
    assert told.faults == []


def test_what_this_tool_raises_is_its_own_fault(told: Told) -> None:
    told.blame.take(caught(ours("return {}['x']")))
    told.blame.take(caught(ours("import json; json.loads('{')")))
    assert told.own_code == []
    assert told.faults[0] == "KeyError: 'x'"
    assert told.faults[1].startswith("JSONDecodeError")


def test_what_the_user_has_given_wrongly_is_the_users(told: Told) -> None:
    """Though it is this tool that has noticed."""
    error = caught(ours("raise call"))
    assert own_frames(error) == []
    told.blame.take(OwnCodeError("it returns 5: return a SessionKind"), "Mine.plan")
    assert told.own_code == ["Mine.plan: it returns 5: return a SessionKind"]


@pytest.fixture
def watching(told: Told, monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.setattr(EventHook, "fire", EventHook.fire)
    hub: Any = gevent.get_hub()
    monkeypatch.setattr(hub, "handle_error", hub.handle_error, raising=False)
    told.blame.watch_locust()
    return told


def test_a_listener_that_fails_is_told_and_the_others_are_called(watching: Told) -> None:
    hook, called = EventHook(), []
    hook.add_listener(ours("return {}['x']"))
    hook.add_listener(mine)
    hook.add_listener(lambda: called.append(True))
    hook.fire()
    assert (watching.faults, called) == (["KeyError: 'x'"], [True])
    assert watching.own_code[0].startswith("mine: ValueError: boom")


def test_a_listener_may_stop_its_user(watching: Told) -> None:
    def stop() -> None:
        raise StopUser

    hook = EventHook()
    hook.add_listener(stop)
    with pytest.raises(StopUser):
        hook.fire()
    assert (watching.own_code, watching.faults) == ([], [])


def test_a_greenlet_that_dies_is_told(watching: Told) -> None:
    """But for one that was killed, or that only passes on what a library of others raised."""
    gevent.spawn(ours("return {}['x']")).join()
    gevent.spawn(mine).join()
    killed = gevent.spawn(ours("import gevent; gevent.sleep(60)"))
    gevent.sleep(0)
    killed.kill()
    assert watching.faults == ["KeyError: 'x'"]
    assert len(watching.own_code) == 1


class Base:
    """Locust's user, as far as it is asked."""

    def __init__(self, environment: Any) -> None:
        self._greenlet = None

    def on_start(self) -> None: ...


@pytest.fixture
def user_error(told: Told, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., EventHook]]:
    """Watch classes; returns the event that Locust tells of a task's exception by."""
    monkeypatch.setattr(blame.gevent, "sleep", lambda seconds: None)
    logger = logging.getLogger("locust.user.task")
    before = logger.filters[:]

    def watch(*classes: Any) -> EventHook:
        events = SimpleNamespace(user_error=EventHook())
        told.blame.watch_users(SimpleNamespace(user_classes=classes, events=events), lambda: None)
        return events.user_error

    yield watch
    logger.filters[:] = before


def test_a_user_that_cannot_be_made_is_made_again_when_it_starts(
    told: Told, user_error: Callable[..., EventHook]
) -> None:
    """Nobody else's spawning ends with it, and what Locust keeps in it stays."""

    class Mine(Base):
        tries = 0

        def __init__(self, environment: Any) -> None:
            super().__init__(environment)
            Mine.tries += 1
            if Mine.tries < 3:
                raise ValueError("boom")
            self.made = True

    user_error(Mine)
    user: Any = Mine("environment")
    assert isinstance(unmade_by(user), ValueError)
    assert user.environment == "environment"
    user._greenlet = "running"
    user.on_start()
    assert (user.made, user._greenlet, unmade_by(user)) == (True, "running", None)
    assert [text.partition(" (")[0] for text in told.own_code] == [
        "Mine.__init__: ValueError: boom"
    ] * 2


@pytest.mark.parametrize("fails", [lambda: mine(), lambda: sys.exit(0)])
def test_a_user_that_cannot_start_tries_again(
    told: Told, user_error: Callable[..., EventHook], fails: Callable[[], None]
) -> None:
    class Mine(Base):
        tries = 0

        def on_start(self) -> None:
            self.tries += 1
            if self.tries < 3:
                fails()

    class Further(Mine):
        """Both are watched, and it is told once."""

        def on_start(self) -> None:
            super().on_start()

    user_error(Mine, Further)
    user = Further("environment")
    user.on_start()
    assert user.tries == 3
    assert len(told.own_code) == 2
    assert told.own_code[0].startswith("Further.on_start: ")


def test_a_task_that_fails_waits_longer_each_time(
    told: Told, user_error: Callable[..., EventHook], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locust would call it again at once, and log a traceback each time."""
    pauses: list[float] = []
    monkeypatch.setattr(blame.gevent, "sleep", pauses.append)
    event = user_error()
    user = SimpleNamespace(due=1.0)
    for _ in range(6):
        error = caught(mine)
        event.fire(user_instance=SimpleNamespace(user=user), exception=error, tb=None)
    assert pauses == [1, 2, 4, 8, 10, 10]
    assert user.due > 1.0  # it is not late for that
    assert told.own_code[0].startswith("SimpleNamespace.mine: ValueError: boom")
    log = logging.getLogger("locust.user.task")
    assert not log.filter(log.makeRecord("", logging.ERROR, "", 0, "a traceback", (), None))
