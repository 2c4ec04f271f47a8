"""Where inputs come from: hypothesis, and atheris (libFuzzer) where it is installed.

An engine runs in a process of its own, as what it looks for are hangs, too, and memory without end.
"""

import importlib
import importlib.util
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzz.target import CASES, Target, cases_of, keep

TICK = 10.0  # seconds: an input that takes longer than one or two of them hangs
MEMORY = 2 << 30  # bytes of address space that an input may take beside what is there
LONGEST = 4096  # bytes of an input that atheris makes
BATCH = 1000  # inputs that hypothesis makes before the clock is looked at


@dataclass
class Outcome:
    """What an engine did to a target."""

    inputs: int = 0  # that were tried
    seconds: float = 0.0  # that it took, its start left out
    fault: str = ""  # the traceback of what broke; "" where nothing did
    case: str = ""  # the file that holds the input which broke it


class _Over(BaseException):
    """The time is up. No `Exception`: nobody may take it for a fault."""


class HangError(BaseException):
    """An input takes too long. No `Exception` either: a reader might take it for a file's."""


class _Counter:
    """A target's check that counts, ends when it is time, and finds what hangs."""

    def __init__(self, target: Target, until: float, folder: Path) -> None:
        self._target, self._until, self._folder = target, until, folder
        self.outcome = Outcome()
        self._seen = -1
        self._busy = False  # with an input, and not with the making of one

    def check(self, data: bytes) -> None:
        self.outcome.inputs += 1
        try:
            self._busy = True
            self._target.check(data)
        except (Exception, HangError) as error:
            self._busy = False  # what is kept is kept whole
            self.outcome.fault = traceback.format_exc()
            # Hypothesis tries smaller ones after the first, and the smallest last.
            if self.outcome.case:
                Path(self.outcome.case).unlink(missing_ok=True)
            self.outcome.case = str(keep(self._target.name, data, self._folder))
            if isinstance(error, HangError):  # which hypothesis would not make smaller
                raise AssertionError("it hangs") from error
            raise
        finally:
            self._busy = False
        if time.monotonic() >= self._until:
            raise _Over

    def watch(self, _signal: int, _frame: FrameType | None) -> None:
        if self._busy and self.outcome.inputs == self._seen:
            raise HangError(f"one input takes more than {TICK:g} s")
        self._seen = self.outcome.inputs


def _hypothesis(target: Target, counter: _Counter) -> None:
    @settings(
        max_examples=BATCH,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.target, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def attempt(data: bytes) -> None:
        counter.check(data)

    for number in range(1 << 62):
        seed(time.time_ns() + number)(attempt)()


def _atheris(target: Target, counter: _Counter) -> None:
    import atheris

    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        given = [*target.seeds, *(path.read_bytes() for path in cases_of(target.name))]
        for number, data in enumerate(given):
            corpus.joinpath(str(number)).write_bytes(data)
        words = Path(folder, "words")
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))

        def attempt(data: bytes) -> None:
            try:
                counter.check(data)
            except BaseException:  # libFuzzer would end the process in its own way
                _tell(counter)

        options = [f"-max_len={LONGEST}", "-timeout=0", "-rss_limit_mb=0", "-detect_leaks=0"]
        if target.words:
            options.append(f"-dict={words}")
        atheris.Setup(["fuzz", *options, str(corpus)], attempt)
        atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


ENGINES: dict[str, Callable[[Target, _Counter], None]] = {
    "hypothesis": _hypothesis,
    "atheris": _atheris,
}


def available() -> list[str]:
    """The engines that are installed."""
    found = importlib.util.find_spec("atheris") is not None
    return [name for name in ENGINES if found or name != "atheris"]


def _load(name: str, engine: str) -> Target:
    """Import a target; with atheris so that it sees which lines an input reaches."""
    if engine == "atheris":
        import atheris

        with atheris.instrument_imports(include=["loadkit", "websockets", "geventhttpclient"]):
            module = importlib.import_module(f"fuzz.targets.{name}")
    else:
        module = importlib.import_module(f"fuzz.targets.{name}")
    target: Target = module.TARGET
    return target


def run(name: str, engine: str, seconds: float) -> None:
    """Be the process of one engine: ends it, with an `Outcome` as JSON on standard output."""
    try_target(_load(name, engine), engine, seconds)


def try_target(target: Target, engine: str, seconds: float, folder: Path = CASES) -> None:
    """Likewise, of a target that is at hand."""
    counter = _Counter(target, time.monotonic() + seconds, folder)
    counter.outcome.seconds = -time.monotonic()
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    signal.signal(signal.SIGALRM, counter.watch)
    signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
    try:
        ENGINES[engine](target, counter)
    except _Over:
        pass
    except BaseException:
        if not counter.outcome.fault:  # it is the engine's own
            counter.outcome.fault = traceback.format_exc()
    _tell(counter)


def _tell(counter: _Counter) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
    counter.outcome.seconds += time.monotonic()
    os.write(1, json.dumps(asdict(counter.outcome)).encode() + b"\n")
    os._exit(0)  # libFuzzer has more to say when Python ends


def start(name: str, engine: str, seconds: float) -> Outcome:
    """Have an engine try a target, in a process of its own; returns when it is over."""
    words = [sys.executable, "-m", "fuzz", "--engine", engine, "--seconds", f"{seconds}", name]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=said)
        try:
            told, _ = process.communicate(timeout=seconds + 12 * TICK)
        except subprocess.TimeoutExpired:
            process.kill()
            told, _ = process.communicate()
        lines = told.splitlines()
        with suppress(ValueError, IndexError, TypeError):
            return Outcome(**json.loads(lines[-1]))
        said.seek(0)
        why = said.read()[-4000:].decode(errors="replace")
    return Outcome(fault=f"the engine ended with {process.returncode} and no outcome:\n{why}")
