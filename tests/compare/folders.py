"""Folders of runs whose every wait is known."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from loadkit.figures import VIOLATED, Count, Ending, Phase
from loadkit.measure.ledger import Ledger
from loadkit.measure.recorder import Recorder
from loadkit.measure.timeline import Timeline
from loadkit.results.run_folder import write
from loadkit.results.series import Series
from loadkit.verdict.summary import Summary, summarise
from tests.verdict.known import asked_and_known

STARTED = datetime(2026, 11, 22, 15, 6, 54, tzinfo=UTC)
WARMUP = 5.0

INFO: Mapping[str, Any] = {
    "profile": {"load": {"seed": 7, "warmup": WARMUP}, "results": {"interval": 1.0}},
    "machine": {"cores": 2},
    "versions": {"loadkit": "0.1"},
}


def lived(
    folder: Path,
    *,
    seconds: int = 60,
    slower: float = 1.0,
    lost: int = 0,
    seed: int = 1,
    info: Mapping[str, Any] = INFO,
    **options: Any,
) -> Summary:
    """Write the folder of a run of twenty answers a second.

    Args:
        folder: where; it is made.
        seconds: how long it lasts.
        slower: by how much answers take longer than usual.
        lost: turns of each second that are lost after eight seconds.
        seed: of the chance.
        info: for its `run.json`.
        options: see `tests.verdict.known.asked_and_known`.
    """
    folder.mkdir(parents=True)
    chance, now = Random(seed), [0.0]
    timeline = Timeline(1.0, lambda _: {"users": 10})
    ledger, recorder = Ledger(timeline), Recorder(measure_from=WARMUP, clock=lambda: now[0])
    series = Series(folder, STARTED)
    for second in range(1, seconds + 1):
        now[0] = float(second)
        recorder.session_started()
        recorder.session_ended(Ending.USER_END)
        for _ in range(20 - lost):
            took = chance.lognormvariate(-0.5, 0.3) * slower
            recorder.sample(Phase.RESPONSE, None, now[0] - 0.2, now[0] - 0.2 + took)
            recorder.sample(
                Phase.ECHO, None, now[0] - 0.2, now[0] - 0.2 + chance.uniform(1e-3, 9e-3)
            )
            recorder.count(Count.TURNS_ANSWERED, since=now[0])
        for _ in range(lost):
            recorder.unfinished(Phase.RESPONSE, None, now[0] - 8.0, now[0], lost=True)
            recorder.count(Count.TURNS_LOST, since=now[0])
        recorder.count(Count.TURNS_SENT, 20, since=now[0])
        if second == seconds:
            recorder.violate("missing_echo", "no echo of a1")
            recorder.count(f"{VIOLATED}.missing_echo")
            recorder.unfinished(Phase.RESPONSE, None, now[0] - 1.0, now[0], lost=False)
        ledger.add("w1", second, recorder.take(now[0]), now[0])
        series.write(timeline.closed(now[0] + 1))
    series.write(timeline.finish())
    series.close()
    spec, facts = asked_and_known(warmup_s=WARMUP, duration_s=float(seconds), **options)
    summary = summarise(ledger, spec, facts)
    write(folder, summary, info, {})
    return summary
