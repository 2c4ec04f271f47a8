"""Answers that take a small share of a process' time."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from loadkit.swarm.web import server as module
from loadkit.swarm.web.server import SHARE, Paced


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which sleep lets pass."""
    now = [100.0]
    monkeypatch.setattr(module, "perf_counter", lambda: now[0])

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(module.gevent, "sleep", sleep)
    return now


def application(clock: list[float], took: float) -> Callable[..., Iterable[bytes]]:
    def answer(environ: Any, start_response: Any) -> Iterable[bytes]:
        clock[0] += took
        return [environ]

    return answer


def test_whoever_asks_once_in_a_while_never_waits(clock: list[float]) -> None:
    """As Prometheus does."""
    app = Paced(application(clock, 0.03))
    for _ in range(3):
        asked = clock[0]
        assert app(b"it", None) == [b"it"]
        assert clock[0] == pytest.approx(asked + 0.03)
        clock[0] += 15.0


def test_those_who_ask_without_end_get_their_share_and_no_more(clock: list[float]) -> None:
    """Of every second the process has nine tenths for the run."""
    app, began = Paced(application(clock, 0.03)), clock[0]
    for _ in range(100):
        app(b"it", None)
    assert 100 * 0.03 / (clock[0] - began) == pytest.approx(SHARE, rel=0.02)
