"""The routes of the live page, by Flask's own client; who may come by which is tried elsewhere."""

import json
from typing import Any

import gevent
import pytest

from loadkit.pages.live import ASSETS
from loadkit.swarm.messages import Assignment, Storm
from tests.swarm.doubles import OPEN
from tests.swarm.sites import Site
from tests.swarm.worlds import Begin

pytestmark = pytest.mark.usefixtures("command_line")


def test_the_ui_opens_on_it_and_locusts_own_page_is_a_click_away(site: Site) -> None:
    opened = site.client.get("/")
    assert (opened.status_code, opened.location) == (302, "/chat")
    page = site.client.get("/chat")
    assert page.status_code == 200
    assert 'href="locust"' in page.text
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    theirs = site.client.get("/locust")
    assert theirs.status_code == 200
    assert "assets/src-" in theirs.text  # Locust's own script, from where it is
    assert "[name=userCount]" in theirs.text.partition("</head>")[0]  # and no dead fields


def test_it_is_below_the_path_that_locust_is_told(begin: Begin) -> None:
    site = Site(begin, web_base_path="/load")
    assert site.client.get("/load/").location == "/load/chat"
    assert site.client.get("/load/chat").status_code == 200
    assert site.client.get("/load/chat/assets/live.js").status_code == 200
    assert site.client.get("/load/locust").status_code == 200
    assert site.client.get("/chat").status_code == 404


@pytest.mark.parametrize("name", ASSETS)
def test_what_the_page_is_made_of_is_sent_once(site: Site, name: str) -> None:
    """A browser that has it is told so."""
    sent = site.client.get(f"/chat/assets/{name}")
    assert sent.status_code == 200
    assert sent.mimetype == ASSETS[name]
    again = site.client.get(f"/chat/assets/{name}", headers={"If-None-Match": sent.headers["ETag"]})
    assert again.status_code == 304
    assert not again.data


@pytest.mark.parametrize("name", ["page.py", "../page.py", "%2e%2e/page.py", "vendored.json", ""])
def test_nothing_else_is_sent(site: Site, name: str) -> None:
    assert site.client.get(f"/chat/assets/{name}").status_code == 404


@pytest.mark.parametrize("since", ["", "0", "-1", "x", "1e9", "99999999999999999999999"])
def test_whatever_a_tab_believes_to_have(site: Site, since: str) -> None:
    """What is no version is none."""
    answer = site.client.get(f"/chat/now?since={since}")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert json.loads(answer.text)["now"]["stage"] == "none"


def done(site: Site, what: str, **fields: str) -> tuple[bool, str]:
    answer = site.client.post(f"/chat/{what}", data=fields)
    told = json.loads(answer.text)
    assert answer.status_code == (200 if told["success"] else 400)
    return told["success"], told["message"]


def test_the_form_offers_each_profile_with_its_question(site: Site) -> None:
    told = json.loads(site.client.get("/chat/setup").text)
    assert told["profiles"][0] == {"name": site.form.first, "question": "Ok?"}
    names = [one["name"] for one in told["profiles"]]
    assert "smoke" in names
    assert all(one["question"] for one in told["profiles"])
    assert told["host"] == "http://127.0.0.1:8100"
    assert told["capacity"] is False


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"seed": "x"}, "the seed is a whole number from 0 on, not 'x'"),
        ({"seed": "-1"}, "the seed is a whole number"),
        ({"seed": "9" * 400}, "the seed is a whole number"),
        ({"seed": "٣"}, "the seed is a whole number"),
        ({"scale": "0"}, "the load is a number above 0"),
        ({"scale": "-2"}, "the load is a number above 0"),
        ({"scale": "nan"}, "the load is a number above 0"),
        ({"scale": "1e99"}, "the load is a number above 0 and at most 10,000"),
        ({"time_scale": "fast"}, "the time scale is a number above 0"),
        ({"time_scale": "inf"}, "the time scale is a number above 0"),
        ({"profile": "smoek"}, "did you mean 'smoke'?"),
        ({"profile": "/etc/passwd"}, "there is no profile '/etc/passwd'"),
        ({"host": "http://127.0.0.2:1"}, "may not have the connector token"),
        ({"html_file": "/tmp/x"}, "the form has no field 'html_file'"),
        ({"profile_overrides": "load.seed=1"}, "the form has no field 'profile_overrides'"),
    ],
)
def test_a_form_that_cannot_be_run_changes_nothing(
    site: Site, fields: dict[str, str], says: str
) -> None:
    before = vars(site.world.options).copy()
    success, message = done(site, "start", **fields)
    assert not success
    assert says in message
    assert vars(site.world.options) == before


