"""How right the latencies are: loadkit's figures against what the server wrote down.

One worker on one core, the simulator on another, and a truth log in between that neither loadkit's
clock nor its histograms had a hand in. Then the same with a worker that is held up on purpose: its
figures may be wrong, but then the run must not be called valid. And, where it is installed, with
k6 on the worker's core.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, Literal

import numpy as np
import psutil

from bench import TEXT
from bench.figures import Figure
from bench.processes import ROOT, BenchError, Generator, Lab, Server
from bench.truth import Waits

PHASES: Final = ("echo", "first_chunk", "chunk_gap", "response")
PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}

DISTRIBUTIONS: Final = {
    "constant": (
        "agent.first_response={ kind = 'constant', value = '300ms' }",
        "agent.gap={ kind = 'constant', value = '60ms' }",
    ),
    "log-normal": (
        "agent.first_response={ kind = 'lognormal', median = '300ms', sigma = 0.6, max = '2s' }",
        "agent.gap={ kind = 'lognormal', median = '60ms', sigma = 0.6, max = '250ms' }",
    ),
    # So few are slow that no percentile of the table falls between two modes, of one wait or of
    # the four that make a whole answer: there one turn more or less would decide about a second.
    "bimodal": (
        "agent.first_response={ kind = 'bimodal', slow_share = 0.15,"
        " fast = { kind = 'lognormal', median = '150ms', sigma = 0.3 },"
        " slow = { kind = 'lognormal', median = '1500ms', sigma = 0.2, max = '2s' } }",
        "agent.gap={ kind = 'bimodal', slow_share = 0.03, fast = '30ms', slow = '300ms' }",
    ),
}
_DIALS: Final = ("agent.chunks={ min = 4, max = 4 }", "agent.suggestion_rate=0")


@dataclass(frozen=True, slots=True)
class Size:
    """How many sessions, and how they live."""

    sessions: int
    ramp: float  # seconds in which they come
    # How much faster than people they type, read and think; chosen so that they say some 200
    # things a second in all, which keeps both ends far from busy.
    pace: float


SIZES: Final = (Size(200, 2, 0.03), Size(1000, 5, 0.15), Size(3000, 12, 0.4))
CROWD: Final = SIZES[1]  # under which the worker is overloaded
SETTLE: Final = 3.0  # seconds from the last arrival to the first measured turn
WINDOW: Final = 8.0  # seconds that are measured
LONG_WINDOW: Final = 14.0  # of an overloaded run, so that enough goes wrong in it
QUIET: Final = 3.0  # seconds in which nothing new is said: longer than any answer of these takes
STARTS_AND_STOPS: Final = 60.0  # seconds that a run may take beside its stages

STALLS_MS: Final = (30, 60, 150)
STOP: Final = (0.5, 2.0)  # seconds that a stopped worker sleeps
GO: Final = (1.0, 3.0)  # seconds that it runs in between

TARGET_P50_MS: Final = 1
TARGET_P99_MS: Final = 3
TOLERABLE_MS: Final = 10  # at p99, in a run that calls itself valid

Errors = Mapping[str, float]  # percentile → what was reported less what was true, milliseconds


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run said, and how far from the truth that was."""

    name: str  # of the load
    validity: str  # the run's own word; "" of a tool that has none
    errors: Mapping[str, Errors]  # by phase
    counts: Mapping[str, tuple[int, int]]  # by phase: samples reported, and waits in the truth log
    rate: float  # turns answered a second
    response: float  # mean of the response's truth, in seconds

    def worst(self, percentile: str) -> float:
        """The greatest error of any phase, whichever way."""
        return max(abs(errors[percentile]) for errors in self.errors.values())


