"""What somebody sees who sits before a run."""

import contextlib
import io
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from processes import LOCUST, SECRETS, Finished, as_run, profile, results, simulator, started
from rich.console import Console

from loadkit.report.terminal import render
from loadkit.report.verdict import verdict_line
from loadkit.results.run_folder import load_examples, load_summary
from tests.terminals import Terminal, terminals

COLUMNS = 90
LOOKS = {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "NO_COLOR": "", "FORCE_COLOR": ""}
NOBODY = {"CI": ""}
SECONDS = 11  # one plain line stands in it


class Seen(NamedTuple):
    """A run that is over."""

    finished: Finished
    terminal: Terminal
    folder: Path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Seen]]:
    """One that is watched, one in CI, one that is stopped as it is watched, all at once."""
    folder = tmp_path_factory.mktemp("watched")
    path = profile(folder, seconds=SECONDS)
    with simulator(folder) as server, contextlib.ExitStack() as stack:
        running = {}
        for name, environment in {
            "watched": NOBODY,
            "in CI": {"CI": "true"},
            "stopped": NOBODY,
            "no terminal of much": NOBODY | {"TERM": "dumb"},
        }.items():
            terminal = stack.enter_context(terminals(COLUMNS, 30))
            out = folder / name.replace(" ", "-")
            command = as_run(path, server.url, out)
            process = started(command, folder, SECRETS | LOOKS | environment, Path(terminal.path))
            running[name] = stack.enter_context(process), terminal, out
        process, terminal, _ = running["stopped"]
        process.wait_for(lambda: "for an answer" in terminal.text, "shown")
        terminal.resize(60, 20)
        process.wait_for(lambda: len(terminal.shots) > 8, "shown again")
        process.send_all(signal.SIGINT)
        yield {
            name: Seen(process.finish(), terminal, results(out))
            for name, (process, terminal, out) in running.items()
        }


def final_table(folder: Path, columns: int) -> str:
    """What a run prints at its end, by its files."""
    console = Console(file=io.StringIO(), width=columns, record=True, markup=False, emoji=False)
    render(load_summary(folder, []), console, load_examples(folder, []))
    return "\n".join(line.rstrip() for line in console.export_text().splitlines())


def test_a_run_is_seen_as_it_goes(runs: dict[str, Seen]) -> None:
    """How far, who waits, and that the figures can be believed."""
    seen = runs["watched"]
    shots = [shot for shot in seen.terminal.shots if "for an answer" in shot]
    assert len(shots) > SECONDS / 2
    for shot in shots:
        assert shot.count("for an answer") == shot.count("validity") == 1
    assert any(" left" in shot and "users of 6 asked for" in shot for shot in shots)


@pytest.mark.parametrize("way", ["watched", "in CI"])
def test_at_its_end_the_table_stands_there_and_nothing_else(
    runs: dict[str, Seen], way: str
) -> None:
    """The same that its files make, in one piece."""
    seen = runs[way]
    assert seen.finished.code == load_summary(seen.folder, []).verdict.exit_code
    text = seen.terminal.text
    # Lines that are longer than the terminal is wide are broken by the terminal.
    unbroken = text.replace("\n", "")
    assert final_table(seen.folder, COLUMNS).replace("\n", "") in unbroken
    assert f"results: {seen.folder}" in unbroken
    assert "for an answer" not in text


@pytest.mark.parametrize("way", ["in CI", "no terminal of much"])
def test_where_nothing_is_drawn_anew_a_line_is_told_every_ten_seconds(
    runs: dict[str, Seen], way: str
) -> None:
    """And neither a log nor a reader is given an escape sequence that moves a cursor."""
    seen = runs[way]
    lines = [line for line in seen.terminal.text.splitlines() if line.startswith("00:")]
    assert [line.partition("/")[0] for line in lines] == ["00:10"]
    assert "response p50/p95" in lines[0]
    assert not any("for an answer" in shot for shot in seen.terminal.shots)


def test_ctrl_c_leaves_a_clean_screen_and_the_result(runs: dict[str, Seen]) -> None:
    """On a terminal that has become smaller in between, too."""
    seen = runs["stopped"]
    assert seen.finished.code == 130
    text = seen.terminal.text
    assert "for an answer" not in text
    assert "validity    " not in text
    assert "INVALID  stopped early" in text or "INVALID" in text
    assert "Traceback" not in text


def test_a_script_gets_one_object_and_a_quiet_run_says_its_verdict_alone(tmp_path: Path) -> None:
    """What a run says else goes to standard error, or nowhere."""
    path, told = profile(tmp_path, seconds=2), tmp_path / "told"
    with simulator(tmp_path) as server, contextlib.ExitStack() as stack:
        ended = {}
        for tell in ("json", "quiet"):
            command = as_run(path, server.url, tmp_path / tell, "--tell", tell)
            if tell == "json":  # its two streams are to be told from each other
                command = ["sh", "-c", f'"$@" >{told}', "sh", LOCUST, *command[1:]]
            ended[tell] = stack.enter_context(started(command, tmp_path, SECRETS))
        for tell, process in ended.items():
            code, said = process.finish()
            folder = results(tmp_path / tell)
            kept = load_summary(folder, [])
            line = verdict_line(kept)
            assert code == kept.verdict.exit_code
            if tell == "json":
                found = json.loads(told.read_text())
                assert (found["line"], found["results"]) == (line, str(folder))
                assert found["verdict"]["exit_code"] == code
            else:
                assert said.splitlines()[-1 if not code else -2] == line
                assert "latency, ms" not in said
