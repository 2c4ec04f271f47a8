"""`loadkit capacity` from the command line, against a simulator whose strength is known."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from fleet_of_workers import LOCUSTFILE
from processes import (
    READY_BOTH,
    READY_LOADKIT,
    READY_LOCUST,
    SECRETS,
    Simulator,
    run,
    simulator,
    started,
)

SLOTS, SERVICE_MS = 2, 100
# A user says the next thing at once. So n users are always n in line before two agents, and who
# comes last of them waits for n ÷ 2 services: the limit lets six in, and eight not. A service is
# never shorter than this, but longer where the machine is busy: six still pass if by 25 ms.
LIMIT_MS = 375
HOLDS = 6
QUEUE = (
    f"agent.slots={SLOTS}",
    f"agent.first_response={SERVICE_MS}ms",
    "agent.join=0",
    "agent.greeting=0",
    "agent.thinking=0",
    "agent.suggestion_rate=0",
)


def searched(folder: Path, **more: str) -> Path:
    settings = {"start": "4", "ceiling": "64", "bracket": "0.5", "hold": '"1s"'} | more
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
budget = "3m"
"""
        + "\n".join(f"{key} = {value}" for key, value in settings.items())
    )
    return path


def found(out: Path) -> dict[str, Any]:
    (path,) = out.glob("*/capacity.json")
    document: dict[str, Any] = json.loads(path.read_text())
    return document


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with simulator(tmp_path_factory.mktemp("queue"), *QUEUE) as running:
        yield running


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


def test_an_interrupted_search_is_resumed_and_finds_what_the_queue_holds(
    queue: Simulator, tmp_path: Path
) -> None:
    """The answer, its evidence and the words are in the files and on the terminal."""
    path, first, second = searched(tmp_path), tmp_path / "first", tmp_path / "second"
    with started(alone(path, queue, first), tmp_path, SECRETS) as process:
        process.wait_for(lambda: list(first.glob("*/capacity.json")), "a step was done")
        process.send(signal.SIGINT)
        ended = process.finish()
    assert ended.code == 130
    before = found(first)
    assert before["capacity"] is None
    assert "Interrupted after" in ended.output

    (folder,) = first.iterdir()
    resume = ("--resume", str(folder))
    with simulator(tmp_path, *QUEUE[1:], "agent.slots=3") as stronger:
        ended = run(alone(path, stronger, second, *resume), tmp_path, SECRETS)
    assert ended.code == 2, ended.output
    assert "was of something else: simulator.agent.slots was 2, now 3." in ended.output
    assert not second.exists()

    ended = run(command(path, queue, second, *resume), tmp_path, SECRETS)
    after = found(second)
    assert after["steps"][: len(before["steps"])] == before["steps"]
    assert after["capacity"]["verdict"] == "found", ended.output
    assert after["capacity"]["load"] == HOLDS
    assert ended.code == after["exit_code"] == 0
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
    assert told["verdict"]["reasons"] == [f"capacity search: {after['sentence']}"]
    again = run([READY_LOADKIT, "report", folder], tmp_path)
    assert (again.code, after["sentence"] in again.output) == (0, True)


def test_the_open_model_searches_a_rate(tmp_path: Path) -> None:
    """One step and its confirmation: the rate changes in the midst of one run."""
    path = searched(tmp_path, start="6", ceiling="12")
    text = path.read_text().replace(
        'stages = [{ duration = "5s", users = 3 }]',
        'model = "open"\narrivals = "uniform"\n'
        'stages = [{ duration = "5s", arrivals_per_second = 3 }]',
    )
    text = text.replace("min = 2000, max = 2000", "min = 2, max = 2")
    path.write_text(text.replace(f'p50" = "{LIMIT_MS}ms', 'p50" = "5s'))
    with simulator(tmp_path) as server:  # with as many agents as are wanted
        ended = run(alone(path, server, tmp_path / "out"), tmp_path, SECRETS)
    document = found(tmp_path / "out")
    assert document["capacity"]["limit"] == "ceiling", ended.output
    assert (ended.code, document["capacity"]["load"]) == (0, 12)
    assert [step["load"] for step in document["steps"]] == [6, 12, 12]
    rates = [step["delivered"]["sessions_per_second"] for step in document["steps"]]
    assert rates == pytest.approx([6, 12, 12], rel=0.3)  # a row may be off by an arrival


def test_a_profile_without_objectives_is_refused_with_the_line_to_add(
    queue: Simulator, tmp_path: Path
) -> None:
    """Before any load."""
    path = searched(tmp_path)
    ended = run(alone(path, queue, tmp_path / "out", "--set", "slo={}"), tmp_path, SECRETS)
    assert ended.code == 2
    assert '"response.p95" = "2.5s"' in ended.output
    assert not (tmp_path / "out").exists()
