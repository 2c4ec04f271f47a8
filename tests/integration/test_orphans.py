"""Nothing that loadkit has started goes on without it, and a hang-up ends a run in order."""

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import psutil
import pytest
from processes import (
    LOADKIT,
    PATIENCE,
    READY_BOTH,
    READY_LOADKIT,
    ROOT,
    SECRETS,
    Started,
    as_run,
    free_port,
    profile,
    results,
    simulator,
    started,
    summary,
    timeline,
)

from loadkit.results.rebuild import needed, rebuild
from loadkit.results.run_folder import load_summary

ALONE = 5.0  # seconds that anything may go on without the process that has started it
ORDERLY = 10.0  # seconds from a signal to the end in order
LOOKS = 0.3  # seconds between two looks at who is left
DEAF = "run, told to ignore hang-ups"
TERMINAL = "import pty, sys; pty.spawn(sys.argv[1:])"
MUCH = """

@events.init.add_listener
def say_much(environment, runner, **_):
    def more(data, **_):
        if runner.state not in ("ready", "spawning", "running"):
            data["more"] = bytes(8_000_000)

    environment.events.report_to_master.add_listener(more)
"""


class Scene(NamedTuple):
    """What is started, when something happens to it, and what.

    Attributes:
        command: of a profile, the folder for its results, and a target's URL.
        ready: whether it is time, by that folder and the process.
        then: what happens.
        within: seconds until nothing is left.
        lasts: seconds that a run of it would.
    """

    command: Callable[[Path, Path, str], list[Any]]
    ready: Callable[[Path, Started], Any]
    then: Callable[[Started], None]
    within: float = ALONE
    lasts: float = 600


def run(path: Path, out: Path, _: str) -> list[Any]:
    return [READY_BOTH, "run", path, "--workers", "1", "--out", out]


def parent(path: Path, out: Path, url: str) -> list[Any]:
    """The same, whose Locust is its child."""
    return [READY_LOADKIT, *run(path, out, url)[1:]]


def typed(path: Path, out: Path, url: str) -> list[Any]:
    """The same, for what has to start it itself."""
    return [LOADKIT, *run(path, out, url)[1:]]


def locust(path: Path, out: Path, url: str) -> list[Any]:
    return as_run(path, url, out, workers=2)


def talkative(path: Path, out: Path, url: str) -> list[Any]:
    """The same, whose workers have much to say before their last word: it is still on its way when
    they end.
    """
    own = path.parents[1] / "talkative.py"  # Locust takes a comma for the end of a path
    own.write_text((ROOT / "locustfile.py").read_text() + MUCH)
    return as_run(path, url, out, workers=2, locustfile=own)


def ui(path: Path, out: Path, _: str) -> list[Any]:
    port = free_port()
    (out.parent / "port").write_text(str(port))
    return [READY_BOTH, "ui", path, "--workers", "1", "--out", out, "--port", str(port)]


def loads(out: Path, _: Started) -> bool:
    rows = timeline(out)
    return len(rows) >= 2 and any(int(row["turns_sent"]) for row in rows)


def serves(out: Path, _: Started) -> bool:
    with (
        contextlib.suppress(OSError),
        urlopen(f"http://127.0.0.1:{(out.parent / 'port').read_text()}/"),
    ):
        return True
    return False


def has_forked(_: Path, process: Started) -> bool:
    return len(process.family()) > 1


def sends(number: signal.Signals) -> Callable[[Started], None]:
    return lambda process: process.send(number)


def master_of(process: Started) -> psutil.Process:
    """Whoever has a child, besides the command itself."""
    family = process.family()
    parents = {each.ppid() for each in family} - {process.group}
    (master,) = (each for each in family if each.pid in parents)
    return master


def kills_the_master(process: Started) -> None:
    master_of(process).kill()


def hangs_up_on_each(process: Started) -> None:
    for each in process.family():
        each.send_signal(signal.SIGHUP)


def freezes_a_worker(process: Started) -> None:
    psutil.Process(process.group).children()[0].suspend()
    process.send(signal.SIGTERM)


