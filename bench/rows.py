"""The rows of the table: what load each is measured under, and what of a run it is."""

import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import psutil

from bench.script import AT_ONCE, Script, people
from bench.tools import Said
from bench.truth import Seen

STREAMED: Final = (*AT_ONCE, "agent.chunks={ min = 40, max = 40 }", "agent.gap=20ms")
MANY: Final = 5000
FEW: Final = 50
DESCRIPTORS: Final = 1000  # that are left for other things than sockets
ROOM: Final = 500_000  # bytes a session that both ends may take together, of the dearest tool


@dataclass(frozen=True, slots=True)
class Reading:
    """One run of one tool: what the system charged it, and what the server saw."""

    cpu_s: float
    rss: int
    seen: Seen
    said: Said | None
    error_ms: float
    busy: float  # share of a core that the tool used
    others: float  # likewise all else on the machine, the simulator apart


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, as a figure of a reading."""

    name: str
    title: str
    value: Callable[[Reading], float]
    at_most: float | None = None  # the targets for loadkit, in the row's unit …
    at_least: float | None = None
    at_most_of_k6: float | None = None  # … and as a share of what k6 takes


@dataclass(frozen=True, slots=True)
class Load:
    """What is run for one or more rows."""

    script: Script
    rows: tuple[Row, ...]
    few: Script | None = None  # run once more with it: memory is what the others took on top
    rounds: int | None = None  # at the most; memory hardly moves from one to the next


EXCHANGE: Final = Row(
    "exchange",
    "CPU of an exchange, closed loop, µs",
    lambda one: one.cpu_s / one.seen.turns * 1e6,
    at_most_of_k6=0.5,
)
STREAM: Final = Row(
    "stream",
    "frames a second of CPU, 40 chunks an answer",
    lambda one: one.seen.frames / one.cpu_s,
)
SESSIONS: Final = Row(
    "sessions",
    "whole sessions a second of CPU",
    lambda one: one.seen.ends / one.cpu_s,
    at_least=600,
)
TURN: Final = Row(
    "turn",
    "CPU of a turn at people's pace, µs",
    lambda one: one.cpu_s / one.seen.turns * 1e6,
    at_most_of_k6=0.5,
)
ERROR: Final = Row("error", "error of response p99 there, ms", lambda one: one.error_ms, at_most=1)
NAMES: Final = ("exchange", "stream", "sessions", "turn", "error", "memory")


def loads(*, quick: bool = False, many: int = MANY) -> tuple[Load, ...]:
    """All of them.

    Args:
        quick: smaller ones.
        many: the sessions that memory is measured with.
    """
    pace = people(300 if quick else 1000, 2.0 if quick else 3.0, quiet=2.0)
    crowd = people(many, many / 200, settle=2.0 if quick else 22.0, window=1.0)
    memory = Row(
        "memory",
        f"KB a live session, {many:,} at people's pace",
        lambda one: one.rss / (many - FEW) / 1000,
        at_most=20,
        at_most_of_k6=0.15,
    )
    few = people(FEW, 1.0, settle=crowd.settle, window=1.0)
    return (
        Load(Script(200, AT_ONCE), (EXCHANGE,)),
        Load(Script(150, STREAMED, streaming=True), (STREAM,)),
        Load(Script(100, AT_ONCE, turns=1, keys=1), (SESSIONS,)),
        Load(pace, (TURN, ERROR)),
        Load(crowd, (memory,), few=few, rounds=1),
    )


def room(wanted: int = MANY) -> int:
    """So many of the wanted sessions may be live at once, by open files and free memory."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - DESCRIPTORS
    memory = psutil.virtual_memory().available // ROOM
    return int(max(2 * FEW, min(wanted, files, memory)))
