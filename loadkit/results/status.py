"""How a run stands, told from its files alone."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import time
from typing import Any, Final, Literal, TypeVar

from loadkit.figures import Count, Phase
from loadkit.measure.overdue import overdue
from loadkit.measure.timeline import Row
from loadkit.report.latency import TOO_FEW, shown
from loadkit.report.live import clock
from loadkit.report.verdict import verdict_line
from loadkit.results.completion import last_lines
from loadkit.results.journal import JOURNAL
from loadkit.results.journal_lock import hold
from loadkit.results.line_file import reading
from loadkit.results.rebuild import needed
from loadkit.results.replay import Replay
from loadkit.results.run_folder import load_summary
from loadkit.results.series import HISTOGRAMS, LOST
from loadkit.security.textfile import clipped
from loadkit.stats.distribution import Distribution
from loadkit.stats.number_format import number, plural
from loadkit.verdict.summary import Stats, Summary

LAST: Final = 60.0
"""Seconds that count as the last ones."""

State = Literal["running", "finished", "cut"]


def status(
    folder: Path, left_out: list[str], now: Callable[[], float] = time
) -> tuple[State, list[str]]:
    """Look at the run of a folder.

    Args:
        left_out: takes what was damaged, and is not in what is told; a line each.
        now: the wall clock's time, in seconds since the epoch.

    Returns:
        Whether it goes on, has ended, or was cut; and the same at length, in lines.

    Raises:
        UsageError: there is no run in that folder, or its files are damaged.
    """
    return _look(
        folder,
        now,
        lambda summary: list(_finished(summary)),
        lambda state, replay, age: list(_told(state, folder, replay, age, left_out)),
    )


def status_document(
    folder: Path, left_out: list[str], now: Callable[[], float] = time
) -> tuple[State, dict[str, Any]]:
    """Return the same for a script; docs/results.md has its keys.

    Raises:
        UsageError: likewise.
    """

    def so_far(state: State, replay: Replay, age: float) -> dict[str, Any]:
        for _ in replay.rows():
            pass
        left_out.extend(replay.damaged)
        return {
            "elapsed_s": round(replay.at_s, 3),
            "asked_s": replay.asked_s,
            "written_s_ago": round(age, 1),
            "users": replay.users,
            "sessions_live": replay.ledger.live,
            "summary": replay.summary(None).to_dict(),
        }

    state, told = _look(folder, now, lambda summary: {"summary": summary.to_dict()}, so_far)
    return state, {"schema": "loadkit.status/1", "state": state, "folder": str(folder), **told}


_Told = TypeVar("_Told")


def _look(
    folder: Path,
    now: Callable[[], float],
    finished: Callable[[Summary], _Told],
    told: Callable[[State, Replay, float], _Told],
) -> tuple[State, _Told]:
    path = folder / JOURNAL
    if not os.path.lexists(path):
        return "finished", finished(load_summary(folder, []))
    with reading(path), hold(path) as over:
        if over and not needed(folder):
            return "finished", finished(load_summary(folder, []))
        state: State = "cut" if over else "running"
        age = max(0.0, now() - path.stat().st_mtime)
        return state, told(state, Replay(folder), age)


def _finished(summary: Summary) -> Iterator[str]:
    ended = "cut" if summary.cut else "stopped" if summary.stopped_early else "finished"
    yield _line(
        ended,
        f"{summary.profile} → {summary.target}, {summary.started_at}, "
        f"{number(summary.duration_s)} s",
    )
    yield _line("verdict", verdict_line(summary))


def _told(
    state: State, folder: Path, replay: Replay, age: float, left_out: list[str]
) -> Iterator[str]:
    rows: list[Row] = []
    for row in replay.rows():
        rows = [each for each in rows if each.start > row.start - LAST] + [row]
    left_out += replay.damaged
    summary, ledger = replay.summary(None), replay.ledger
    yield _line(
        state,
        f"{summary.profile} → {summary.target}, since {summary.started_at}, "
        f"{clock(replay.at_s)} of {clock(replay.asked_s)}; "
        f"last written {number(round(age, 1))} s ago",
    )
    asked = replay.asked_at(replay.at_s)
    if "users" in asked:
        load = f"{number(replay.users)} of {plural(asked['users'], 'user')} asked for"
    else:
        load = f"{number(asked.get('arrivals_per_second', 0))} arrivals/s asked for"
    refused = ledger.counts[Count.ARRIVALS_REFUSED]
    yield _line(
        "load",
        f"{load} · {plural(ledger.live, 'session')} now, {number(ledger.peak_concurrent)} at most, "
        f"{number(summary.sessions['started'])} started"
        + (f", {number(refused)} refused" if refused else ""),
    )
    turns = summary.turns
    yield _line(
        "turns",
        f"{number(turns['sent'])} sent · {number(turns['answered'])} answered · "
        f"{number(turns['lost'])} lost · {number(turns['open'])} open",
    )
    if late := overdue(ledger.waiting, replay.head.spec.limits):
        yield _line("waiting", f"{late.many}, oldest {late.oldest}, each longer than its limit")
    yield _line(
        "response",
        f"p50/p95/p99 {_percentiles(_last_minute(folder, rows, replay, left_out))} in the last "
        f"minute, {_percentiles(summary.latency_ms.get(Phase.RESPONSE, {}))} over the run",
    )
    for name, kinds in (("errors", summary.errors), ("violations", summary.violations)):
        most = sorted(kinds.items(), key=lambda item: -item[1])
        yield _line(name, " · ".join(f"{number(n)} {kind}" for kind, n in most) or "none")
    lost = summary.generator["workers_lost"]
    yield _line(
        "workers",
        str(ledger.workers)
        + "".join(f" · lost {one['worker']} at {number(one['at_s'])} s" for one in lost),
    )
    yield _line("so far", verdict_line(summary))
    if state == "cut":
        yield _line("", f"nobody writes there any more: `loadkit report {folder}` makes its report")


def _last_minute(folder: Path, rows: list[Row], replay: Replay, left_out: list[str]) -> Stats:
    """The headline's latencies: of the rows at hand, and before them of those in the file.

    With them those waits that began in that minute and are open.
    """
    found, since = Distribution(), replay.at_s - LAST
    for row in rows:
        if row.start >= since and Phase.RESPONSE in row.latency:
            ended = row.latency[Phase.RESPONSE].copy()
            ended.lost, ended.open, ended.entered = row.unseen.get(Phase.RESPONSE, {}), {}, {}
            found.merge(ended)
    first = rows[0].start if rows else replay.at_s
    path = folder / HISTOGRAMS
    try:
        for one in _before(path, since, first):
            found.merge(one)
    except OSError as error:
        left_out.append(f"cannot read {path}: {error.strerror}")
    except ValueError as error:
        left_out.append(f"{path} is damaged, or was edited: {clipped(str(error))}")
    waiting: Mapping[int, int] = replay.ledger.waiting.latency.get(Phase.RESPONSE, {})
    found.look_again({}, {age: n for age, n in waiting.items() if age <= LAST * 1e6})
    return found.stats()


def _before(path: Path, since: float, until: float) -> Iterator[Distribution]:
    """The headline's latencies in a file, between two seconds of the run, the latest first."""
    for _, _, line in last_lines(path):
        if not line.endswith(b"\n"):
            continue
        if not line.startswith(b"Tag="):
            return
        tag, start, _, _, histogram = line.decode().removeprefix("Tag=").split(",")
        if not float(start) >= since:
            return
        if float(start) < round(until, 3) and tag in (Phase.RESPONSE, f"{LOST}{Phase.RESPONSE}"):
            one = Distribution.decode(histogram.rstrip("\n"))
            yield one if tag == Phase.RESPONSE else Distribution.of({}, dict(one.counts.items()))


def _percentiles(stats: Stats) -> str:
    return f"{'/'.join(shown(stats, ('p50', 'p95', 'p99')))} ms" if stats else TOO_FEW


def _line(label: str, text: str) -> str:
    return f"{label:<11}{text}"
