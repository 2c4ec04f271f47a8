"""A command tried on a folder, in this process: what came of it, and how long that took."""

import contextlib
import io
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Final

import pytest

from loadkit import cli
from loadkit.capacity.evidence import OUTCOME
from loadkit.capacity.evidence import StepOutcome as StepOutcome
from loadkit.capacity.resume import steps_to_resume
from loadkit.capacity.search import Search
from loadkit.errors import UsageError
from loadkit.planner.inputs import read_capacity
from loadkit.profile.capacity import CapacitySettings
from loadkit.results import journal_lock
from tests.hostile.mutations import KINDS, make, mutate

LONGEST: Final = 5.0
"""Seconds of processor time that a command may take."""

CODES: Final = frozenset({0, 1, 2, 3, 70})
"""Exit codes of a verdict, and of what cannot be read."""


COMMANDS: Final = {
    "killed": ("report", "report", "status"),
    "finished": ("report", "report", "status"),
    "capacity": ("report", "report", "resume", "plan"),
}
"""What is tried on which kind of folder."""

SUBJECT: Final = {"profile": {"conversation": {"time_scale": 0.5}}}


class HungError(BaseException):
    """The watchdog's: nothing in loadkit catches it."""


@dataclass
class Outcome:
    """What came of one command.

    Attributes:
        flaw: what is wrong with that; empty if nothing is.
    """

    code: int | None
    said: str
    seconds: float
    flaw: str = ""


def _resumed(folder: Path) -> int:
    """Go on with a search, as far as its file goes."""
    try:
        steps = steps_to_resume(folder, SUBJECT)
        search = Search(CapacitySettings(start=100.0), whole=True)
        for step in steps:
            search.record(OUTCOME.decode(step["outcome"]))
        search.next()
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _planned(folder: Path) -> int:
    """Size a deployment by a search, as far as that is read."""
    try:
        read_capacity(folder)
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


_READERS: Final = {"resume": _resumed, "plan": _planned}
"""Those of them that do more than read go only as far as that."""


def tried(command: str, folder: Path) -> Outcome:
    """Run a command as `loadkit` does."""
    out, err = io.StringIO(), io.StringIO()
    code: int | None = None
    flaw = ""
    began = time.process_time()
    try:
        with _watchdog(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            reader = _READERS.get(command)
            code = cli.main([command, str(folder)]) if reader is None else reader(folder)
    except HungError:
        flaw = "it hangs"
    except BaseException as error:
        flaw = f"it raises {error!r}"
    seconds, said = time.process_time() - began, err.getvalue()
    flaw = flaw or _flaw(code, said, out.getvalue(), seconds)
    return Outcome(code, said, seconds, flaw)


def _flaw(code: int | None, said: str, told: str, seconds: float) -> str:
    if code not in CODES:
        return f"it exits with {code!r}"
    if "fault of loadkit" in said or "Traceback" in said:
        return "a fault of loadkit's own"
    if code == 2 and not said.strip():
        return "it says nothing of what is wrong"
    if len(told) + len(said) > 20_000_000:
        return "it prints without end"
    return f"it takes {seconds:.1f} s" if seconds > LONGEST else ""


@contextlib.contextmanager
def _watchdog() -> Iterator[None]:
    """Stop what takes too much of the processor, and what waits for ever."""

    def hung(number: int, frame: FrameType | None) -> None:
        raise HungError

    before = [(which, signal.signal(which, hung)) for which in (signal.SIGVTALRM, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_VIRTUAL, 3 * LONGEST)
    signal.setitimer(signal.ITIMER_REAL, 30 * LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for which, handler in before:
            signal.signal(which, handler)


@dataclass
class Trials:
    """Mutated folders one after the other, made anew from whole ones each time.

    Args:
        place: an empty folder to work in; better one in memory.

    Attributes:
        codes: how often each exit code came, by kind of folder and command.
        slowest: seconds, and the seed.
        flaws: what went wrong, with seed, command and what was done.
    """

    place: Path
    codes: Counter[tuple[str, str, int | None]] = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, 0)
    flaws: list[str] = field(default_factory=list)
    tried: int = 0

    def __post_init__(self) -> None:
        self.whole = {kind: make(kind, self.place / f"whole-{kind}") for kind in KINDS}

    def once(self, seed: int) -> Outcome:
        """Make the folder of a seed, and try a command on it."""
        chance = random.Random(seed)
        kind = KINDS[seed % len(KINDS)]
        folder = self.place / "run"
        shutil.copytree(self.whole[kind], folder)
        outside = folder / "outside"
        try:
            done = mutate(folder, chance)
            command = chance.choice(COMMANDS[kind])
            found = tried(command, folder)
            if outside.exists() and not found.flaw:
                found.flaw = "it writes through a link"
            self.codes[kind, command, found.code] += 1
            self.slowest = max(self.slowest, (found.seconds, seed))
            if found.flaw:
                self.flaws.append(f"seed {seed}, {command}: {found.flaw}; {done}\n{found.said}")
            self.tried += 1
            return found
        finally:
            shutil.rmtree(folder)

    def many(self, seeds: range) -> None:
        """Try many, without the waits that are for disks and for others' clocks."""
        with quick():
            for seed in seeds:
                self.once(seed)

    @property
    def peak_mb(self) -> float:
        """The most memory that this process has had."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """No waiting for a disk, nor for whether somebody writes on where there are no locks.

    And the command line is put together once.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(journal_lock.grows, "__defaults__", (lambda _: None,))
        patch.setattr(cli, "_parser", cache(cli._parser))
        yield
