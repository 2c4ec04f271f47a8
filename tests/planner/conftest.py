"""For tests of plans: storms of some hundred clients instead of two hundred thousand."""

import pytest

from loadkit.planner import reconnect_storm


@pytest.fixture
def small_storms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each simulated client stands for more sessions; what becomes of storms is `test_storm`'s."""
    monkeypatch.setattr(reconnect_storm, "_MOST_CLIENTS", 100)
    monkeypatch.setattr(reconnect_storm, "_SLICE", reconnect_storm.BIN)
