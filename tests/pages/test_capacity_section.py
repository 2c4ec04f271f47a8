"""What a capacity search found, on the page of its run."""

from pathlib import Path

from loadkit.capacity.document import completed, save, sentence
from loadkit.pages.capacity_section import capacity
from loadkit.pages.report import page
from tests.capacity.searches import found, step

from .runs import live
from .test_report import charts

HOSTILE = "</td><script>alert(1)</script>"


def searched(folder: Path) -> dict[str, object]:
    document = completed(found(steps=[step(1, 400, "held"), step(2, 100, "held", why=HOSTILE)]))
    save(folder, document)
    return document


def test_the_answer_comes_first_and_each_step_has_its_row(tmp_path: Path) -> None:
    document = searched(tmp_path)
    wrong: list[str] = []
    made, (chart,) = capacity(tmp_path, wrong)
    assert made.index(sentence(document).split()[-1]) < made.index("capacity-curve")
    assert made.count("<tr>") == 1 + len(document["steps"])  # type: ignore[arg-type]
    assert wrong == []
    assert chart.columns["load"] == ["100, held", "400, held"]


def test_what_a_server_said_does_nothing(tmp_path: Path) -> None:
    searched(tmp_path)
    assert "<script>" not in capacity(tmp_path, [])[0]


def test_it_is_on_the_page_of_its_run_alone(tmp_path: Path) -> None:
    folder = live(tmp_path, 5, said="plain").folder
    assert "capacity-curve" not in charts(page(folder))
    searched(folder)
    assert charts(page(folder))["capacity-curve"]["load"] == ["100, held", "400, held"]


def test_a_damaged_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "capacity.json").write_text('{"schema": 1}')
    wrong: list[str] = []
    assert capacity(tmp_path, wrong) == ("", [])
    assert "capacity.json" in wrong[0]
