"""`loadkit capacity` from the command line, against a simulator whose strength is known."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fleet_of_workers import LOCUSTFILE
from processes import (
    READY_BOTH,
    READY_LOADKIT,
    READY_LOCUST,
    SECRETS,
    Finished,
    Simulator,
    run,
    simulator,
    started,
)

SLOTS, SERVICE_MS = 2, 100
# A user says the next thing at once. So n users are always n in line before two agents, and who
# comes last of them waits for n ÷ 2 services: the limit lets six in, and eight not.
LIMIT_MS = 350
HOLDS = 6
BUDGET = 180  # seconds, of which a search takes thirty
FULL = SLOTS * 1000 / SERVICE_MS  # turns a second
QUEUE = (
    f"agent.slots={SLOTS}",
    f"agent.first_response={SERVICE_MS}ms",
    "agent.join=0",
    "agent.greeting=0",
    "agent.thinking=0",
    "agent.suggestion_rate=0",
)


def searched(folder: Path, **more: str) -> Path:
    settings = {"start": "4", "ceiling": "64", "bracket": "0.5", "hold": '"500ms"'} | more
    path = folder / "tiny.toml"
    path.write_text(
        f"""# How many does it hold?
[load]
stages = [{{ duration = "5s", users = 3 }}]
[mix]
CompleteChat = 1
[conversation]
turns = {{ min = 2000, max = 2000 }}
time_scale = 0.000001
pause = 0
[results]
interval = "100ms"
[slo]
"response.p50" = "{LIMIT_MS}ms"
[capacity]
ramp = "200ms"
settle = "5s"
measure = "1s"
cool_down = "500ms"
budget = "{BUDGET}s"
"""
        + "\n".join(f"{key} = {value}" for key, value in settings.items())
    )
    return path


def found(out: Path) -> dict[str, Any]:
    (path,) = out.glob("*/capacity.json")
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def own_locustfile(path: Path) -> Path:
    """Beside a profile: searches that the machine they run on does not end, however busy it is."""
    own = path.with_name("locustfile.py")
    own.write_text(
        "from loadkit.verdict import generator_limits as limits\n"
        'limits.LAG_INVALID_MS = limits.SATURATED_SHARE = float("inf")\n'
        f"{LOCUSTFILE.read_text()}"
    )
    return own


def command(path: Path, server: Simulator, out: Path, *more: str) -> list[Any]:
    words = [READY_BOTH, "capacity", path, "--host", server.url, "--workers", "1", "--out", out]
    return [*words, "--locustfile", own_locustfile(path), *more]


def alone(path: Path, server: Simulator, out: Path, *more: str) -> list[Any]:
    """The same by Locust, in one process."""
    words = [READY_LOCUST, "-f", own_locustfile(path), "--headless", "--loglevel", "WARNING"]
    return [*words, "--capacity", "--profile", path, "-H", server.url, "--out", out, *more]


class Resumed(NamedTuple):
    """A search that was interrupted after its first step, and what came of it then.

    Attributes:
        elsewhere: how it ended that it should go on against a stronger server.
        second: where the results are of what went on.
    """

    interrupted: Finished
    before: dict[str, Any]
    elsewhere: Finished
    ended: Finished
    second: Path


def interrupted(folder: Path) -> Resumed:
    path, first, second = searched(folder), folder / "first", folder / "second"
    with simulator(folder, *QUEUE) as queue:
        with started(alone(path, queue, first), folder, SECRETS) as process:
            process.wait_for(lambda: list(first.glob("*/capacity.json")), "a step was done")
            process.send(signal.SIGINT)
            ended = process.finish()
        before = found(first)
        (kept,) = first.iterdir()
        resume = ("--resume", str(kept))
        with simulator(folder, *QUEUE[1:], "agent.slots=3") as stronger:
            elsewhere = run(alone(path, stronger, folder / "third", *resume), folder, SECRETS)
        assert not (folder / "third").exists()
        again = run(command(path, queue, second, *resume), folder, SECRETS, within=BUDGET)
    return Resumed(ended, before, elsewhere, again, second)


def of_a_rate(folder: Path) -> tuple[Finished, dict[str, Any]]:
    """One step and its confirmation: the rate changes in the midst of one run."""
    path = searched(folder, start="6", ceiling="12")
    text = path.read_text().replace(
        'stages = [{ duration = "5s", users = 3 }]',
        'model = "open"\narrivals = "uniform"\n'
        'stages = [{ duration = "5s", arrivals_per_second = 3 }]',
    )
    text = text.replace("min = 2000, max = 2000", "min = 2, max = 2")
    path.write_text(text.replace(f'p50" = "{LIMIT_MS}ms', 'p50" = "5s'))
    with simulator(folder) as server:  # with as many agents as are wanted
        ended = run(alone(path, server, folder / "out"), folder, SECRETS, within=BUDGET)
    return ended, found(folder / "out")


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Future[Any], Future[Any]]]:
    """Both at once, as they mostly wait."""
    with ThreadPoolExecutor() as pool:
        yield (
            pool.submit(interrupted, tmp_path_factory.mktemp("interrupted")),
            pool.submit(of_a_rate, tmp_path_factory.mktemp("rate")),
        )


def test_a_profile_without_objectives_is_refused_with_the_line_to_add(
    server: Simulator, searches: object, tmp_path: Path
) -> None:
    """Before any load."""
    path = searched(tmp_path)
    ended = run(alone(path, server, tmp_path / "out", "--set", "slo={}"), tmp_path, SECRETS)
    assert ended.code == 2
    assert '"response.p95" = "2.5s"' in ended.output
    assert not (tmp_path / "out").exists()


def test_the_open_model_searches_a_rate(searches: tuple[Future[Any], Future[Any]]) -> None:
    """Its steps are arrivals a second, and as many are delivered."""
    ended, document = searches[1].result()
    assert document["capacity"]["limit"] == "ceiling", ended.output
    assert (ended.code, document["capacity"]["load"]) == (0, 12)
    first, *others = [step["load"] for step in document["steps"]]
    # A step that does not come to rest is done again.
    assert (first, {6, *others}) == (6, {6, 12})
    assert len(others) >= 2
    rates = [step["delivered"]["sessions_per_second"] for step in document["steps"]]
    assert rates == pytest.approx([first, *others], rel=0.3)  # a row may be off by an arrival


def kept_pace(document: dict[str, Any]) -> bool:
    """Whether the machine let the agents be as quick, and the users come, as they would alone."""
    rates = [step["delivered"]["turns_per_second"] for step in document["steps"]]
    verdicts = [step["outcome"]["verdict"] for step in document["steps"]]
    return "generator" not in verdicts and min(rates) > 0.9 * FULL


def test_an_interrupted_search_is_resumed_and_finds_what_the_queue_holds(
    searches: tuple[Future[Any], Future[Any]], tmp_path: Path
) -> None:
    """The answer, its evidence and the words are in the files and on the terminal."""
    interrupted, before, elsewhere, ended, second = searches[0].result()
    assert interrupted.code == 130
    assert before["capacity"] is None
    assert "Interrupted after" in interrupted.output

    assert elsewhere.code == 2, elsewhere.output
    words = "was of something else: simulator.agent.slots was 2, now 3."
    assert words in elsewhere.output

    after = found(second)
    assert after["steps"][: len(before["steps"])] == before["steps"]
    assert ended.code == after["exit_code"]
    assert after["sentence"] in ended.output
    if kept_pace(after):
        assert after["capacity"]["verdict"] == "found", ended.output
        assert (after["capacity"]["load"], ended.code) == (HOLDS, 0)
        words = f"This deployment holds {HOLDS} concurrent conversations at time scale 1e-06"
        assert words in ended.output

    for step in after["steps"]:
        seconds = step["measured_to_s"] - step["measured_from_s"]
        turns = step["delivered"]["turns_per_second"] * seconds
        # No more than two agents do, with what each had begun before.
        assert turns <= SLOTS * (seconds * 1000 / SERVICE_MS + 1)
    (folder,) = second.iterdir()
    text = (folder / "summary.md").read_text()
    assert text.startswith(f"# Capacity: tiny\n\n{after['sentence']}")
    told = json.loads((folder / "summary.json").read_text())
    (reason,) = told["verdict"]["reasons"]
    assert reason.endswith(after["sentence"])
    assert not kept_pace(after) or reason.startswith("capacity search: ")
    again = run([READY_LOADKIT, "report", folder], tmp_path)
    assert (again.code, after["sentence"] in again.output) == (0, True)
