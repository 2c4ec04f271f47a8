"""Past runs by the routes of the live page: nothing but their files is handed out."""

import json
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from loadkit.pages.report import write_report
from loadkit.swarm.web.past_runs import FILES
from tests.pages.runs import live
from tests.swarm.test_chat import Site
from tests.swarm.worlds import Begin


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, a stranger's folder, and links that lead elsewhere."""
    parent = tmp_path_factory.mktemp("results")
    for name in ("2026-11-22T150654Z-smoke", "2026-11-23T150654Z-smoke"):
        (parent / name).mkdir()
        live(parent / name, 12, said="<b>said</b>", profile="smoke")
        write_report(parent / name)
    away = tmp_path_factory.mktemp("elsewhere")
    (away / "summary.json").write_text("a secret")
    (parent / "linked").symlink_to(away)
    odd = parent / "odd"
    odd.mkdir()
    (odd / "summary.json").symlink_to(away / "summary.json")
    (odd / "report.html").write_text("<script>alert(1)</script>")
    (odd / "secret.key").write_text("a secret")
    (parent / "summary.json").write_text("a secret")
    return parent


@pytest.fixture
def site(results: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr("sys.argv", ["locust"])
    return Site(begin, results_parent=str(results))


def got(site: Site, path: str) -> TestResponse:
    with site.client.get(path) as answer:  # which closes the file
        _ = answer.data
        return answer


def test_they_are_listed_the_newest_first(site: Site) -> None:
    told = json.loads(site.client.get("/chat/runs").text)
    runs = [run for run in told["runs"] if run["state"] == "finished"]
    assert [run["folder"][:10] for run in runs] == ["2026-11-23", "2026-11-22"]
    for run in runs:
        assert run["word"] in ("PASS", "FAIL", "INVALID")
        assert {"report.html", "summary.json", "timeline.csv"} <= set(run["files"])
        assert set(run["files"]) <= set(FILES)


def test_before_the_first_run_the_list_is_empty(tmp_path: Path, begin: Begin, site: Site) -> None:
    none = Site(begin, results_parent=str(tmp_path / "none"))
    assert json.loads(none.client.get("/chat/runs").text)["runs"] == []


@pytest.mark.parametrize("name", ["summary.json", "timeline.csv", "latency.hlog", "run.json"])
def test_a_file_is_saved_as_it_is(site: Site, results: Path, name: str) -> None:
    folder = "2026-11-22T150654Z-smoke"
    answer = got(site, f"/chat/runs/{folder}/{name}")
    assert answer.data == (results / folder / name).read_bytes()
    assert answer.headers["Content-Disposition"] == f"attachment; filename={folder}-{name}"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("folder", ["2026-11-22T150654Z-smoke", "odd"])
def test_a_report_is_shown_and_is_no_page_of_ours(site: Site, folder: str) -> None:
    """Whoever wrote it: it has no origin, and so can ask for nothing."""
    answer = got(site, f"/chat/runs/{folder}/report.html")
    assert answer.status_code == 200
    assert "attachment" not in answer.headers.get("Content-Disposition", "")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts allow-downloads; default-src 'none'")
    assert "allow-same-origin" not in policy


@pytest.mark.parametrize(
    "path",
    [
        "odd/secret.key",
        "odd/summary.json",
        "linked/summary.json",
        "../summary.json",
        "./summary.json",
        "%2e%2e/summary.json",
        "..%2f..%2fetc/summary.json",
        "odd%2f..%2flinked/summary.json",
        "odd/..%2fsummary.json",
        "%00/summary.json",
        "2026-11-22T150654Z-smoke/nothing.json",
        "none/summary.json",
        "a" * 300 + "/summary.json",
    ],
)
def test_nothing_else_is_handed_out(site: Site, path: str) -> None:
    answer = site.client.get(f"/chat/runs/{path}")
    assert answer.status_code == 404
    assert "a secret" not in answer.text


def test_two_are_compared_on_a_page(site: Site) -> None:
    base, new = "2026-11-22T150654Z-smoke", "2026-11-23T150654Z-smoke"
    answer = site.client.get(f"/chat/compare?base={base}&new={new}")
    assert answer.status_code == 200
    assert 'data-chart="change"' in answer.text
    assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("new", ["", "none", "odd", "linked", "../results", "<b>"])
def test_what_is_no_run_is_not_compared(site: Site, new: str) -> None:
    answer = site.client.get(f"/chat/compare?base=2026-11-22T150654Z-smoke&new={new}")
    assert answer.status_code == 400
    assert answer.mimetype == "text/plain"
    assert "there is no finished run" in answer.text


def test_nothing_is_compared_while_a_run_goes_on(site: Site) -> None:
    site.world.options.results_parent = str(site.world.results)
    site.world.controller.start()
    name = "2026-11-22T150654Z-smoke"
    answer = site.client.get(f"/chat/compare?base={name}&new={name}")
    assert "not while a run goes on" in answer.text
