"""`report.html`: a run on one page."""

import json
import re
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from loadkit.errors import UsageError
from loadkit.figures import Count, Phase
from loadkit.measure.recorder import Recorder
from loadkit.pages.page import asset
from loadkit.pages.report import page, write_report
from loadkit.report.latency import shown
from loadkit.stats.number_format import number

from .conftest import HOSTILE
from .runs import Lived, live
from .test_page import Tags

MOST_BYTES = 3_000_000
PLACES_TOLD = ("1", "4-5", "51+")


@pytest.fixture(scope="module")
def report(hostile: Lived) -> str:
    return page(hostile.folder)


@pytest.fixture(scope="module")
def said(report: str) -> str:
    """All that is read in it, less its scripts and styles."""
    parsed = Tags(re.sub(r"<(script|style)[^>]*>.*?</\\1>", "", report, flags=re.S))
    return " ".join(" ".join(parsed.texts).split())


def charts(report: str) -> dict[str, dict[str, list[Any]]]:
    island = re.search(r'<script type="application/json" id="data">(.*?)</script>', report, re.S)
    assert island is not None
    return {
        chart["id"]: {column["name"]: column["values"] for column in chart["columns"]}
        for chart in json.loads(island[1])["charts"]
    }


def test_it_is_one_file_of_a_bounded_size(report: str) -> None:
    """Most of it are the charts' own library."""
    assert len(report.encode()) < MOST_BYTES


def test_the_verdict_comes_first(hostile: Lived, said: str) -> None:
    """With every objective: what it is, its limit, and what the truth lies between."""
    assert said.index("FAIL") < said.index("Response over time")
    for line in hostile.summary.slo:
        assert line.metric in said
        assert line.actual is not None
        assert number(line.actual) in said


def test_every_latency_is_that_of_the_summary(hostile: Lived, report: str) -> None:
    """Cell by cell, as the terminal shows them."""
    rows = re.findall(r'<tr><th scope="row">([^<]*)</th>(.*?)</tr>', report)
    cells = {name: re.findall(r"<td>([^<]*)</td>", row) for name, row in reversed(rows)}
    names = ("count", "min", "mean", "p50", "p90", "p95", "p99", "p999", "max")
    for phase, stats in hostile.summary.latency_ms.items():
        assert cells[phase] == list(shown(stats, names))


def test_what_is_drawn_of_the_whole_run_is_the_summarys(hostile: Lived, report: str) -> None:
    """Steps of a turn, responses by turn, how far sessions got, the curve of nines."""
    drawn, summary = charts(report), hostile.summary
    turn = dict(zip(drawn["turn"]["step"], drawn["turn"]["p95"], strict=True))
    assert turn["complete answer"] == summary.latency_ms["response"]["p95"]
    assert drawn["by-turn"]["p50"] == [summary.by_turn[str(n)]["p50"] for n in (1, 2, 3, 4)]
    assert drawn["funnel"]["sessions"] == [1, *summary.sessions["reached"].values(), 1]
    at = drawn["nines"]["share"].index(95)
    assert drawn["nines"]["response"][at] == summary.latency_ms["response"]["p95"]
    low, high = summary.intervals_ms["response"]["p95"]
    assert (drawn["nines"]["response_from"][at], drawn["nines"]["response_to"][at]) == (low, high)
    assert sum(drawn["errors"]["errors"]) == sum(summary.errors.values())
    assert sum(drawn["heat"]["count"]) == summary.turns["answered"]


def test_hand_offs_and_chunks_over_time_add_up_to_the_summarys(tmp_path: Path) -> None:
    """Who began to wait and was met, which places were told, how long it took, second by second."""

    def each(recorder: Recorder, second: int) -> None:
        recorder.count(Count.HANDOFFS_TRIGGERED, 2)
        recorder.states = {"queued": second}
        for place in PLACES_TOLD[: 1 + second % 3]:
            recorder.count(f"handoffs.place.{place}", second)
        recorder.sample(Phase.HANDOFF_WAIT, None, second - 0.75, second - 0.25)
        recorder.sample(Phase.CHUNK_GAP, None, second - 0.5, second - 0.375)
        if second > 20:
            recorder.count(Count.HANDOFFS_JOINED)

    run = live(tmp_path, 40, per_second=1, each=each)
    told, counts = page(tmp_path), run.summary.counts
    drawn = charts(told)
    assert drawn["queue"]["state_queued"] == list(range(1, 41))
    assert drawn["queue"]["handoffs_joined"] == [0] * 20 + [1] * 20
    assert sum(drawn["queue"]["handoffs_triggered"]) == counts["handoffs.triggered"] == 80
    places = {name: sum(values) for name, values in drawn["places"].items() if name != "t"}
    assert places == {f"place_{name}": counts[f"handoffs.place.{name}"] for name in PLACES_TOLD}
    assert places["place_1"] == sum(range(1, 41))
    for chart, phase, took in (
        ("handoff-wait-time", "handoff_wait", 500.0),
        ("chunk-gap-time", "chunk_gap", 125.0),
    ):
        stats = run.summary.latency_ms[phase]
        assert sum(drawn[chart]["c0_count"]) == stats["count"] == 40
        assert max(drawn[chart]["c0_max"]) == pytest.approx(stats["max"], rel=0.0005)
        assert stats["max"] == took
        assert f'id="{chart}"' in told


