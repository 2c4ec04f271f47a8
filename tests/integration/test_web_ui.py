"""Locust's web UI with our profiles in it, by HTTP alone: what its page asks for."""

import contextlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from browser import browser, needs_browser
from processes import (
    READY_BOTH,
    SECRETS,
    TOKEN,
    Simulator,
    Started,
    free_port,
    profile,
    started,
)
from test_pages import DRAW, INK
from web_ui import Ui

TOO_WIDE = """[...document.querySelectorAll('body *')].filter((one) =>
  one.getBoundingClientRect().right > 391 && !one.closest('.wide')).map((one) => one.outerHTML)"""


@contextlib.contextmanager
def served(folder: Path, server: Simulator) -> Iterator[Ui]:
    path = profile(folder, seconds=3)
    port, out = free_port(), folder / "out"
    command = [READY_BOTH, "ui", path, "--port", str(port), "--host", server.url]
    with started([*command, "--workers", "1", "--out", out], folder, SECRETS) as process:
        yield Ui(process, port, out)


@pytest.fixture(scope="module")
def ui(server: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """One for all that ask it one after the other, the last of whom ends it."""
    with served(tmp_path_factory.mktemp("ui"), server) as running:
        yield running


class Once(NamedTuple):
    """A run of the command line with its page."""

    process: Started
    port: int
    out: Path

    def seen(self) -> Ui:
        return Ui(self.process, self.port, self.out)


@pytest.fixture(scope="module")
def once(
    server: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Once, Once]]:
    """Two at once: one that comes to its end, one that would last."""

    def begun(seconds: float, more: str = "") -> Once:
        folder, port = tmp_path_factory.mktemp("once"), free_port()
        path, out = profile(folder, seconds=seconds, more=more), folder / "out"
        command = [READY_BOTH, "run", path, "--web", str(port), "--host", server.url]
        command += ["--workers", "1", "--out", out]
        return Once(stack.enter_context(started(command, folder, SECRETS)), port, out)

    with contextlib.ExitStack() as stack:
        yield begun(5, '[slo]\n"response.p50" = "1ms"'), begun(600)


def test_a_run_of_the_command_line_shows_its_page_and_ends_by_itself(
    once: tuple[Once, Once], server: Simulator
) -> None:
    """With its verdict as the exit code; nobody starts another run there."""
    ui = once[0].seen()
    ui.until(lambda: ui.now()["stage"] == "under way", "under way")
    assert ui.get("/chat/setup")["once"] is True
    refused = ui.post("/chat/start", host=server.url)
    assert "this process is of one run" in refused["message"]
    ui.until(lambda: ui.now()["stage"] == "over", "over, and told so")
    told = ui.now()["over"]
    # Nothing answers within 1 ms; on a machine that is full the run is invalid besides.
    assert ui.process.finish().code == told["exit_code"] != 0
    assert told["word"] in ui.process.output
    assert "Aggregated" not in ui.process.output  # Locust's own table


def test_ctrl_c_in_a_run_with_its_page_writes_the_results(once: tuple[Once, Once]) -> None:
    ui = once[1].seen()
    ui.until(lambda: ui.folders() and ui.is_answered(), "answering")
    ui.process.send(signal.SIGINT)
    assert ui.process.finish().code == 130
    assert told_last(ui)["stopped_early"].endswith("by Ctrl-C (SIGINT)")


def told_last(ui: Ui) -> dict[str, Any]:
    """The summary of the last run."""
    content: dict[str, Any] = json.loads((ui.folders()[-1] / "summary.json").read_text())
    return content


