"""The routes of the live page, by Flask's own client; who may come by which is tried elsewhere."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from locust.web import WebUI

from loadkit.pages.live import ASSETS
from loadkit.swarm.web.chat import install_chat
from tests.swarm.test_run_controller import World


class Site:
    """A world whose web UI has the live page."""

    def __init__(self, folder: Path, **asked: Any) -> None:
        of_locust = {"num_users": None, "spawn_rate": None, "run_time": None}
        more = {"headless": False, "stats_history_enabled": False, **of_locust}
        self.world = World(folder, **more, **asked)
        base = self.world.options.web_base_path
        web_ui = WebUI(self.world.environment, "127.0.0.1", 1, base, delayed_start=True)
        install_chat(web_ui, self.world.controller)
        self.web_ui = web_ui
        app: Any = web_ui.app
        self.client: FlaskClient = app.test_client()


@pytest.fixture(autouse=True)
def _command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locust reads its own anew for each page."""
    monkeypatch.setattr(sys, "argv", ["locust"])


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


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


def test_it_is_below_the_path_that_locust_is_told(tmp_path: Path) -> None:
    site = Site(tmp_path, web_base_path="/load")
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


@pytest.mark.parametrize("path", ["/chat", "/chat/now", "/chat/assets/live.js", "/locust"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_what_is_read_is_read_alone(site: Site, path: str, method: str) -> None:
    assert site.client.open(path, method=method).status_code == 405
