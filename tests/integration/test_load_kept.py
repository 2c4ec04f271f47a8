"""A load stays what was asked for: who is lost is replaced, and who is found under way goes on."""

import re
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from processes import SECRETS, Finished, Truth, as_run, profile, simulator, started, summary

CHAOS = '[chaos]\nper_minute = 0\nper_turn = 0\nat = {}\nstorms = [{ at = "4s", share = 1.0 }]'
ARRIVING = """model = "open"
arrivals = "uniform"
stages = [
    { duration = "0s", arrivals_per_second = 20 },
    { duration = "500ms", arrivals_per_second = 20 },
    { duration = "0s", arrivals_per_second = 0 },
    { duration = "6500ms", arrivals_per_second = 0 },
]"""


class Run(NamedTuple):
    ended: Finished
    told: dict[str, Any]
    truth: Truth


def expiring(folder: Path, stages: str = "") -> Run:
    """Ten whose tokens have expired when all of them are cut off."""
    talkative = "{ min = 500, max = 500 }"
    path = profile(folder, users=10, seconds=7, turns=talkative, pause="10s", more=CHAOS)
    if stages:
        path.write_text(re.sub("stages = .*", stages, path.read_text()))
    return of(path, folder, "token_lifetime_seconds=2")


def staggered(folder: Path) -> Run:
    path = profile(folder, users=15, seconds=600, turns="{ min = 8, max = 8 }", pause="0s")
    text = path.read_text().replace("time_scale = 0.02", "time_scale = 0.005")
    path.write_text(text.replace("[load]\n", "[load]\nstagger = true\n"))
    return of(path, folder, "agent.suggestion_rate=0", until=45)


def of(path: Path, folder: Path, dial: str, until: int = 0) -> Run:
    """A run to its end; or until so many have said good-bye."""
    with simulator(folder, dial) as server:
        with started(as_run(path, server.url, folder / "out"), folder, SECRETS) as process:
            if until:
                over = b'"reason":"REASON_USER_END"'
                process.wait_for(
                    lambda: server.truth.read_bytes().count(over) >= until, "that many had gone"
                )
                process.send(signal.SIGTERM)
            ended = process.finish()
        truth = server.stop()
    return Run(ended, summary(folder / "out"), truth)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Run]]]:
    """All at once, as they mostly wait, each with a server of its own."""
    with ThreadPoolExecutor() as pool:
        yield {
            "closed": pool.submit(expiring, tmp_path_factory.mktemp("closed")),
            "open": pool.submit(expiring, tmp_path_factory.mktemp("open"), ARRIVING),
            "staggered": pool.submit(staggered, tmp_path_factory.mktemp("staggered")),
        }


@pytest.mark.parametrize("model", ["closed", "open"])
def test_a_user_whose_token_has_expired_goes_on_in_a_new_session(
    runs: dict[str, Future[Run]], model: str
) -> None:
    """With a new token for it: the load stays what was asked for."""
    ended, told, truth = runs[model].result()
    assert told["errors"] == {"token_expired": 10}, ended.output
    assert len(truth.of("refused", call="ws", status=401)) == 10
    assert told["sessions"]["started"] == len(truth.of("session")) == 20
    assert told["sessions"]["ended"]["cut_off"] == told["sessions"]["ended"]["failed"] == 10


def test_only_first_sessions_are_cut_short_and_not_all_alike(
    runs: dict[str, Future[Run]],
) -> None:
    """Of people who speak eight times, those found under way have one to eight lines left."""
    ended, _, truth = runs["staggered"].result()
    assert ended.code == 128 + signal.SIGTERM, ended.output
    turns = Counter(turn["session_id"] for turn in truth.of("turn"))
    over = truth.of("session_end", reason="REASON_USER_END")
    # Those that are cut off at the end of the run are told to the server as ended, too.
    stopped = max(end["at"] for end in over) - 1.0
    lengths = [turns[end["session_id"]] for end in over if end["at"] < stopped]
    assert lengths.count(8) > 5, "the test would prove nothing"
    assert len({*lengths}) > 4
    assert 5 < sum(length < 8 for length in lengths) <= 15