def run(lab: Lab, repeat: int) -> list[Figure]:
    """Compare, print what came out phase by phase, and give what the targets are about."""
    p50, p99, lies, others = [], [], [], []
    for number in range(1, repeat + 1):
        print(f"accuracy {number}/{repeat}: error of what was reported, ms\n{_head()}")
        calm = [
            _measured(lab, _name(kind, size), kind, size, WINDOW)
            for kind in DISTRIBUTIONS
            for size in SIZES
        ]
        crowd = "log-normal", CROWD, LONG_WINDOW
        strained = [
            *(_measured(lab, f"loop blocked {ms} ms", *crowd, stall_ms=ms) for ms in STALLS_MS),
            _measured(lab, "process stopped", *crowd, stops=True),
        ]
        valid = [one for one in calm if one.validity == "valid"]
        if valid:
            p50.append(max(one.worst("p50") for one in valid))
            p99.append(max(one.worst("p99") for one in valid))
        lies.append(
            sum(
                one.validity == "valid" and one.worst("p99") > TOLERABLE_MS
                for one in (*calm, *strained)
            )
        )
        if lab.k6 is None:
            print("k6 is not installed (neither on the PATH nor by --k6): nothing to compare with")
            continue
        ours = {one.name: one for one in calm}
        others.append([_k6(lab, size, ours[_name("log-normal", size)]) for size in SIZES[1:]])
    figures = [Figure("valid runs that are more than 10 ms off at p99", lies, at_most=0)]
    if p50:
        figures.append(Figure("greatest error of a valid run, p50, ms", p50, TARGET_P50_MS))
        figures.append(Figure("greatest error of a valid run, p99, ms", p99, TARGET_P99_MS))
    for percentile in ("p50", "p99") if others else ():
        worst = [max(one.worst(percentile) for one in outcomes) for outcomes in others]
        figures.append(Figure(f"  k6, {percentile}, ms", worst))
    return figures


def _measured(
    lab: Lab,
    name: str,
    kind: str,
    size: Size,
    window: float,
    *,
    stall_ms: float = 0,
    stops: bool = False,
) -> Outcome:
    """What loadkit makes of a load; its worker's loop may be held up, or the worker stopped."""
    with lab.server((*_DIALS, *DISTRIBUTIONS[kind])) as server:
        summary, begin = _loadkit(lab, server, size, window, stall_ms=stall_ms, stops=stops)
    waits, validity = Waits.since(server.truth, begin), summary["verdict"]["validity"]
    return _told(_compared(name, validity, summary["latency_ms"], waits, window))


def _loadkit(
    lab: Lab, server: Server, size: Size, window: float, *, stall_ms: float, stops: bool
) -> tuple[Mapping[str, Any], float]:
    """One run, the way users make it: its summary, and from when on it measured."""
    seconds = size.ramp + SETTLE + window + QUIET
    profile = lab.profile(
        "accuracy.toml",
        f"""
# How right are the figures?
[load]
stages = [
    {{ duration = "{size.ramp}s", users = {size.sessions} }},
    {{ duration = "{SETTLE + window + QUIET}s", users = {size.sessions} }},
]
warmup = "{size.ramp + SETTLE}s"
[mix]
StreamingChat = 1
[conversation]
turns = {{ min = 1500, max = 1500 }} # more than a run has time for: no session ends
time_scale = {size.pace}
""",
    )
    begin, out = lab.folder / "begin", server.truth.with_suffix("")
    begin.unlink(missing_ok=True)
    settings = {"BEGIN": begin, "WINDOW": window, "STALL_MS": stall_ms}
    environment = {f"BENCH_{name}": str(value) for name, value in settings.items()}
    options = ["--profile", str(profile), "--out", str(out)]
    locustfile = ROOT / "bench" / "loadkit_chat.py"
    with lab.generator(server, locustfile, options, environment=environment) as generator:
        if stops:
            _stop_now_and_then(generator, begin, seconds, window)
        code = generator.finish(seconds + STARTS_AND_STOPS)
        found = sorted(out.glob("*/summary.json"))
        if len(found) != 1 or not begin.exists():
            raise BenchError(f"no summary (exit code {code})\n{generator}")
    summary = json.loads(found[0].read_text(encoding="utf-8"))
    return summary, float(begin.read_text(encoding="utf-8"))