SCENES = {
    "run, killed": Scene(parent, loads, sends(signal.SIGKILL)),
    "run, hung up": Scene(run, loads, sends(signal.SIGHUP), ORDERLY),
    "run, its master killed": Scene(run, loads, kills_the_master),
    "run, its terminal closed": Scene(
        lambda *given: [sys.executable, "-c", TERMINAL, *typed(*given)],
        loads,
        sends(signal.SIGKILL),
        ORDERLY,
    ),
    "ui, killed": Scene(ui, serves, sends(signal.SIGKILL)),
    "ui, hung up": Scene(ui, serves, sends(signal.SIGHUP), ORDERLY),  # while nothing runs
    "locust, its terminal closed": Scene(
        locust, loads, lambda process: process.send_all(signal.SIGHUP), ORDERLY
    ),
    "locust, all of it told to go": Scene(
        talkative, loads, lambda process: process.send_all(signal.SIGTERM), ORDERLY
    ),
    "locust, killed as it forks": Scene(locust, has_forked, sends(signal.SIGKILL)),
    "locust, a worker frozen": Scene(locust, loads, freezes_a_worker, ORDERLY),
    DEAF: Scene(lambda *given: ["nohup", *typed(*given)], loads, hangs_up_on_each, PATIENCE, 4),
}
CUT_SHORT = [name for name in SCENES if SCENES[name].ready is loads and name != DEAF]


class Ended(NamedTuple):
    out: Path
    output: str
    code: int | None
    seconds: float
    left: list[str]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ended]]:
    """All of them side by side."""
    folder = tmp_path_factory.mktemp("orphans")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(simulator(folder))
        processes, since, ended = {}, dict[str, float](), dict[str, Ended]()
        for name, scene in SCENES.items():
            own = folder / name.replace(" ", "-")
            own.mkdir()
            path = profile(own, users=6, seconds=scene.lasts)
            command = scene.command(path, own / "out", server.url)
            processes[name] = own / "out", stack.enter_context(started(command, own, SECRETS))
        until = time.monotonic() + 2 * PATIENCE
        while len(ended) < len(SCENES):
            assert time.monotonic() < until, [*since, *processes]
            for name, scene in SCENES.items():
                out, process = processes[name]
                if name not in since:
                    if scene.ready(out, process):
                        scene.then(process)
                        since[name] = time.monotonic()
                elif name not in ended:
                    seconds = time.monotonic() - since[name]
                    left = [str(each) for each in process.family()]
                    if not left or seconds > scene.within:
                        code = None if left else process.finish().code
                        ended[name] = Ended(out, process.output, code, seconds, left)
            time.sleep(LOOKS)
        yield ended


@pytest.mark.parametrize("name", SCENES)
def test_nothing_is_left_within_seconds(ended: dict[str, Ended], name: str) -> None:
    """Neither master nor workers, nor the simulator."""
    assert ended[name].left == [], ended[name].output


@pytest.mark.parametrize("name", CUT_SHORT)
def test_there_are_results_that_a_report_can_be_made_of(ended: dict[str, Ended], name: str) -> None:
    """And none of them is a pass."""
    folder = results(ended[name].out)
    if needed(folder):
        rebuild(folder, [])
    told = load_summary(folder)
    assert told.turns["sent"] > 0
    assert told.verdict.exit_code != 0


@pytest.mark.parametrize(
    "name",
    [
        "run, hung up",
        "run, its terminal closed",
        "locust, its terminal closed",
        "locust, all of it told to go",
    ],
)
def test_a_hang_up_is_a_sigterm(ended: dict[str, Ended], name: str) -> None:
    """The run ends in order: every worker has handed over, every session has an ending."""
    told = summary(ended[name].out)
    assert "cut" not in told
    assert told["generator"]["workers_lost"] == []
    assert sum(told["sessions"]["ended"].values()) == told["sessions"]["started"] > 0
    assert ended[name].code == (143 if "hung up" in name or "locust" in name else -9)


def test_a_page_without_a_run_is_hung_up_on_in_order(ended: dict[str, Ended]) -> None:
    assert ended["ui, hung up"].code == 143
    assert not ended["ui, hung up"].out.exists()


def test_who_is_killed_leaves_a_run_that_ends_in_order_all_the_same(
    ended: dict[str, Ended],
) -> None:
    """The target goes last: nobody takes its end for a failure of its own."""
    told = summary(ended["run, killed"].out)
    assert told["stopped_early"].endswith("the end of the process that had started it")
    assert told["errors"] == {}
    assert told["disconnects"]["unexpected"] == 0
    assert told["generator"]["workers_lost"] == []


def test_a_run_that_is_told_to_ignore_hang_ups_goes_on(ended: dict[str, Ended]) -> None:
    """As `nohup` and `setsid` have it, and each process of it alone."""
    told = summary(ended[DEAF].out)
    assert told["stopped_early"] is None
    assert ended[DEAF].code == told["verdict"]["exit_code"]
    assert told["generator"]["workers_lost"] == []