def test_a_run_from_the_page_to_its_results(ui: Ui, server: Simulator) -> None:
    assert "chat/assets/live.js" in ui.page("/")  # it opens on our own
    page = ui.page()
    assert '"smoke"' in page  # offered in the form's Profile field
    assert TOKEN not in page
    assert not ui.out.exists()  # nothing was asked for yet

    refused = ui.post("/swarm", profile="smoek", host=server.url)
    assert refused["success"] is False
    assert "there is no profile 'smoek'; did you mean 'smoke'?" in refused["message"]

    wrong = profile(ui.out.parent, name="wrong", more="tiem_scale = 1")
    refused = ui.post("/swarm", profile=str(wrong), host=server.url)
    assert refused["success"] is False
    assert "unknown key 'tiem_scale'" in refused["message"]
    assert ui.state() == "ready"

    for number in (1, 2):  # the second time everything starts from zero again
        form = {"profile": str(ui.out.with_name("tiny.toml")), "host": server.url}
        assert ui.post("/swarm", **form)["success"] is True
        ui.until(lambda count=number: len(ui.folders()) == count, "running")
        ui.until(ui.is_written, "over")  # by its profile

    ui.until(lambda: ui.now()["stage"] == "over", "over on the live page")
    for folder in ui.folders():
        told = json.loads((folder / "summary.json").read_text())
        assert told["verdict"]["slo"] == "none"
        assert 6 <= told["sessions"]["started"] < 60
        assert told["latency_ms"]["response"]["count"] == told["turns"]["answered"] > 0

    now, answered = ui.now(), told["turns"]["answered"]
    assert now["folder"] == folder.name
    assert now["answered"] == answered
    assert now["latency"]["response"]["overall"]["count"] == answered
    assert now["over"]["exit_code"] == told["verdict"]["exit_code"]
    ui.until(lambda: ui.rows()["response"] == answered, "showing every answer")
    rows = ui.rows()
    assert rows["Aggregated"] == rows["response"]  # the headline alone makes the total
    assert all(rows[phase] for phase in ("echo", "greeting", "connect", "token"))
    doubts = ui.process.output.count("conversation.patience (1m) is no shorter than those 3s")
    assert doubts == 2  # once a run


def test_a_run_is_alone_and_when_stopped_from_the_page_writes_its_results(
    ui: Ui, server: Simulator
) -> None:
    path, before = profile(ui.out.parent, name="long", seconds=600), len(ui.folders())
    begun = ui.post("/swarm", profile=str(path), host=server.url)
    assert begun["success"] is True, begun
    ui.until(lambda: len(ui.folders()) > before and ui.is_answered(), "answering")
    refused = ui.post("/swarm", profile=str(path), host=server.url)
    assert refused["success"] is False
    assert "a run is under way" in refused["message"]
    assert ui.post("/stop")["success"] is True
    ui.until(ui.is_written, "written")
    told = told_last(ui)
    assert told["turns"]["answered"] > 0
    assert told["latency_ms"]["response"]["count"] == told["turns"]["answered"]
    assert told["stopped_early"].endswith(" of 600 s, by Stop in the web UI")
    assert told["verdict"]["exit_code"] == 3

    stranger = f"http://127.0.0.1:{free_port()}"
    refused = ui.post("/swarm", profile=str(path), host=stranger)
    assert refused["success"] is False
    assert f"{stranger} may not have the connector token" in refused["message"]


def test_a_run_is_driven_from_the_live_page(ui: Ui, server: Simulator) -> None:
    """From its form, by storms, another load and a mark, to its report."""
    path, before = profile(ui.out.parent, name="driven", seconds=600), len(ui.folders())
    form = {"profile": str(path), "host": server.url, "seed": "5", "scale": "0.5"}
    begun = ui.post("/chat/start", **form)
    assert begun["success"] is True, begun
    ui.until(lambda: len(ui.folders()) > before and ui.is_answered(), "answering")
    asked = ui.now()["asked"]["users"]
    assert ui.post("/chat/storm", percent="100")["success"] is True
    ui.until(lambda: ui.now()["disconnects"]["cut on purpose"] > 0, "struck")
    ui.until(lambda: ui.now()["disconnects"]["came back"] > 0, "back")
    assert ui.post("/chat/load", times="2")["success"] is True
    ui.until(lambda: ui.now()["sessions"] > asked, "more")
    assert ui.now()["asked"]["users"] == 2 * asked
    assert ui.post("/chat/load", times="0")["success"] is True
    ui.until(lambda: ui.now()["sessions"] == 0, "paused")
    assert ui.now()["stage"] == "under way"
    assert ui.post("/chat/mark", note="<i>seen</i>")["success"] is True
    assert ui.post("/chat/stop")["success"] is True
    ui.until(lambda: ui.now()["stage"] == "over" and ui.is_written(), "written")
    info = json.loads((ui.folders()[-1] / "run.json").read_text())
    assert info["profile"]["load"]["seed"] == 5
    again = f"loadkit run {path} --host {server.url} --set load.seed=5 --set 'load.stages=["
    assert info["again"].startswith(again)  # what the form said, as a command
    told = told_last(ui)
    assert [one["kind"] for one in told["by_hand"]] == ["storm", "load", "load", "mark"]
    assert told["disconnects"]["forced"] > 0
    assert told["errors"] == {}
    assert told["stopped_early"].endswith("by Stop on the live page")
    report = (ui.folders()[-1] / "report.html").read_text()
    assert "storm of 100 %" in report
    assert "<i>seen" not in report