def test_a_highest_wait_that_would_press_its_chart_flat_is_there_to_be_shown(
    tmp_path: Path,
) -> None:
    """One that was given up after ten seconds, say, where most took one."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    live(tmp_path / "a", 40, lost_at=frozenset({20}))
    live(tmp_path / "b", 40)
    assert '"hidden": ["from planned time", "response max"]' in page(tmp_path / "a")
    assert '"hidden": ["from planned time"]' in page(tmp_path / "b")


def test_no_figure_of_the_generator_is_named_as_in_a_file(hostile: Lived, report: str) -> None:
    """Each has words, and its unit."""
    names = [name for name, told in hostile.summary.generator.items() if isinstance(told, dict)]
    assert "memory of a worker, MB" in report
    assert [name for name in names if f">{name}<" in report] == []


def test_it_says_how_to_run_it_again(tmp_path: Path) -> None:
    """As it was typed; of an older run what Locust was told."""
    live(tmp_path, 12, info={"again": "loadkit run 'my own.toml'", "command": ["locust"]})
    assert "loadkit run &#x27;my own.toml&#x27;</pre>" in page(tmp_path)
    live(tmp_path, 12, info={"command": ["locust", "--set", "a b"]})
    assert "locust --set &#x27;a b&#x27;</pre>" in page(tmp_path)


def test_without_a_hand_off_there_is_no_chart_of_them(report: str) -> None:
    """Nor of chunks where nothing was streamed."""
    assert not {"queue", "places", "handoff-wait-time", "chunk-gap-time"} & charts(report).keys()


def test_a_link_leads_to_what_is_there(report: str) -> None:
    """Of the bar, and of each finding."""
    links = re.findall(r'href="#([^"]*)"', report)
    ids = re.findall(r'id="([^"]*)"', report)
    assert links
    assert set(links) <= set(ids)
    assert len(ids) == len(set(ids))


def test_what_strangers_said_is_read_and_does_nothing(report: str, hostile: Lived) -> None:
    """Names, texts, ids and frames: as many elements as with harmless ones."""
    ours = report.replace(asset("echarts.min.js"), "").replace(asset("page.js"), "")
    assert "<img" not in ours
    assert ours.count("<script") == 3
    for sign in ("\x1b", "\u202e", "\u2028"):
        assert sign not in ours
    assert "&lt;img src=x onerror=alert(2)&gt;" in report


def test_the_slowest_turn_has_its_ids_its_time_and_its_life(hostile: Lived, report: str) -> None:
    """Who has them finds it in the target's logs."""
    slowest = max(hostile.ledger.slow, key=lambda one: one.took_ms)
    truth = max(max(waits) for waits in hostile.waits)
    assert slowest.took_ms == pytest.approx(1000 * truth, abs=0.001)
    row = next(row for row in report.split("<tr ") if row.startswith("data-at"))
    for found in (number(slowest.took_ms), slowest.at[11:23], slowest.correlation_id):
        assert found in row
    assert "<svg" in row


def test_a_text_of_a_megabyte_is_cut(tmp_path: Path) -> None:
    run = live(tmp_path, 4, per_second=2, said="x" * 1_000_000, lost_at=frozenset({3}))
    assert len(page(run.folder)) < MOST_BYTES


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parent = tmp_path_factory.mktemp("plain")
    return live(parent, 12, said="plain", lost_at=frozenset({11})).folder


@pytest.mark.parametrize(
    "name", ["run.json", "timeline.csv", "latency.hlog", "slow_turns.jsonl", "errors.jsonl"]
)
@pytest.mark.parametrize("content", [None, b"\xff{", b'{"a": [1'])
def test_what_cannot_be_read_is_named_and_the_rest_is_shown(
    plain: Path, tmp_path: Path, name: str, content: bytes | None
) -> None:
    """A folder may be damaged, or of a version that had no such file."""
    folder = copytree(plain, tmp_path / plain.name)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    made = page(folder)
    assert "FAIL" in made or "PASS" in made
    missing = content is None and name.endswith(".jsonl")
    assert (name in made.partition("Left out")[2]) is not missing
    assert set(re.findall(r'href="#([^"]*)"', made)) <= set(re.findall(r' id="([^"]*)"', made))


def test_it_is_written_beside_the_results_or_wherever_one_wants_it(tmp_path: Path) -> None:
    folder = live(tmp_path, 5, said="plain").folder
    assert write_report(folder) == folder / "report.html"
    elsewhere = tmp_path / "elsewhere.html"
    assert write_report(folder, elsewhere).read_text() == (folder / "report.html").read_text()


def test_where_it_cannot_be_written_the_mend_is_the_option_that_said_so(tmp_path: Path) -> None:
    folder = live(tmp_path, 5, said="plain").folder
    with pytest.raises(UsageError, match=r"cannot write x\.html in .*: No such .* with --html"):
        write_report(folder, tmp_path / "nowhere" / "x.html")


def test_it_says_where_answers_slow_down(hostile: Lived, report: str) -> None:
    """As the third and fourth answer of that run do."""
    assert HOSTILE  # the finding is there whatever else is said
    plain = re.sub(r"<[^>]*>", "", report)
    assert "never answered" in plain
