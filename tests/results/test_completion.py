"""The files of a killed run, cut at any byte and completed, are those of one that was not."""

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadkit.figures import Count, Phase
from loadkit.measure.recorder import Recorder
from loadkit.measure.timeline import Row, Timeline
from loadkit.results.completion import complete, last_lines
from loadkit.results.series import HISTOGRAMS, TIMELINE, Series

STARTED = datetime(2026, 11, 22, 15, 6, 54, tzinfo=UTC)


def rows_of(seconds: int) -> list[Row]:
    """Some phases in each second, and none at all in every fifth."""
    timeline, chance, now = Timeline(), random.Random(3), 0.0
    recorder = Recorder(clock=lambda: now)
    for second in range(1, seconds + 1):
        if second % 5:
            for phase in (Phase.RESPONSE, Phase.ECHO, Phase.CONNECT):
                recorder.sample(phase, 0.9, 1.0, 1.0 + chance.random())
            recorder.count(Count.TURNS_SENT)
        now = float(second)
        timeline.add("w", recorder.take(now), second - 1.0, now)
    return timeline.finish()


def written(folder: Path, rows: list[Row]) -> dict[str, bytes]:
    series = Series(folder, STARTED)
    series.write(rows)
    series.close()
    return content(folder)


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (TIMELINE, HISTOGRAMS)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Row], dict[str, bytes]]:
    every = rows_of(12)
    return every, written(tmp_path_factory.mktemp("whole"), every)


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_files_that_were_cut_anywhere_become_whole(
    tmp_path: Path, run: tuple[list[Row], dict[str, bytes]], data: st.DataObject
) -> None:
    """Byte by byte the same, whatever was written last and from wherever the rows are known."""
    every, whole = run
    half = 0
    known_from = data.draw(st.integers(0, 11))
    for name, every_byte in whole.items():
        # What is surely there: all rows before those that are still known.
        least = 0
        for end in _row_ends(every_byte, name, every[known_from].start):
            least = max(least, end)
        size = data.draw(st.integers(least if known_from else 0, len(every_byte)))
        (tmp_path / name).write_bytes(every_byte[:size])
        half += size > 0 and not every_byte[:size].endswith(b"\n")
    assert complete(tmp_path, STARTED, every[known_from:], []) == half
    assert content(tmp_path) == whole


def _row_ends(every_byte: bytes, name: str, before: float) -> list[int]:
    ends, end = [], 0
    for line in every_byte.splitlines(keepends=True):
        end += len(line)
        cell = [*line.split(b","), b""][1 if name == HISTOGRAMS else 0]
        try:
            if float(cell) < before:
                ends.append(end)
        except ValueError:
            ends.append(end)  # the head
    return ends


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    """Who completes them may be killed as well."""
    every = rows_of(6)
    whole = written(tmp_path, every)
    for _ in range(2):
        assert complete(tmp_path, STARTED, every[3:], []) == 0
        assert content(tmp_path) == whole


def test_files_that_are_not_there_are_made(tmp_path: Path) -> None:
    """As when the run was killed within its first second."""
    every = rows_of(3)
    complete(tmp_path, STARTED, every, [])
    made = content(tmp_path)
    assert made == written(tmp_path, every)


def test_a_file_of_someone_elses_is_not_touched(tmp_path: Path) -> None:
    """It is named."""
    (tmp_path / TIMELINE).write_text("hello, world\n")
    damaged: list[str] = []
    complete(tmp_path, STARTED, rows_of(2), damaged)
    (told,) = damaged
    assert "timeline.csv is no file of loadkit" in told
    assert told.endswith("it is left as it is")
    assert (tmp_path / TIMELINE).read_text() == "hello, world\n"


def test_lines_are_given_from_the_last_to_the_first(tmp_path: Path) -> None:
    """With their places, half-written ones too."""
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\nthr")
    assert list(last_lines(path)) == [(8, 11, b"thr"), (4, 8, b"two\n"), (0, 4, b"one\n")]
    path.write_bytes(b"")
    assert list(last_lines(path)) == []