@needs_browser
def test_the_live_page_in_a_browser(ui: Ui, tmp_path: Path) -> None:
    """On a phone: every chart of the last run, the list of runs, and nothing to complain about."""
    with browser(tmp_path) as page:
        page.open(ui.url + "/", width=390, dark=True)
        page.until("document.querySelectorAll('#charts .chart').length >= 5")
        page.until("document.querySelectorAll('#past tr').length > 1")
        page.run(DRAW)
        ink = page.run(INK)
        assert [chart for chart in ink if chart[1] < 10] == []
        assert page.run(TOO_WIDE) == []
        assert page.run("document.getElementById('under-way').hidden") is True
        page.run("document.querySelector('#start [name=seed]').value = 'x'")
        page.run("document.querySelector('#start button').click()")
        page.until("document.querySelector('#start .said').textContent.includes('whole number')")
        refused = "status of 400"  # which a browser notes of itself
        wrong = [each for each in page.complaints if refused not in each]
        assert [each for each in wrong if f"fetches {ui.url}/" not in each] == []
        begun = told_last(ui)["sessions"]["started"]
        page.open(f"{ui.url}/locust?tab=sessions")
        rows = "[...document.querySelectorAll('tbody tr')].map((row) => row.innerText)"
        page.until(f"{rows}.some((row) => row.startsWith('begun'))")
        assert page.run(rows)[0].split("\t") == ["begun", str(begun), "100"]


def test_a_capacity_search_is_an_option_of_the_form(ui: Ui, server: Simulator) -> None:
    """It is offered, refused where there is no service level, and runs in place of the stages."""
    assert '"capacity"' in ui.page()
    form = {"profile": str(ui.out.with_name("tiny.toml")), "host": server.url, "capacity": "true"}
    refused = ui.post("/swarm", **form)
    assert refused["success"] is False
    assert '"response.p95" = "2.5s"' in refused["message"]

    more = '[slo]\n"response.p50" = "5s"\n[results]\ninterval = "100ms"\n[capacity]\nstart = 4'
    more += '\nceiling = 4\nramp = "100ms"\nmeasure = "500ms"\nhold = "500ms"'
    searched = profile(ui.out.parent, name="searched", more=more, seconds=600)
    before = len(ui.folders())
    assert ui.post("/swarm", **form | {"profile": str(searched)})["success"] is True
    ui.until(lambda: len(ui.folders()) > before and ui.is_written(), "over")  # by its own end
    told = json.loads((ui.folders()[-1] / "capacity.json").read_text())
    assert told["capacity"]["limit"] in {"ceiling", "generator"}  # where the machine is full
    assert told["capacity"]["load"] == 4


def test_a_signal_in_mid_run_writes_the_results_and_ends_everything(
    ui: Ui, server: Simulator
) -> None:
    path, before = profile(ui.out.parent, name="long", seconds=600), len(ui.folders())
    begun = ui.post("/swarm", profile=str(path), host=server.url, capacity="false")
    assert begun["success"] is True, begun
    ui.until(lambda: len(ui.folders()) > before and ui.is_answered(), "answering")
    ui.process.send(signal.SIGINT)
    assert ui.process.finish().code == 130
    told = told_last(ui)
    assert told["turns"]["answered"] > 0
    assert told["sessions"]["ended"]["cut_off"] > 0
    assert told["generator"]["workers"] == 1
    assert told["verdict"]["exit_code"] == 3
    assert told["stopped_early"].endswith(" of 600 s, by Ctrl-C (SIGINT)")
