"""One run of one tool with one script: what the system charged it, and what the server saw."""

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.processes import BenchError, Lab, Server, machine_cpu_s
from bench.rows import Load, Reading
from bench.script import Script
from bench.tools import NODE_MODULES, Said, Setting, Tool
from bench.trees import Tree, tree
from bench.truth import Seen, Waits, opened, quantile

CONNECTS: Final = 60.0  # seconds that the sessions of a row may take to be there
ANSWERED: Final = 2.0  # seconds in which what a tool had asked is answered, once it was killed
COUNTS: Final = 0.01  # by which a tool's number of responses may differ from the truth log's


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a run, on the monotonic clock, and processor seconds in it."""

    began: float
    ended: float
    cpu_s: float  # of the tool, all its processes
    others_s: float  # of all else on the machine, the simulator and the bench itself apart


def reading(lab: Lab, server: Server, tool: Tool, load: Load) -> Reading:
    """Run a tool for a load.

    Raises:
        BenchError: it broke, or did another thing than the script.
    """
    one = _run(lab, server, tool, load.script)
    if load.few is None:
        return one
    few = _run(lab, server, tool, load.few)
    return Reading(one.cpu_s, one.rss - few.rss, one.seen, None, 0.0, one.busy, one.others)


def _run(lab: Lab, server: Server, tool: Tool, script: Script) -> Reading:
    folder = lab.new_folder()
    from_byte = server.truth.stat().st_size
    begin_wall = time.time() + tool.boot + script.ramp + script.settle
    setting = Setting(server.url, script, folder, _words(lab, server, script, folder, begin_wall))
    told_when = script.quiet > 0 and tool.ends  # when it is to fall silent, and to end
    with ExitStack() as stack:
        commands = tool.commands(setting)
        log = folder / "log"
        going = stack.enter_context(tree(commands, setting.environment, log, lab.first_core))
        begin = begin_wall - time.time() + time.monotonic()
        if not told_when:
            going.wait_for(
                f"{script.users} sessions were not there",
                CONNECTS,
                lambda: opened(server.truth, from_byte) >= script.users,
            )
            begin = time.monotonic() + script.settle
        elif tool.says_when:
            path = folder / "begin"
            going.wait_for("it did not begin", CONNECTS, path.exists)
            begin = float(path.read_text(encoding="utf-8"))
        time.sleep(max(0.0, begin - time.monotonic()))
        span = _span(going, server, script.window)
        rss = going.rss()
        if told_when:
            going.finish(script.quiet + CONNECTS)
    if not told_when:
        time.sleep(ANSWERED)
    silent = span.ended if told_when else float("inf")
    seen = Seen.of(server.truth, from_byte, span.began, span.ended, silent)
    script.check(seen)
    said, error = None, 0.0
    if told_when and "error" not in tool.cannot:
        said = tool.said(setting)
        error = _error_ms(tool, said, server, begin, from_byte)
    seconds = span.ended - span.began
    shares = span.cpu_s / seconds, span.others_s / seconds
    return Reading(span.cpu_s, rss, seen, said, error, *shares)


def _words(
    lab: Lab, server: Server, script: Script, folder: Path, begin_wall: float
) -> Mapping[str, str]:
    return {
        **lab.environment,
        **script.environment(begin_wall),
        "TARGET": server.url,
        "SUMMARY": str(folder / "summary"),
        "BENCH_TYPING": str(int(script.keys > 0)),
        "BENCH_SPREAD": str(script.spread),
        "BENCH_WINDOW": str(script.window if script.quiet else 1e6),
        "BENCH_BEGIN": str(folder / "begin"),
        "ARTILLERY_DISABLE_TELEMETRY": "true",
        "NODE_MODULES": str(NODE_MODULES),
        "NO_UPDATE_NOTIFIER": "1",
    }


def _span(going: Tree, server: Server, seconds: float) -> Span:
    def readings() -> tuple[float, dict[int, float], float]:
        apart = sum(server.process.cpu_times()[:2]) + sum(os.times()[:2])
        return time.monotonic(), going.cpu_s(), machine_cpu_s() - apart

    began, before, rest_before = readings()
    time.sleep(seconds)
    ended, after, rest_after = readings()
    if before.keys() - after.keys() or not after:
        raise BenchError(f"a process ended in the window\n{going}")
    cpu_s = sum(after.values()) - sum(before.values())
    # Clocks of different grain: it may be a little less than nothing.
    return Span(began, ended, cpu_s, max(0.0, rest_after - rest_before - cpu_s))


def _error_ms(tool: Tool, said: Said, server: Server, begin: float, from_byte: int) -> float:
    """How far its p99 is from that of the truth log, over the same turns."""
    if tool.says_when:
        waits = Waits.since(server.truth, begin, from_byte)
    else:
        waits = Waits.named(server.truth, "measured", from_byte)
    true = waits.seconds["response"]
    if abs(said.count - len(true)) > COUNTS * len(true):
        raise BenchError(f"it tells of {said.count} responses, the truth log of {len(true)}")
    return abs(said.p99 - 1000 * quantile(true, 0.99, tool.method))
