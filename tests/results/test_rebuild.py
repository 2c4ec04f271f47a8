"""What is made of a killed run is what the run would have made itself, had it ended there."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.errors import UsageError
from loadkit.pages.run_charts import marks
from loadkit.profile.tables import Load
from loadkit.results import journal as module
from loadkit.results.journal import JOURNAL
from loadkit.results.rebuild import REASON, needed, rebuild
from loadkit.results.run_folder import load_summary
from loadkit.results.series import HISTOGRAMS, TIMELINE
from loadkit.stats.number_format import number
from loadkit.verdict.run_facts import DoneByHand

from .master import Hand, Master

COURSE = {"drift": None, "incidents": None, "load": None}
"""What is looked for in rows that are read from the files, which round: see test_series."""

ALL = {
    "run.json",
    "summary.json",
    "summary.md",
    "junit.xml",
    "violations.jsonl",
    "errors.jsonl",
} | {"slow_turns.jsonl"}


@contextmanager
def folders() -> Iterator[tuple[Path, Path]]:
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        yield Path(one), Path(other)


def live(master: Master, seconds: float, seed: int, killed_at: float) -> float:
    """Three workers report late and out of step; gives the second of the last thing written."""
    chance, at_s = random.Random(seed), 0.0
    hands = [Hand() for _ in range(3)]
    events: list[tuple[float, int]] = [(float(second), -1) for second in range(1, int(seconds))]
    for which in range(3):
        at = chance.random()
        while (at := at + chance.choice([1.0, 1.0, 1.3, 0.4])) < seconds:
            events.append((at, which))
    for at, which in sorted(events):
        if at >= killed_at:
            break
        at_s = at
        if which < 0:
            master.tick(at)
        else:
            seq, interval = hands[which].report(at, chance.lognormvariate(-1, 0.8))
            master.add(f"w{which}", seq, interval, at + chance.random() / 100)
            at_s = max(at_s, at)
    return at_s


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 2**32), st.floats(0, 20), st.sampled_from([300, 20_000, 4_000_000]))
def test_the_report_of_a_killed_run_is_that_of_one_that_ended_there(
    seed: int, killed_at: float, growth: int
) -> None:
    """Every figure, every row and every histogram, however often the journal was begun anew."""
    with pytest.MonkeyPatch.context() as patch, folders() as (folder, other):
        patch.setattr(module, "GROWTH", growth)
        master, reference = Master(folder), Master(other)
        last = live(master, 20, seed, killed_at)
        live(reference, 20, seed, killed_at)
        master.kill()
        assert needed(folder)
        found = rebuild(folder, [])
        assert found.cut is not None
        expected = reference.end(found.cut, found.cut.at_s)
        assert {**found.to_dict(), **COURSE} == {**expected.to_dict(), **COURSE}
        assert found.cut.asked_s == 20
        assert found.cut.sessions_live == reference.ledger.live
        assert last - 0.001 <= found.cut.at_s <= killed_at + 0.02
        for name in (TIMELINE, HISTOGRAMS):
            assert (folder / name).read_bytes() == (other / name).read_bytes()
        reference.journal.close()


def killed(folder: Path, at: float = 12.5, load: Load | None = None) -> Master:
    master = Master(folder) if load is None else Master(folder, load)
    live(master, 20, 3, at)
    master.kill()
    return master


def test_all_files_of_a_run_are_there_and_the_journal_is_not(tmp_path: Path) -> None:
    """What the run knew of itself is in them: its examples, and where they happened, too."""
    killed(tmp_path)
    rebuild(tmp_path, [])
    assert {path.name for path in tmp_path.iterdir()} == ALL | {TIMELINE, HISTOGRAMS}
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["target"] == "http://127.0.0.1:8100"
    assert run["examples"]["errors.unanswered"] == "no answer in time"
    for name, kind in (("violations", "gap"), ("errors", "unanswered")):
        found = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        assert {(one["kind"], bool(one["worker"])) for one in found} == {(kind, True)}


def test_the_verdict_says_that_it_was_cut_and_when(tmp_path: Path) -> None:
    """After two thirds of its time the figures are of another load than was asked for."""
    killed(tmp_path)
    summary = rebuild(tmp_path, [])
    assert summary.verdict.validity == "invalid"
    assert summary.cut is not None
    says = f"the run was cut after {number(summary.cut.at_s)} of 20 s"
    assert any(says in text.text for text in summary.verdict.reasons)
    assert any(REASON in text.text for text in summary.verdict.reasons)
    assert "cut after 12" in (tmp_path / "summary.md").read_text()


def test_a_second_time_tells_the_same(tmp_path: Path) -> None:
    """The summary is a run's like any other from then on."""
    killed(tmp_path)
    first = rebuild(tmp_path, [])
    assert not needed(tmp_path)
    assert load_summary(tmp_path).to_dict() == json.loads(json.dumps(first.to_dict()))


