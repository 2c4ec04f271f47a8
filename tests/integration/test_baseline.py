"""A run compared with one of before, as soon as it is over."""

import json
import re
from pathlib import Path

import pytest
from processes import READY_LOCUST, ROOT, SECRETS, profile, run, simulators, summary

from loadkit.compare.stored_run import load_run
from loadkit.results.turn_log import read_turns

pytestmark = pytest.mark.timed

PROFILE = '[results]\ninterval = "100ms"\n'


def test_a_run_against_a_slower_server_is_told_to_be_worse_than_its_baseline(
    tmp_path: Path,
) -> None:
    """Answers come after 300 ms where they came after 40; and the files of either give its
    summary's percentiles."""
    path = profile(tmp_path, users=0, turns="{ min = 2, max = 4 }", more=PROFILE)
    stages = '{ duration = "0s", arrivals_per_second = 15 }'
    stages += ', { duration = "5s", arrivals_per_second = 15 }'
    load = f'model = "open"\nmax_concurrent = 200\nstages = [{stages}]'
    path.write_text(re.sub(r"(?m)^stages = .*$", load, path.read_text()))
    command = [READY_LOCUST, "-f", ROOT / "locustfile.py", "--headless", "--profile", path]
    compared = tmp_path / "compared"
    with simulators(tmp_path, 1) as (quick,):
        run([*command, "-H", quick.url, "--out", tmp_path / "before"], tmp_path, SECRETS)
    (before,) = (tmp_path / "before").iterdir()
    gate = ["--baseline", before, "--fail-on", "response.p50 > 20%"]
    with simulators(tmp_path, 1, "agent.first_response=300ms") as (slow,):
        finished = run([*command, "-H", slow.url, "--out", compared, *gate], tmp_path, SECRETS)
    told = summary(compared)
    assert finished.code in (told["verdict"]["exit_code"] or 1, 3), finished.output  # 3: busy
    assert "response.p50 > 20%" in finished.output
    assert "is over the limit and more than noise" in finished.output
    assert "response.paired" in finished.output
    after = next(compared.iterdir())
    turns = {(turn.person, turn.number) for turn in read_turns(after)}
    assert len(turns) == told["turns"]["answered"]
    assert len(turns & {(turn.person, turn.number) for turn in read_turns(before)}) > len(turns) / 2
    for folder in (before, after):
        stored = load_run(folder)
        stored.read_course(0.1)
        assert stored.course is not None, stored.no_course
        known = json.loads((folder / "summary.json").read_text())["latency_ms"]
        for phase, stats in known.items():
            found = stored.course.phases[phase].whole.stats()
            for name in ("count", "p50", "p95", "p999", "max"):
                assert found[name] == stats[name], f"{phase}.{name}"
