"""Two runs side by side on one page."""

import re
from dataclasses import replace

import pytest

from loadkit.compare.compare import compare, told
from loadkit.compare.comparison import Comparison
from loadkit.compare.stored_run import load_run
from loadkit.compare.trend import step
from loadkit.compare.words import cells, first_line
from loadkit.pages.comparison_page import comparison_page

from .conftest import HOSTILE
from .runs import Lived, live
from .test_page import Tags
from .test_report import charts


@pytest.fixture(scope="module")
def found(hostile: Lived, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    slower = live(
        tmp_path_factory.mktemp("slower"), 30, said=HOSTILE, info={"machine": {"host": HOSTILE}}
    )
    runs = [load_run(run.folder) for run in (hostile, slower)]
    compared = compare(*runs)
    return replace(compared, trend=tuple(step(told(run), run.summary) for run in [*runs, runs[0]]))


@pytest.fixture(scope="module")
def made(found: Comparison) -> str:
    return comparison_page(found)


def test_it_begins_with_what_it_comes_to(found: Comparison, made: str) -> None:
    """In the words of a terminal, before any chart."""
    said = " ".join("".join(Tags(made).texts).split())
    word = first_line(found).split()[0]
    assert said.index(word) < said.index("What changed")


def test_every_change_is_drawn_and_told_as_it_is_on_a_terminal(
    found: Comparison, made: str
) -> None:
    """With its interval and its verdict."""
    drawn = charts(made)["change"]
    latencies = [each for each in found.changes if each.kind == "latency" and each.change]
    assert set(drawn["figure"]) >= {each.metric for each in latencies}
    for each in latencies:
        at = drawn["figure"].index(each.metric)
        assert each.change is not None
        assert drawn["change"][at] == pytest.approx(100 * each.change, abs=0.001)
        assert drawn["verdict"][at] == each.verdict
        row = next(row for row in made.split("<tr>") if f">{each.metric}</th>" in row)
        assert cells(each)[1].split(" ")[0] in row


def test_the_curves_of_both_are_drawn(found: Comparison, made: str) -> None:
    points = found.curves[0].points
    assert charts(made)["nines"]["base"] == [round(one.base_ms, 3) for one in points]
    assert charts(made)["nines"]["new"] == [round(one.new_ms, 3) for one in points]


def test_a_row_of_runs_is_drawn_in_its_order(found: Comparison, made: str) -> None:
    p95 = [one.response_ms["p95"] for one in found.trend]
    assert charts(made)["trend"]["p95"] == p95


def test_what_strangers_said_does_nothing(made: str) -> None:
    parsed = Tags(made)
    assert not {"img", "iframe", "a"} & {tag for tag, _ in parsed.tags}
    assert [tag for tag, _ in parsed.tags].count("script") == 3


def test_its_ids_are_each_of_one_place(made: str) -> None:
    ids = re.findall(r' id="([^"]*)"', made)
    assert len(ids) == len(set(ids))