def _stop_now_and_then(generator: Generator, begin: Path, limit: float, window: float) -> None:
    """Let the worker sleep at random while it measures; returns before the run ends."""
    until = time.monotonic() + limit + STARTS_AND_STOPS
    while not begin.exists():
        if time.monotonic() > until:
            raise BenchError(f"the run never began to measure\n{generator}")
        time.sleep(0.05)
    measured_from = float(begin.read_text(encoding="utf-8"))
    time.sleep(max(0.0, measured_from - time.monotonic()))
    rng = Random(7)
    try:
        while True:
            time.sleep(rng.uniform(*GO))
            pause = rng.uniform(*STOP)
            if time.monotonic() + pause > measured_from + window:
                return
            generator.process.suspend()
            time.sleep(pause)
            generator.process.resume()
    except psutil.Error as error:
        raise BenchError(f"the worker is gone: {error}\n{generator}") from error
    finally:
        if generator.process.is_running():
            generator.process.resume()


def _k6(lab: Lab, size: Size, ours: Outcome) -> Outcome:
    """As many turns a second of as many sessions, as k6 sees them."""
    assert lab.k6 is not None
    path = lab.folder / "k6.json"
    path.unlink(missing_ok=True)
    seconds = size.ramp + SETTLE + WINDOW + QUIET
    with lab.server((*_DIALS, *DISTRIBUTIONS["log-normal"])) as server:
        settings = {
            "TARGET": server.url,
            "TEXT": TEXT,
            "SUMMARY": str(path),
            "USERS": size.sessions,
            "RAMP": size.ramp,
            "WARM_UP": size.ramp + SETTLE,
            "SECONDS": seconds,
            "QUIET": QUIET,
            "THINK": max(0.0, size.sessions / ours.rate - ours.response),
        }
        environment = {key: str(value) for key, value in settings.items()}
        script = str(ROOT / "bench" / "k6" / "chat.js")
        command = [str(lab.k6), "run", "--quiet", "--no-usage-report", script]
        lab.run(command, environment, seconds + STARTS_AND_STOPS)
    values = json.loads(path.read_text(encoding="utf-8"))
    names = {"p(50)": "p50", "p(90)": "p90", "p(99)": "p99", "max": "max", "count": "count"}
    latency = {
        phase: {names[name]: value for name, value in figures.items()}
        for phase, figures in values.items()
    }
    waits = Waits.named(server.truth, "measured")
    name = _name("k6, log-normal", size)
    return _told(_compared(name, "", latency, waits, WINDOW, "linear"))


def _compared(
    name: str,
    validity: str,
    latency: Mapping[str, Mapping[str, float]],
    waits: Waits,
    window: float,
    method: Literal["inverted_cdf", "linear"] = "inverted_cdf",
) -> Outcome:
    errors, counts = {}, {}
    for phase in PHASES:
        true = waits.seconds[phase]
        if phase not in latency or not true:
            raise BenchError(f"{name}: nothing was measured of {phase}, or nothing took place")
        # By the tool's own definition, but by another hand: loadkit takes the nearest rank, k6
        # interpolates between two.
        at = np.quantile(true, list(PERCENTILES.values()), method=method)
        errors[phase] = {
            percentile: latency[phase][percentile] - float(value) * 1000
            for percentile, value in zip(PERCENTILES, at, strict=True)
        }
        counts[phase] = int(latency[phase]["count"]), len(true)
    answered = waits.seconds["response"]
    rate = len(answered) / window
    return Outcome(name, validity, errors, counts, rate, float(np.mean(answered)))


def _name(kind: str, size: Size) -> str:
    return f"{kind}, {size.sessions:,}"


_COLUMNS: Final = "{:<24}{:<13}{:>9}{:>9}{:>9}{:>9}  {}"


def _head() -> str:
    head = _COLUMNS.format("load, sessions", "phase", *PERCENTILES, "samples, in truth; validity")
    return f"{head}\n{'-' * len(head)}"


def _told(outcome: Outcome) -> Outcome:
    rows: Sequence[tuple[str, Errors]] = list(outcome.errors.items())
    for index, (phase, errors) in enumerate(rows):
        reported, true = outcome.counts[phase]
        note = f"{reported:,}, {true:,}"
        if index == 0 and outcome.validity:
            note += f"; {outcome.validity}"
        cells = (f"{error:+.2f}" for error in errors.values())
        name = outcome.name if index == 0 else ""
        print(_COLUMNS.format(name, phase, *cells, note), flush=True)
    return outcome
