"""The one place through which this tool prints: nothing that becomes of the output stops it.

Whatever is printed is made safe here, once more and for whoever has forgotten to: it hides nothing
(`loadkit.security.escaping`), holds no secret that this process knows, and none of its lines is a
command to a CI system, but for those of `command`.

A terminal goes away, a redirected log fills its disk, a reader leaves or stops to read, a
descriptor was never open, an encoding has no arrows: whoever prints goes on as if all were read.
"""

import _thread
import atexit
import codecs
import io
import logging
import os
import sys
import time
from _queue import SimpleQueue
from collections.abc import Callable, Sequence
from typing import Any, Final, TextIO

from loadkit.security.escaping import SafeLines, printed
from loadkit.security.redaction import redact

BACKLOG: Final = 1_000_000
"""Bytes that may wait for a reader who does not read; what is printed beyond them is lost."""

LAST_WORDS: Final = 2.0  # seconds that a process waits for such a reader at its end
NON_BLOCKING_PAUSE: Final = 0.02  # seconds between two tries at a descriptor that is full

_PAIRS: Final = """
≥ >=  ≤ <=  ≈ ~  ± +/-  × x  ÷ /  − -  ∞ inf  → ->  ← <-  ↑ ^  ↓ v  – -  — -  … ...  · |  • *
′ '  ‘ '  ’ '  “ "  ” "  ² ^2  ³ ^3  µ u  μ u  λ lambda  σ sigma  τ tau  ✓ +  ✗ x  ▲ ^
► >  ▹ -  ● *  ─ -  ━ =  ┼ +  │ |  └ +  ┘ +  ┌ +  ┐ +  ▁ _  ▂ .  ▃ ,  ▄ -  ▅ =  ▆ +  ▇ *  █ #
"""
PLAIN: Final = dict(zip(_PAIRS.split()[::2], _PAIRS.split()[1::2], strict=True))
"""What is printed in place of a character that the output's encoding does not have; `?` for every
other."""

_ERRORS: Final = "loadkit.plain"

_ERASE: Final = "\x1b[J"  # from the cursor to the end of the screen (ECMA-48, 8.3.39: ED)


def say(text: str) -> None:
    """Print a line on standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Print a line on standard error: a mistake to be mended."""
    sys.stderr.write(f"error: {text}\n")
    sys.stderr.flush()


def remark(text: str) -> None:
    """Print a line on standard error: no mistake, and no part of what a command is asked for."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def command(line: str) -> None:
    """Print a line that a CI system is to act upon. Whoever makes it escapes the texts in it."""
    stream = getattr(sys.stdout, "for_commands", sys.stdout)
    stream.write(f"{line}\n")
    stream.flush()


def terminal_size() -> os.terminal_size | None:
    """Return the columns and lines of the terminal that standard output is; None if it is none."""
    try:
        return os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        return None


def share_terminal() -> None:
    """From now on leave nothing of what stands on the terminal behind what is printed there.

    For each of the processes that print to a terminal where one of them has something `stand`.
    """
    outlet = getattr(sys.stdout, "buffer", None)
    if _Standing.terminal is None and isinstance(outlet, _Outlet):
        _Standing.terminal = outlet.terminal
        os.register_at_fork(after_in_child=lambda: setattr(_Standing, "text", ""))
        atexit.register(stand, ())


def stand(lines: Sequence[str]) -> None:
    """Show lines on the terminal below all that is printed, in place of those that stood there.

    Needs `share_terminal`, and no line may be longer than the terminal is wide. The cursor rests in
    front of the first of them, so what another process prints takes their place, and what they are
    drawn over is never counted: a terminal may change its size as it likes. A reader who has
    stopped finds those of his return.
    """
    back = f"\x1b[{len(lines) - 1}A" if len(lines) > 1 else ""  # ECMA-48, 8.3.22: CUU
    _Standing.text = "\r" + "\n".join(lines) + back + "\r" if lines else ""
    outlet = getattr(sys.stdout, "buffer", None)
    if not (lines and isinstance(outlet, _Outlet) and outlet.is_behind):
        sys.stdout.write("")


class _Standing:
    """What stands on the terminal, if anything may."""

    terminal: int | None = None  # the device
    text = ""


def guard() -> None:
    """Make both outputs such that printing never fails. May be called again.

    To be called first of all: a file opened while a descriptor of the three is free would become
    the output of every process that is started later.
    """
    codecs.register_error(_ERRORS, _in_plain)
    # Newer Pythons colour tracebacks and the help of a command; what is no colour of ours is none.
    os.environ.setdefault("PYTHON_COLORS", "0")
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free
    sys.stdout = _guarded(sys.stdout)
    sys.stderr = _guarded(sys.stderr)


def never_wait(start: Callable[..., object] = _thread.start_new_thread) -> None:
    """From now on leave each write to a thread: a reader who has stopped stops nobody here.

    For a process that has more to do than to print. It ends without the last words if nobody has
    taken them within `LAST_WORDS`. `start` has to start a thread of the system.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(outlet := getattr(stream, "buffer", None), _Outlet):
            outlet.leave_to_a_thread(start)


