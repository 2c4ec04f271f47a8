"""When bytes reached this machine: the kernel's own stamp, told on the clock of `perf_counter`.

A generator that is busy reads late. Stamped after the read, the answer of a fast server then looks
slow; stamped by the kernel it does not. Linux gives the stamp beside what is read from a TCP
socket (SO_TIMESTAMPNS, see socket(7) and the kernel's Documentation/networking/timestamping.rst).
Of bytes that came in several segments and are read at once it gives the stamp of the last.
"""

import struct
import sys
from collections.abc import Callable, Sequence
from socket import SOL_SOCKET
from time import perf_counter, time
from typing import Any, Final

NOTE_SIZE: Final = 64
"""What `recvmsg` needs for the note with the stamp, in bytes: 32 on 64-bit machines."""

STEP: Final = 1e-3
"""How far the wall clock may move against the monotonic one from read to read, in seconds.

More is a step: the two clocks are read right after each other, and the kernel slews the wall clock
by at most 0.5 ms a second (adjtimex(2)).
"""

_SO_TIMESTAMPNS: Final = 35  # include/uapi/asm-generic/socket.h; Python has no name for it
_unpack: Final = struct.Struct("@ll").unpack  # a timespec
_SIZE: Final = struct.calcsize("@ll")

Note = tuple[int, int, bytes]


def ask_for_stamps(sock: Any) -> bool:
    """Have the kernel note the arrival of what `sock.recvmsg` reads; False where it cannot."""
    if sys.platform != "linux":
        return False
    try:
        sock.setsockopt(SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return True


class ArrivalClock:
    """Turns the kernel's stamps, which are of the wall clock, into those of a monotonic one.

    Only the age of what was read is taken from the wall clock. What arrived before a step of that
    clock has no age, and what has an impossible one has none either: then the stamp is the time of
    the read, as it is without the kernel's help.

    Args:
        wall: seconds on the wall clock, the one the kernel stamps by.
        now: seconds on the monotonic clock.
    """

    __slots__ = ("_now", "_offset", "_stepped_at", "_wall")

    def __init__(
        self, wall: Callable[[], float] = time, now: Callable[[], float] = perf_counter
    ) -> None:
        self._wall, self._now = wall, now
        self._offset = wall() - now()
        self._stepped_at = float("-inf")

    def read(self, notes: Sequence[Note], since: float) -> tuple[float, float]:
        """Date what was read just now: when it arrived, from `since` to now; and now.

        Args:
            notes: what `recvmsg` gave beside the data.
            since: when the socket was last read, on the monotonic clock; nothing that is read now
                can have arrived before.
        """
        # In this order: held up in between, we date what arrived later than it was, never earlier.
        wall = self._wall()
        now = self._now()
        offset = wall - now
        if not -STEP < offset - self._offset < STEP:
            self._stepped_at = now
        self._offset = offset
        if notes:
            _, kind, data = notes[0]  # the only one that was asked for
            if kind == _SO_TIMESTAMPNS and len(data) == _SIZE:
                seconds, nanoseconds = _unpack(data)
                arrived = seconds + nanoseconds * 1e-9 - offset
                if since <= arrived <= now and arrived >= self._stepped_at:
                    return arrived, now
                if since - STEP <= arrived < since:
                    return since, now
        return now, now
