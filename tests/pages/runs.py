"""Folders of runs, with all that was measured of each turn kept beside them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from loadkit.errors import Failure
from loadkit.figures import VIOLATED, Count, Ending, Origin, Phase, TurnSeen
from loadkit.measure.ledger import Ledger
from loadkit.measure.recorder import Recorder
from loadkit.measure.timeline import Row, Timeline
from loadkit.results.run_folder import write
from loadkit.results.series import Series
from loadkit.verdict.summary import Summary, summarise
from tests.answers import answered
from tests.verdict.known import asked_and_known

STARTED = datetime(2026, 11, 22, 15, 6, 54, tzinfo=UTC)


@dataclass
class Lived:
    """A run that was lived second by second.

    Attributes:
        folder: where its files are.
        summary: its result.
        ledger: what was measured.
        rows: the same second by second.
        waits: of each second, how long its answers took, in seconds.
    """

    folder: Path
    summary: Summary
    ledger: Ledger
    rows: list[Row]
    waits: list[list[float]] = field(default_factory=list)


def live(
    folder: Path,
    seconds: int,
    *,
    per_second: int = 20,
    said: str = "no answer",
    lost_at: frozenset[int] = frozenset(),
    each: Callable[[Recorder, int], None] = lambda *_: None,
    info: dict[str, Any] | None = None,
    **options: Any,
) -> Lived:
    """Live a run, whose answers get slower with the number of the turn.

    Args:
        folder: where its files go.
        seconds: how long it lasts.
        per_second: answers in each.
        said: what a server and a user said, wherever either says something.
        lost_at: seconds in which a message is given up.
        each: does more in a second.
        info: more of `run.json`.
        options: of what was asked and is known.
    """
    chance, now = Random(7), [0.0]
    timeline = Timeline(1.0, lambda _: {"users": 10})
    ledger = Ledger(timeline)
    recorder = Recorder(
        clock=lambda: now[0],
        wall=lambda: 1_800_000_000 + now[0],
        named=frozenset({"CompleteChat", "HandoffChat"}),
    )
    rows, waits = list[Row](), list[list[float]]()
    recorder.session_started()
    for second in range(1, seconds + 1):
        waits.append([])
        now[0] = float(second)
        for at in range(per_second):
            turn = 1 + at % 4
            took = chance.lognormvariate(-1, 0.4) * (1 if turn < 3 else 2)
            waits[-1].append(took)
            sent, first = second - 0.5, second - 0.5 + took / 3
            origin = Origin("CompleteChat", f"{said}-{second}", f"corr-{second}-{at}", "web")
            seen = TurnSeen(origin, sent + 0.001, sent + 0.03, (first, sent + took))
            scoped = recorder.scoped("CompleteChat" if at % 2 else "HandoffChat")
            scoped.sample(Phase.RESPONSE, sent, sent, sent + took, answered(0.0, turn, seen))
            scoped.sample(Phase.FIRST_CHUNK, sent, sent, first)
            scoped.sample(Phase.ECHO, None, sent, sent + 0.001)
            scoped.count(Count.TURNS_SENT)
            scoped.count(Count.TURNS_ANSWERED)
        if second in lost_at:
            origin = Origin("CompleteChat", said, said, "web")
            recorder.count(Count.TURNS_SENT)
            recorder.count(Count.TURNS_LOST)
            recorder.unfinished(Phase.RESPONSE, None, second - 10.5, second - 0.5, lost=True)
            recorder.fail(Failure.UNANSWERED, said, origin)
            recorder.violate("echo_missing", said, origin, lambda: [f"1.0 ← {said}"])
            recorder.count(f"{VIOLATED}.echo_missing")
        each(recorder, second)
        recorder.gauge("cpu_percent", 20.0)
        recorder.gauge("rss_mb", 80.0)
        if second == seconds:
            recorder.session_ended(Ending.USER_END)
        ledger.add("w1", second, recorder.take(now[0]), now[0])
        rows += timeline.closed(now[0] + 1)
    rows += timeline.finish()
    summary = summarise(
        ledger, *asked_and_known(duration_s=float(seconds), **{"profile": said[:200], **options})
    )
    series = Series(folder, STARTED)
    series.write(rows)
    series.close()
    run = {"profile": {"said": said}, "command": ["locust", said], **(info or {})}
    write(folder, summary, run, ledger.examples, ledger.evidence, ledger.slow)
    return Lived(folder, summary, ledger, rows, waits)