@pytest.mark.parametrize("name", [JOURNAL, TIMELINE, HISTOGRAMS])
def test_a_half_written_line_is_left_out_and_counted(tmp_path: Path, name: str) -> None:
    """In whichever file; the verdict says so."""
    killed(tmp_path, 2.5)
    with (tmp_path / name).open("ab") as file:
        file.write(b'{"interval": {"wor' if name == JOURNAL else b"3.0")
    summary = rebuild(tmp_path, [])
    assert summary.cut is not None
    assert summary.cut.half_written_lines == 1
    assert any("1 half-written line left out" in text.text for text in summary.verdict.reasons)
    assert (tmp_path / TIMELINE).read_bytes().endswith(b"\n")


def test_what_rebuilds_may_be_killed_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The series are whole by then, and are not doubled; the journal is still there."""
    killed(tmp_path)
    with monkeypatch.context() as patch:

        def dies(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr("loadkit.results.rebuild.write", dies)
        with pytest.raises(KeyboardInterrupt):
            rebuild(tmp_path, [])
    rows = (tmp_path / TIMELINE).read_bytes()
    assert needed(tmp_path)
    rebuild(tmp_path, [])
    assert (tmp_path / TIMELINE).read_bytes() == rows


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("timeline.csv", False),
        ("timeline.csv", True),
        ("latency.hlog", True),
        ("summary.json", False),
        ("summary.json", True),
        ("run.json", True),
    ],
)
def test_a_link_in_a_strangers_folder_is_not_written_through(
    tmp_path: Path, name: str, there: bool
) -> None:
    """Wherever it leads, to a file of the reader's or to where one could be made."""
    folder, mine = tmp_path / "run", tmp_path / "mine"
    folder.mkdir()
    killed(folder, 2.5)
    if there:
        mine.write_text("mine")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(mine)
    with suppress(UsageError):
        rebuild(folder, [])
    assert (mine.read_text() if there else mine.exists()) == ("mine" if there else False)


@pytest.mark.parametrize("growth", [300, 4_000_000])
def test_what_was_done_by_hand_is_there_up_to_the_moment_of_the_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, growth: int
) -> None:
    """Whether the journal was begun anew after it, or nothing came after it; as pins, too."""
    monkeypatch.setattr(module, "GROWTH", growth)
    done = [
        DoneByHand("storm", 1.5, "storm of 20 %", share=0.2),
        DoneByHand("load", 3.0, "load paused", times=0.0),
        DoneByHand("mark", 12.4, "v2 is out"),
    ]
    master = Master(tmp_path)
    master.journal.note_by_hand(done[:2])
    live(master, 20, 3, 12.5)
    master.journal.note_by_hand(done)
    master.kill()
    summary = rebuild(tmp_path, [])
    assert json.loads((tmp_path / "summary.json").read_text())["by_hand"] == [
        {"kind": "storm", "at_s": 1.5, "text": "storm of 20 %", "share": 0.2},
        {"kind": "load", "at_s": 3.0, "text": "load paused", "times": 0.0},
        {"kind": "mark", "at_s": 12.4, "text": "v2 is out"},
    ]
    assert "changed by hand: storm of 20 %; load paused" in summary.notes
    pins = marks(load_summary(tmp_path), {})
    told = [(one.text, one.at_s) for one in done]
    assert [(pin["name"], pin["at"]) for pin in pins if "to" not in pin] == told


def test_in_the_open_model_the_arrivals_up_to_the_cut_were_asked_for(tmp_path: Path) -> None:
    """Those of the rest of the plan never came due."""
    stages = [{"duration": 0.0, "arrivals_per_second": 5}, {"duration": 20.0}]
    stages[1]["arrivals_per_second"] = 5
    load = Load.model_validate({"model": "open", "stages": stages, "arrivals": "uniform"})
    killed(tmp_path, load=load)
    summary = rebuild(tmp_path, [])
    assert summary.arrivals is not None
    assert summary.cut is not None
    assert summary.arrivals["asked"] == pytest.approx(5 * summary.cut.at_s, abs=1)


def test_a_run_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    """It says what to do instead; nothing is written."""
    master = Master(tmp_path)
    live(master, 20, 3, 5.5)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UsageError, match=f"still going on.*loadkit status {tmp_path}"):
        rebuild(tmp_path, [])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    master.kill()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is no journal of this version"),
        ("{}\n", "is no journal of this version"),
        ('{"head": {"schema": "loadkit.journal/9"}}\n', "does not begin as loadkit.journal/2"),
    ],
)
def test_a_file_that_is_no_journal_is_named(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / JOURNAL).write_text(content)
    with pytest.raises(UsageError, match=says):
        rebuild(tmp_path, [])


def test_a_line_that_makes_no_sense_is_left_out_and_named(tmp_path: Path) -> None:
    """One that is whole is no half-written one; the results say so too, and the journal stays."""
    killed(tmp_path)
    with (tmp_path / JOURNAL).open("a") as file:
        file.write('{"interval": {"worker": "w1"}}\n')
    lines = (tmp_path / JOURNAL).read_bytes().count(b"\n")
    left_out: list[str] = []
    summary = rebuild(tmp_path, left_out)
    (only,) = left_out
    assert f"journal.jsonl: line {lines}: seq is missing" in only
    assert summary.cut is not None
    assert summary.cut.left_out == tuple(left_out)
    assert any("less 1 damaged part" in text.text for text in summary.verdict.reasons)
    assert (tmp_path / JOURNAL).exists()
    assert load_summary(tmp_path).verdict == summary.verdict