def test_what_the_form_sets_is_in_the_profile_that_is_run(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read as the run will read it."""
    checked: list[Any] = []
    upcoming = site.world.controller.next
    monkeypatch.setattr(upcoming, "check", lambda url: checked.append((url, upcoming.profile())))
    monkeypatch.setattr(site.world.master, "start_shape", lambda: None)
    assert done(site, "start", seed="9", scale="2.5", time_scale="0.5") == (True, "")
    ((url, profile),) = checked
    assert url == "http://127.0.0.1:8100"
    assert (profile.load.seed, profile.conversation.time_scale) == (9, 0.5)
    assert [(one.duration, one.users) for one in profile.load.stages] == [(0.0, 10), (60.0, 10)]
    assert done(site, "start") == (True, "")  # the next one is the profile's own again
    assert checked[1][1].load.seed == 1
    assert checked[1][1].load.peak_users == 4


def test_one_run_at_a_time(site: Site) -> None:
    site.world.controller.start()
    assert done(site, "start") == (False, "a run is under way: stop it before you start another")


@pytest.mark.parametrize("what", ["stop", "storm", "load", "mark"])
def test_there_is_nothing_to_be_done_without_a_run(site: Site, what: str) -> None:
    fields = {"percent": "5", "times": "2", "note": "here"}
    assert done(site, what, **fields) == (False, "no run is under way")


def test_a_start_that_waits_for_its_workers_can_be_called_off(site: Site) -> None:
    """And then another one can be made."""
    waits = gevent.spawn(gevent.sleep, 600)
    site.world.master.shape_greenlet = waits
    assert done(site, "start")[0] is False
    assert done(site, "stop") == (True, "the start is called off")
    assert waits.dead
    assert json.loads(site.client.get("/chat/now").text)["now"]["stage"] == "none"
    assert done(site, "stop") == (False, "no run is under way")


def test_what_is_done_by_hand_is_done_by_the_workers_and_noted(site: Site) -> None:
    """In the run's record, on its page and in its verdict."""
    world = site.world
    run = world.controller.start()
    assert done(site, "storm", percent="40") == (True, "storm of 40 %")
    assert done(site, "storm", percent="5") == (True, "storm of 5 %")
    storms = world.master.told(Storm)
    assert [(one.run, one.number, one.share) for one in storms] == [(run, 1, 0.4), (run, 2, 0.05)]
    assert done(site, "load", times="3") == (True, "load × 3")
    assert world.controller.load().stages[-1].users == 12
    assert world.controller.load().duration_s == pytest.approx(60)
    assert done(site, "load", times="0") == (True, "load paused")
    assert world.controller.load().stages[-1].users == 0
    assert done(site, "load", times="1") == (True, "load as planned")
    assert world.controller.load().stages[-1].users == 4
    assert done(site, "mark", note=" <b>v2</b>\n is out ") == (True, "<b>v2</b> is out")
    told = json.loads(site.client.get("/chat/now").text)
    assert told["now"]["stage"] == "under way"
    summary = world.end()
    assert "changed by hand: storm of 40 %; storm of 5 %; load × 3" in summary["notes"][-1]
    assert summary["notes"][-1].endswith("load × 3; load paused; load as planned")
    (path,) = world.results.glob("*/summary.json")
    assert [(one["kind"], one["text"]) for one in summary["by_hand"]] == [
        ("storm", "storm of 40 %"),
        ("storm", "storm of 5 %"),
        ("load", "load × 3"),
        ("load", "load paused"),
        ("load", "load as planned"),
        ("mark", "<b>v2</b> is out"),
    ]
    page = path.with_name("report.html").read_text()
    assert "<b>v2" not in page
    listed = page[page.index('id="by-hand"') :]
    assert listed.index("storm of 40 %") < listed.index("load paused") < listed.index("&lt;b&gt;v2")
    assert "v2" in page


def test_arrivals_are_told_to_the_workers(begin: Begin) -> None:
    site = Site(begin, profile=OPEN)
    site.world.controller.start()
    assert done(site, "load", times="0") == (True, "load paused")
    deals = [deal for deal in site.world.master.told(Assignment) if deal.stages is not None]
    assert {deal.stages[-1].arrivals_per_second for deal in deals} == {0.0}
    assert len(deals) == 2  # each worker


@pytest.mark.parametrize(
    ("what", "fields", "says"),
    [
        ("storm", {"percent": "0"}, "a storm hits more than 0"),
        ("storm", {"percent": "101"}, "a storm hits more than 0"),
        ("storm", {"percent": "nan"}, "percent is a number, not 'nan'"),
        ("storm", {}, "percent is a number, not ''"),
        ("load", {"times": "-1"}, "the load is 0 to 100 times"),
        ("load", {"times": "inf"}, "times is a number, not 'inf'"),
        ("load", {"times": "<b>"}, "times is a number, not '<b>'"),
        ("mark", {"note": " "}, "a mark has a note"),
        ("mark", {}, "a mark has a note"),
    ],
)
def test_what_cannot_be_done_by_hand(
    site: Site, what: str, fields: dict[str, str], says: str
) -> None:
    site.world.controller.start()
    success, message = done(site, what, **fields)
    assert not success
    assert says in message
    run = site.world.controller.run
    assert run is not None
    assert not run.by_hand


@pytest.mark.parametrize("what", ["start", "stop", "storm", "load", "mark"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_nothing_is_done_by_another_method(site: Site, what: str, method: str) -> None:
    assert site.client.open(f"/chat/{what}", method=method).status_code == 405


READ = ["/chat", "/chat/setup", "/chat/now", "/chat/assets/live.js", "/locust"]


@pytest.mark.parametrize("path", READ)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_what_is_read_is_read_alone(site: Site, path: str, method: str) -> None:
    assert site.client.open(path, method=method).status_code == 405
