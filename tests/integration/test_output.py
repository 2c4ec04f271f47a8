"""What becomes of the output is no matter of the run, of its watch over itself, or of its end."""

import contextlib
import csv
import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from processes import (
    LOADKIT,
    LOCUST,
    PATIENCE,
    ROOT,
    SECRETS,
    Finished,
    as_run,
    forked,
    profile,
    results,
    simulator,
    started,
    summary,
    unless_busy,
)

ENDLESS = 600  # seconds: only `[abort]` ends such a run in time
GRACE = 2
OBJECTIVES = f'[slo]\n"response.p50" = "1ms"\n[abort]\ngrace = "{GRACE}s"'
ASCII = {"PYTHONIOENCODING": "ascii"}


class Ended(NamedTuple):
    """A run that is over, and its folder."""

    finished: Finished
    out: Path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Runs with nobody to read them, all at once."""
    folder = tmp_path_factory.mktemp("unread")
    path = profile(folder, seconds=ENDLESS, more=OBJECTIVES)
    with simulator(folder) as server, contextlib.ExitStack() as stack:
        terminal = stack.enter_context(terminals())
        stuck = stack.enter_context(full_pipe(folder / "stuck"))
        places = {
            "terminal gone": f">{terminal.path} 2>&1 <{terminal.path}",
            "closed": ">&- 2>&- <&-",
            "ascii": "",
        }
        running = {}
        for name, place in {"full disk": Path("/dev/full"), "reader stopped": stuck}.items():
            out = folder / name.replace(" ", "-")
            process = started(as_run(path, server.url, out), folder, SECRETS, place)
            running[name] = stack.enter_context(process), out
        for name, place in places.items():
            out = folder / name.replace(" ", "-")
            command = [LOADKIT, "run", path, "--host", server.url, "--workers", "1", "--out", out]
            environment = SECRETS | (ASCII if name == "ascii" else {})
            process = started(redirected(command, place), folder, environment)
            running[name] = stack.enter_context(process), out
        process, out = running["terminal gone"]
        process.wait_for(lambda: list(out.glob("*/timeline.csv")), "under way")
        terminal.close()
        return {name: Ended(process.finish(), out) for name, (process, out) in running.items()}


WAYS = pytest.mark.parametrize(
    "way", ["full disk", "terminal gone", "reader stopped", "closed", "ascii"]
)


@WAYS
def test_a_run_ends_by_its_own_abort_whatever_becomes_of_its_output(
    runs: dict[str, Ended], way: str
) -> None:
    """So the watch over objectives, the timeline and the exit code need nobody who reads."""
    ended = runs[way]
    told = summary(ended.out)
    assert told["stopped_early"].endswith("([abort])"), told["stopped_early"]
    assert "response p50" in told["stopped_early"]
    assert told["stopped_early"] in " ".join(told["verdict"]["reasons"])
    assert GRACE < told["duration_s"] < 30  # not before its grace is over
    assert ended.finished.code == told["verdict"]["exit_code"] == unless_busy(1, told)
    with (results(ended.out) / "timeline.csv").open(newline="") as file:
        seconds = [float(row["elapsed_s"]) for row in csv.DictReader(file)]
    assert seconds == sorted(seconds)
    assert max(seconds) > told["duration_s"] - 3
    assert told["turns"]["answered"] > 0


def test_what_an_encoding_lacks_is_replaced(runs: dict[str, Ended]) -> None:
    """`->` for an arrow, a bar for a dot in the middle."""
    said = runs["ascii"].finished.output
    assert said.isascii()
    assert " -> http://127.0.0.1:" in said
    assert " started | " in said


class Terminal(NamedTuple):
    """A terminal that can be taken away."""

    path: str
    close: Callable[[], None]


@contextlib.contextmanager
def terminals() -> Iterator[Terminal]:
    ours, theirs = os.openpty()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, theirs)
        held = stack.enter_context(contextlib.ExitStack())
        held.callback(os.close, ours)
        yield Terminal(os.ttyname(theirs), held.close)


@contextlib.contextmanager
def full_pipe(path: Path) -> Iterator[Path]:
    """A pipe that is full and that nobody reads."""
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, bytes(4096))
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) & ~os.O_NONBLOCK)
    yield path
    os.close(pipe)


def redirected(command: Sequence[str | Path], place: str) -> list[str | Path]:
    """The command with its output elsewhere; it does not lead the terminal's session."""
    return ["sh", "-c", f'("$@" {place}); exit $?', "sh", *command]


def test_locusts_own_way_ends_in_order_too_when_its_reader_has_gone(tmp_path: Path) -> None:
    """A log that cannot be written is no reason to lose a night's results."""
    path, out = profile(tmp_path, seconds=2), tmp_path / "out"
    with simulator(tmp_path) as server:
        command = [LOCUST, "--headless", "--profile", path, "-H", server.url, "--out", out]
        code, complaints = unread([*command, *forked(1)])
    told = summary(out)
    assert code == unless_busy(0, told), complaints
    assert "Error" not in complaints
    assert told["turns"]["answered"] > 0
    folder = results(out)
    assert unread([LOADKIT, "status", folder]) == (0, "")
    assert unread([LOADKIT, "report", folder]) == (code, "")


@pytest.mark.parametrize(
    "words", ["profiles", pytest.param("plan --concurrent 500 --json", marks=pytest.mark.slow)]
)
def test_a_command_whose_reader_has_gone_ends_as_if_it_had_been_read(
    words: str,
) -> None:
    """As with `| head`: no traceback, and no other exit code."""
    assert unread([LOADKIT, *words.split()]) == (0, "")


def unread(command: Sequence[str | Path]) -> tuple[int, str]:
    """Run it with nobody at the other end of its output; its exit code, and what it complains."""
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [*map(str, command)],
        cwd=ROOT,
        env=os.environ | SECRETS,
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
        check=False,
    )
    os.close(writer)
    return ended.returncode, ended.stderr.decode()


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        ("run --help", "cp1252"),
        pytest.param("plan --concurrent 500", "ascii", marks=pytest.mark.slow),
        pytest.param("--help", "ascii", marks=pytest.mark.slow),
        pytest.param("profiles", "latin-1", marks=pytest.mark.slow),
        pytest.param("doctor", "cp1252", marks=pytest.mark.slow),
    ],
)
def test_a_command_is_told_in_every_encoding(words: str, encoding: str) -> None:
    """With no complaint, and no exit code of its own."""
    ended = subprocess.run(
        [LOADKIT, *words.split()],
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": encoding, "LC_ALL": "POSIX"},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode in ({0, 1} if words == "doctor" else {0})
    assert not ended.stderr
    assert len(ended.stdout.decode(encoding).splitlines()) > 5
