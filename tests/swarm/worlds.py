"""The side that leads, with two workers that write down what they are told."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from locust.rpc import Message

from loadkit import __version__
from loadkit.figures import Count, Phase
from loadkit.measure.recorder import Recorder
from loadkit.network import DIRECT
from loadkit.swarm.messages import VERSION, Report, WorkerHello
from loadkit.swarm.run_controller import RunController
from loadkit.swarm.workers.pool import WorkerPool
from tests.swarm.doubles import CLOSED, Master, environment, options


class World:
    """A master with two workers, and its controller."""

    def __init__(self, folder: Path, profile: str = CLOSED, **asked: Any) -> None:
        self.options = options(folder, profile, **asked)
        self.environment = environment(self.options)
        self.master = Master(self.environment)
        self.controller = RunController(self.environment, DIRECT, headless=self.options.headless)
        self.results = folder / "results"
        self.recorder = Recorder(clock=lambda: 7.0)
        for worker in ("w1", "w2"):
            hello = WorkerHello(__version__, ("CompleteChat",), messages=VERSION)
            self.master.handle_message(worker, Message("client_ready", None, worker))
            self.master.hears(hello, worker)

    @property
    def pool(self) -> WorkerPool:
        assert self.controller.pool is not None
        return self.controller.pool

    def report(self, run: str, seq: int, worker: str = "w1", answers: int = 1) -> None:
        for _ in range(answers):
            self.recorder.sample(Phase.RESPONSE, None, 6.0, 6.25)
            self.recorder.count(Count.TURNS_ANSWERED)
        self.master.hears(Report(run, seq, self.recorder.take(7.0)), worker)

    def answered(self) -> int:
        assert self.controller.run is not None
        return self.controller.run.ledger.counts[Count.TURNS_ANSWERED]

    def end(self) -> dict[str, Any]:
        """The run ends as Locust has it end; returns what its summary says."""
        self.controller.drain()
        self.controller.finish()
        (path,) = self.results.glob("*/summary.json")
        found: dict[str, Any] = json.loads(path.read_text())
        return found


Begin = Callable[..., World]
FOLLOW = RunController._follow


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Makes a world in which no second passes by itself."""
    worlds: list[World] = []
    monkeypatch.setattr(RunController, "_follow", lambda *_: None)
    monkeypatch.setattr(RunController, "_mind", lambda *_: None)
    monkeypatch.setattr(WorkerPool, "drain", lambda *_: None)

    def made(profile: str = CLOSED, **asked: Any) -> World:
        worlds.append(World(tmp_path, profile, **asked))
        return worlds[-1]

    yield made
    for each in worlds:
        each.controller.finish()  # else its files stay open
