"""A comparison as it is read: on a terminal, in a pull request, by a script."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from loadkit import cli
from loadkit.compare import markdown, terminal
from loadkit.compare.command import document
from loadkit.compare.comparison import Comparison, Difference, Held
from loadkit.compare.words import first_line
from loadkit.report.screen import Screen
from tests.compare.folders import lived
from tests.compare.test_limits import RUN, WORSE, compared

HOSTILE = "a\x1b]0;owned\x07\u202eb | <script> @everyone ::error::"


def screened(found: Comparison, width: int = 120) -> str:
    screen = Screen()
    screen.file, screen.width = StringIO(), width
    terminal.render(found, screen)
    return screen.file.getvalue()


@pytest.mark.parametrize(
    ("found", "begins"),
    [
        (compared(WORSE), "WORSE  response.p95 +17.5 % (812 → 954 ms)"),
        (compared(replace(WORSE, verdict="better")), "BETTER  response.p95"),
        (
            compared(replace(WORSE, verdict="noise")),
            "SAME  no change that is more than noise; of re",
        ),
        (compared(doubts=("NEW is suspect: CPU",)), "NOT TO BE TRUSTED  NEW is suspect: CPU"),
        (compared(judged=0), "UNKNOWN"),
        (
            compared(replace(WORSE, verdict="unknown", why="too few samples")),
            "UNKNOWN  whether answers took longer cannot be told: too few samples",
        ),
        (
            compared(WORSE, held=(Held("response.p95 > 10%", "response.p95", "broken", "so"),)),
            "FAIL  response.p95 > 10% (so)",
        ),
    ],
)
def test_the_first_line_has_the_news(found: Comparison, begins: str) -> None:
    """On a terminal and in Markdown alike."""
    assert first_line(found).startswith(begins)
    assert screened(found, 400).startswith(begins)
    assert markdown.document(found).startswith(f"## {begins.partition('  ')[0]}: smoke")


def test_what_would_have_been_seen_is_told() -> None:
    """In words and in the table."""
    found = compared(replace(WORSE, verdict="noise"))
    assert "a regression of 12 % or more would have been seen" in first_line(found)
    assert "+12.0 %" in screened(found)


def test_a_strangers_texts_do_nothing() -> None:
    """Whatever stands in a summary.json, a profile or a file's name."""
    stranger = replace(RUN, path=HOSTILE, profile=HOSTILE, target=HOSTILE, doubts=(HOSTILE,))
    found = compared(
        WORSE,
        base=stranger,
        doubts=(HOSTILE,),
        notes=(HOSTILE,),
        settings=(Difference(HOSTILE, HOSTILE, None),),
        pairing=HOSTILE,
    )
    for text in (screened(found), markdown.document(found), document(found)):
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert not any(line.startswith("::") for line in screened(found).splitlines())
    page = markdown.document(found)
    assert "<script>" not in page.replace(r"\<script", "")
    assert " @everyone" not in page
    assert json.loads(document(found))["base"]["profile"] == HOSTILE


def test_the_table_has_a_line_for_each_figure_whatever_the_width() -> None:
    """In a log nothing wraps it, and no figure is broken."""
    lines = screened(compared(WORSE), 40).splitlines()
    (line,) = [each for each in lines if each.startswith(WORSE.metric)]
    assert "+17.5 % +10.0 … +25.0 % worse" in line


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    lived(folder / "base", seed=1)
    lived(folder / "slower", seed=3, slower=1.4)
    return folder


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["base", "base"], 0),
        (["base", "slower"], 1),
        (["slower", "base"], 0),
        (["slower", "--baseline", "base"], 1),
        (["base", "slower", "--fail-on", "response.p50 > 300%"], 0),
        (["base", "slower", "--fail-on", "response.p50 > 10%"], 1),
        (["base", "slower", "--fail-on", "nonsense"], 2),
        (["base", "slower", "--fail-on", "connect.p50 > 10%"], 2),
        (["base"], 2),
        (["base", "missing"], 2),
        (["base", "slower", "-o", "x"], 2),
    ],
)
def test_the_exit_code_is_what_it_comes_to(
    runs: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int
) -> None:
    """0 nothing got worse, 1 something did, 2 a mistake."""
    monkeypatch.chdir(runs)
    assert cli.main(["compare", *words]) == code


def test_more_than_two_runs_are_a_trend(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line each, in the order given; the last one is compared with the first."""
    names = ("base", "slower", "base")
    words = ["compare", *(str(runs / name) for name in names)]
    assert cli.main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [Path(step["run"]["path"]).name for step in told["trend"]] == list(names)
    assert told["base"] == told["new"]
    middle = told["trend"][1]
    low, high = middle["intervals_ms"]["p95"]
    assert low < middle["response_ms"]["p95"] < high
    assert cli.main([*words, "--markdown"]) == 0
    page = capsys.readouterr().out
    assert f"{middle['response_ms']['p95']:,.0f} (" in page
    assert page.count("| 2026-11-22T15:06:54Z |") == 3


def test_a_document_goes_to_a_file(runs: Path, tmp_path: Path) -> None:
    """Markdown and JSON; both say the same."""
    words = ["compare", str(runs / "base"), str(runs / "slower")]
    assert cli.main([*words, "--markdown", "-o", str(tmp_path / "a.md")]) == 1
    assert cli.main([*words, "--json", "-o", str(tmp_path / "a.json")]) == 1
    told = json.loads((tmp_path / "a.json").read_text())
    assert told["schema"] == "loadkit.comparison/1"
    assert "response.p50" in told["regressions"]
    assert told["exit_code"] == 1
    page = (tmp_path / "a.md").read_text()
    assert page.startswith("## WORSE: smoke")
    assert all(metric in page for metric in told["regressions"])
