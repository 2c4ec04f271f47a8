"""For tests of plans: storms of some hundred clients instead of two hundred thousand."""

import pytest

from loadkit.sizing import storm


@pytest.fixture
def small_storms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each simulated client stands for more sessions; what becomes of storms is `test_storm`'s."""
    monkeypatch.setattr(storm, "_MOST", 100)
    monkeypatch.setattr(storm, "_SLICE", storm.BIN)
