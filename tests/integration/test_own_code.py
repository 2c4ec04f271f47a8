"""What breaks in the user's own code is told as that, and what breaks in this tool as that."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from processes import (
    READY_BOTH,
    SECRETS,
    Finished,
    Simulator,
    as_run,
    profile,
    results,
    run,
)

import loadkit
from loadkit.results.run_folder import load_summary

HEAD = """
import sys
import loadkit
from locust import User, events, task
from loadkit.swarm import ChatUser, CompleteChat, ProfileShape, add_options, install
events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(install)


def ours(source):
    found = {}
    file = loadkit.__path__[0] + "/made_up.py"
    exec(compile("def broken(*_, **__):\\n    " + source, file, "exec"), found)
    return found["broken"]


class BadPlan(ChatUser):
    def plan(self):
        raise ValueError(f"boom {id(self)}")


class BadStart(ChatUser):
    def on_start(self):
        raise ValueError("boom")


class BadInit(ChatUser):
    def __init__(self, environment):
        raise ValueError("boom")


class Quits(ChatUser):
    def plan(self):
        sys.exit(0)


class Plain(User):
    @task
    def go(self):
        raise ValueError("boom")
"""
FIXED = "class Fixed(CompleteChat):\n    fixed_count = 2"
LONG = 12  # seconds
ALL = ("BadPlan", "BadStart", "BadInit", "Quits", "Plain")
BREAKS = {
    "at the start": "sys.modules['loadkit.swarm.install'].RunController = ours('return {}[0]')",
    "as the run begins": "from loadkit.swarm.run_controller import RunController\n"
    "RunController.start = ours('return {}[0]')",
    "on a worker": "from loadkit.swarm.worker.worker import Worker\n"
    "Worker._report = ours('return {}[0]')",
    "at the end": "from loadkit.swarm.run_controller import RunController\n"
    "RunController._conclude = ours('return {}[0]')",
}


class Ended(NamedTuple):
    ended: Finished
    out: Path

    @property
    def told(self) -> Any:
        return load_summary(results(self.out))


def attempt(
    folder: Path,
    url: str,
    mix: str,
    more: str = "",
    *,
    load: str = "",
    seconds: float = 4,
    whole: bool = False,
) -> Ended:
    """A run of these classes: of the Locust that `loadkit run` starts, or the `whole` of that."""
    folder.mkdir()
    own, out = folder / "mine.py", folder / "out"
    own.write_text(f"{HEAD}{more}\n")
    path = profile(folder, users=12, seconds=seconds)
    text = re.sub(r"CompleteChat = 50\nStreamingChat = 50", mix, path.read_text())
    path.write_text(re.sub("stages = .*", load, text) if load else text)
    command = as_run(path, url, out, locustfile=own)
    if whole:
        command = [READY_BOTH, "run", path, "--locustfile", own, "--host", url, "--workers", "1"]
        command += ["--out", out]
    return Ended(run(command, folder, SECRETS), out)


@pytest.fixture(scope="module")
def ended(server: Simulator, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    folder, url = tmp_path_factory.mktemp("runs"), server.url
    arriving = (
        'model = "open"\nstages = [{ duration = "0s", arrivals_per_second = 20 }, '
        '{ duration = "20s", arrivals_per_second = 20 }]'
    )
    mixed = "\n".join(f"{name} = 1" for name in (*ALL, "CompleteChat"))
    cases: dict[str, Callable[[Path], Ended]] = {
        "mixed": lambda own: attempt(own, url, mixed, seconds=6, whole=True),
        "nobody": lambda own: attempt(own, url, "BadPlan = 1\nBadInit = 1", load=arriving),
        "plain arrivals": lambda own: attempt(own, url, "Plain = 1", load=arriving),
        "fixed": lambda own: attempt(own, url, "CompleteChat = 1", FIXED),
        "unreadable": lambda own: attempt(
            own, url, "CompleteChat = 1", "import no_such_thing", whole=True
        ),
    }
    for name, more in BREAKS.items():
        seconds = LONG if name == "on a worker" else 1  # which has to end it
        cases[name] = lambda own, more=more, seconds=seconds: attempt(  # type: ignore[misc]
            own, url, "CompleteChat = 1", more, seconds=seconds
        )
    with ThreadPoolExecutor(4) as pool:
        found = {name: pool.submit(case, folder / name) for name, case in cases.items()}
        return {name: each.result() for name, each in found.items()}


def test_broken_classes_do_not_keep_the_others_from_their_sessions(
    ended: dict[str, Ended],
) -> None:
    """And are no pass: what they were to do was not asked of the target."""
    run, told = ended["mixed"].ended, ended["mixed"].told
    assert run.code == told.verdict.exit_code == 3, run.output
    assert told.verdict.validity == "invalid"
    assert told.sessions["started"] > 1
    assert told.stopped_early is None


def test_each_failure_is_named_once_with_its_traceback(ended: dict[str, Ended]) -> None:
    """In the log, in the summary and in the verdict; and is counted, and paced."""
    case = ended["mixed"]
    told, log = case.told, (results(case.out) / "loadkit.log").read_text()
    where = {"BadPlan.plan", "BadStart.on_start", "BadInit.__init__", "Quits.plan", "Plain.go"}
    assert {text.partition(":")[0] for text in told.own_code} == where
    assert told.verdict.reasons[0].text.startswith("your own code failed (")
    for name in where:
        assert name in told.verdict.reasons[0].text
        assert log.count(f"told once: {name}") == 1
    assert 'raise ValueError(f"boom {id(self)}")' in log
    assert 10 < told.errors["own_code"] < 200
    assert case.ended.output.count("\n") < 300


def test_where_nobody_could_start_the_run_ends_with_2(ended: dict[str, Ended]) -> None:
    run, told = ended["nobody"].ended, ended["nobody"].told
    assert run.code == told.verdict.exit_code == 2, run.output
    assert told.duration_s < 15
    assert told.sessions["started"] == 0
    assert "nobody could start" in told.stopped_early
    assert {text.partition(":")[0] for text in told.own_code} == {
        "BadPlan.plan",
        "BadInit.__init__",
    }


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("plain arrivals", "[mix] Plain is no subclass of ChatUser"),
        ("fixed", "the user class Fixed has a fixed_count"),
        ("unreadable", "No module named 'no_such_thing'"),
    ],
)
def test_what_cannot_work_is_refused_before_any_load(
    ended: dict[str, Ended], name: str, says: str
) -> None:
    run, out = ended[name]
    assert run.code == 2, run.output
    assert says in run.output
    assert not list(out.glob("*/summary.json"))


@pytest.mark.parametrize("name", BREAKS)
def test_a_fault_of_this_tool_ends_it_all_with_70(ended: dict[str, Ended], name: str) -> None:
    """It says so with its traceback, once, and is nobody else's."""
    run = ended[name].ended
    assert run.code == 70, run.output
    assert run.output.count("a fault of loadkit itself, please report it with this traceback") == 1
    assert f'File "{Path(loadkit.__file__).with_name("made_up.py")}"' in run.output
    assert "KeyError: 0" in run.output
    if name == "on a worker":
        told = ended[name].told
        assert (told.verdict.validity, told.verdict.exit_code) == ("invalid", 70)
        assert told.duration_s < LONG