class Log(logging.Formatter):
    """Words a log's lines as another formatter does, and makes them safe.

    Their stamps tell the time in UTC and say so, as in `2026-11-22T15:06:54.012Z`.
    """

    def __init__(self, form: logging.Formatter) -> None:
        super().__init__()
        self._form = form
        if form.datefmt is None:
            form.converter = time.gmtime
            form.default_time_format = "%Y-%m-%dT%H:%M:%S"
            form.default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's line, and those of its traceback."""
        return printed(self._form.format(record))


def _guarded(stream: TextIO | None) -> TextIO:
    if stream is None:  # closed from the beginning, and its number may be somebody else's by now
        return _text(os.open(os.devnull, os.O_WRONLY), "utf-8")
    if isinstance(getattr(stream, "buffer", None), _Outlet):
        return stream
    try:
        descriptor = stream.fileno()
        stream.flush()
    except (OSError, ValueError):  # no file: whoever put it there knows what for
        return stream
    return _text(descriptor, stream.encoding)


def _text(descriptor: int, encoding: str) -> TextIO:
    outlet = _Outlet(descriptor)
    lines = SafeLines()
    stream = _Stream(outlet, encoding, lambda text: lines(printed(text)))
    stream.for_commands = _Stream(outlet, encoding, lambda text: _passed(lines, redact(text)))
    # What `rich` writes to in the place of this: its texts are safe, the colours are its own.
    stream.rich_proxied_file = _Stream(outlet, encoding, lambda text: lines(redact(text)))
    return stream


def _passed(lines: SafeLines, text: str) -> str:
    lines.passed(text)
    return text


class _Stream(io.TextIOWrapper):
    """An output whose every text is made safe."""

    # the same output, for texts which need less
    for_commands: "_Stream"
    rich_proxied_file: "_Stream"

    def __init__(self, outlet: Any, encoding: str, safe: Callable[[str], str]) -> None:
        # No buffer: what is written goes out whole, and at once.
        super().__init__(
            outlet, encoding=encoding, errors=_ERRORS, newline="\n", write_through=True
        )
        self._safe = safe

    def write(self, text: str) -> int:
        """Write a text; returns how many of its characters are done with: all of them."""
        told = self._safe(text)
        if _Standing.terminal is not None and self._terminal() == _Standing.terminal:
            ended = not told or told.endswith("\n")
            told = f"{_ERASE}{told}{_Standing.text if ended else ''}"
        super().write(told)
        return len(text)

    def _terminal(self) -> int | None:
        return self.buffer.terminal if isinstance(self.buffer, _Outlet) else None


def _in_plain(error: UnicodeError) -> tuple[str, int]:
    """Replace what cannot be encoded (an error handler of `codecs`)."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(character, "?") for character in lacking), error.end


class _Outlet(io.RawIOBase):
    """A descriptor to which every write succeeds."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: SimpleQueue[bytes] | None = None
        self._given = self._taken = 0  # bytes; each is counted by one side alone
        # which device it is, of terminals
        self.terminal = os.fstat(descriptor).st_rdev if os.isatty(descriptor) else None
        os.register_at_fork(after_in_child=self._on_its_own)

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    @property
    def is_behind(self) -> bool:
        """Whether there is something that nobody has taken yet."""
        return self._given > self._taken

    def write(self, data: Any) -> int:
        line = bytes(data)
        if self._waiting is None:
            self._put(line)
        elif self._given - self._taken + len(line) <= BACKLOG:
            self._given += len(line)
            self._waiting.put(line)
        return len(line)

    def leave_to_a_thread(self, start: Callable[..., object]) -> None:
        if self._waiting is None:
            self._waiting = SimpleQueue()
            start(self._put_all, (self._waiting,))
            atexit.register(self._wait_for_last_words)

    def _put_all(self, waiting: "SimpleQueue[bytes]") -> None:
        while True:
            line = waiting.get()
            self._put(line)
            self._taken += len(line)

    def _put(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # somebody who shares it has made it so
                time.sleep(NON_BLOCKING_PAUSE)
            except OSError:
                return  # nobody can read this; the next line may find room again

    def _wait_for_last_words(self) -> None:
        until = time.monotonic() + LAST_WORDS
        while self._given > self._taken and time.monotonic() < until:
            time.sleep(0.001)

    def _on_its_own(self) -> None:
        """This is a forked process: it has no such thread."""
        self._waiting, self._given, self._taken = None, 0, 0
