"""What docs/user-classes.md shows is what it says: its own code is run."""

import re
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from processes import (
    READY_BOTH,
    READY_LOADKIT,
    READY_LOCUST,
    ROOT,
    SECRETS,
    Finished,
    Truth,
    run,
    simulator,
    simulators,
    started,
    summary,
    unless_busy,
)

DOCUMENT = (ROOT / "docs" / "user-classes.md").read_text()


def block(language: str) -> str:
    """The document's only block in that language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]  # the first: what follows shows a detail


def test_the_table_names_every_class() -> None:
    named = set(re.findall(r"^\| `(\w+Chat)` \|", DOCUMENT, re.MULTILINE))
    module = ROOT / "loadkit" / "swarm" / "worker" / "users.py"  # an import would patch sockets
    source = module.read_text()
    assert named == set(re.findall(r"^class (\w+)\(ChatUser\)", source, re.MULTILINE))


def test_a_class_of_ones_own_takes_less_than_25_lines() -> None:
    assert len(block("python").splitlines()) < 30
    assert len([line for line in block("python").splitlines() if line.strip()]) < 25


class Lived(NamedTuple):
    ended: Finished
    out: Path
    truth: Truth


DOORS = ("loadkit", "locust")


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Lived]:
    """The document's own example by both doors, side by side."""
    folder = tmp_path_factory.mktemp("lived")
    own, profile = folder / "my.py", folder / "mine.toml"
    own.write_text(block("python"))
    profile.write_text(block("toml"))
    with simulators(folder, len(DOORS)) as servers, ExitStack() as stack:
        commands: list[list[str | Path]] = [
            [READY_BOTH, "run", profile, "--locustfile", own, "--workers", "1", "--host"],
            [READY_LOCUST, "-f", own, "--headless", "--profile", profile, "-H"],
        ]
        running = [
            stack.enter_context(
                started([*command, server.url, "--out", folder / door], folder, SECRETS)
            )
            for door, command, server in zip(DOORS, commands, servers, strict=True)
        ]
        ended = [process.finish() for process in running]
        return {
            door: Lived(end, folder / door, server.stop())
            for door, end, server in zip(DOORS, ended, servers, strict=True)
        }


@pytest.mark.parametrize("door", DOORS)
def test_classes_of_ones_own_are_in_the_mix_and_live_as_they_say(
    door: str, lived: dict[str, Lived]
) -> None:
    ended, out, truth = lived[door]
    told = summary(out)
    assert ended.code == unless_busy(0, told), ended.output
    assert told["sessions"]["started"] == len(truth.of("session")) >= 8
    assert told["sessions"]["ended"]["failed"] == 0
    streamed = Counter(record["streaming"] for record in truth.of("session"))
    assert streamed[True] >= 2  # the kiosks, and the regulars' second sessions
    assert streamed[False] >= 5
    assert told["counts"]["tabs.opened"] > 0
    assert told["counts"]["sessions.cold_resumes"] > 0
    assert told["turns"]["sent"] == len(truth.of("turn")) > 8


def test_names_are_found_where_locustfiles_of_before_import_them() -> None:
    """In this order, in which a sorter of imports has them."""
    code = (
        "from loadkit.plan.errand import Errand; from loadkit.redaction import remember;"
        "import loadkit.swarm as swarm; assert (swarm.Errand, swarm.remember) == (Errand, remember)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_class_that_is_in_no_file_is_told_before_any_load(tmp_path: Path) -> None:
    own, profile = tmp_path / "my.py", tmp_path / "mine.toml"
    own.write_text(block("python"))
    profile.write_text(block("toml").replace("Kiosk =", "Kiosc ="))
    with simulator(tmp_path) as server:
        command = [READY_BOTH, "run", profile, "--locustfile", own, "--host", server.url]
        ended = run([*command, "--workers", "1"], tmp_path, SECRETS)
        assert not server.stop().of("session")
    assert ended.code == 2
    assert "did you mean 'Kiosk'?" in ended.output


def test_a_locustfile_that_is_missing_is_told_before_any_load(tmp_path: Path) -> None:
    ended = run([READY_LOADKIT, "run", "smoke", "--locustfile", tmp_path / "no.py"], tmp_path)
    assert ended.code == 2
    assert "there is no such locustfile" in ended.output
