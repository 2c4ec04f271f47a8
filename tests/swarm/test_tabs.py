"""What the tabs of our own on Locust's page show, held against what the workers said."""

from typing import Any

import pytest

from loadkit.figures import Count, Ending, Phase
from loadkit.swarm.web.tabs import LAST_RUN
from tests.swarm.sites import Site


def told(site: Site) -> dict[str, list[dict[str, Any]]]:
    content = site.client.get("/stats/requests").get_json()
    return {table["key"]: table["data"] for table in content["extended_stats"]}


def test_each_tab_has_a_table_of_its_own_and_its_columns(site: Site) -> None:
    args = site.web_ui.template_args
    tabs = [tab["key"] for tab in args["extended_tabs"]]
    assert tabs == ["phases", "sessions", "validity"]
    assert [table["key"] for table in args["extended_tables"]] == tabs
    site.world.controller.start()
    rows = told(site)
    for table in args["extended_tables"]:
        columns = {column["key"] for column in table["structure"]}
        assert all(row.keys() == columns for row in rows[table["key"]])


def test_without_a_run_they_are_empty_and_say_so(site: Site) -> None:
    rows = told(site)
    assert (rows["phases"], rows["sessions"]) == ([], [])
    assert rows["validity"] == [{"of": "validity", "stands": "no run yet", "limit": ""}]


def test_they_have_the_figures_of_the_run_and_of_its_verdict(site: Site) -> None:
    world = site.world
    run = world.controller.start()
    world.recorder.session_started()
    world.recorder.session_started()
    world.recorder.session_ended(Ending.USER_END)
    world.recorder.sample(Phase.HANDOFF_WAIT, None, 6.0, 8.5)
    world.recorder.count(Count.HANDOFFS_TRIGGERED)
    world.report(run, 1, answers=40)
    summary = world.end()
    rows = told(site)
    phases = {row["of"]: row for row in rows["phases"]}
    whole = summary["latency_ms"]
    assert {name: row["count"] for name, row in phases.items()} == {
        name: found["count"] for name, found in whole.items()
    }
    assert phases["handoff_wait"]["max"] == whole["handoff_wait"]["max"] == 2500
    assert phases["handoff_wait"]["p50"] == "–"  # of one sample
    assert phases["response"]["p50"] == pytest.approx(whole["response"]["p50"], abs=0.05)
    sessions = {row["of"]: row for row in rows["sessions"]}
    assert sessions["begun"]["count"] == summary["sessions"]["started"] == 2
    assert sessions["ended: user end"]["share"] == 50
    assert sessions["hand-offs: begun"]["count"] == 1
    verdict, validity, *reasons = rows["validity"]
    assert validity["stands"] == summary["verdict"]["validity"]
    assert verdict["of"] == "verdict"
    doubts = [one["text"] for one in summary["verdict"]["reasons_detail"]]
    given = {row["stands"] for row in reasons if row["of"] == "reason"}
    assert given
    assert given < set(doubts)  # the other one is that it was stopped: the verdict's own


def test_the_files_of_the_last_run_are_among_the_downloads(site: Site) -> None:
    """What is not there yet says when it will be; nothing else is handed out."""
    links = [one["href"] for one in site.web_ui.template_args["extended_csv_files"]]
    assert f"./{LAST_RUN}/summary.json" in links
    none = site.client.get(f"/{LAST_RUN}/summary.json")
    assert (none.status_code, none.text) == (
        404,
        "There is no summary.json yet: no run has been started.\n",
    )
    site.world.controller.start()
    assert "when the run is over" in site.client.get(f"/{LAST_RUN}/summary.json").text
    site.world.end()
    for link in links[1:]:
        with site.client.get(link.removeprefix(".")) as answer:
            assert answer.status_code == 200, link
            assert answer.data or link.endswith((".jsonl", ".log"))
    assert site.client.get(f"/{LAST_RUN}/journal.jsonl").status_code == 404
