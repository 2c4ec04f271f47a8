"""The web UI of a world, asked by Flask's own client."""

import sys
from typing import Any

import pytest
from flask.testing import FlaskClient
from locust.web import WebUI

from loadkit.swarm.web.chat import install_chat
from loadkit.swarm.web.form import Form
from loadkit.swarm.web.starts import Starts
from tests.swarm.worlds import Begin


class Site:
    """A world whose web UI has the live page."""

    def __init__(self, begin: Begin, **asked: Any) -> None:
        of_locust = {"num_users": None, "spawn_rate": None, "run_time": None}
        more: dict[str, Any] = {"headless": False, "stats_history_enabled": False, **of_locust}
        self.world = begin(**more, **asked)
        base = self.world.options.web_base_path
        web_ui = WebUI(self.world.environment, "127.0.0.1", 1, base, delayed_start=True)
        controller = self.world.controller
        self.form = Form(self.world.options.profile, {"capacity"})
        install_chat(web_ui, controller, Starts(self.world.environment, controller, self.form))
        self.web_ui = web_ui
        app: Any = web_ui.app
        self.client: FlaskClient = app.test_client()


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locust reads its own anew for each page."""
    monkeypatch.setattr(sys, "argv", ["locust"])


@pytest.fixture
def site(begin: Begin, command_line: None) -> Site:
    return Site(begin)
