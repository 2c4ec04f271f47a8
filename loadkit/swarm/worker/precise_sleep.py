"""Sleeping to the moment, where gevent's own timers are up to a millisecond late."""

import ctypes
import os
import time
from contextlib import suppress
from typing import Final

import gevent

READABLE: Final = 1  # libev's EV_READ


class _Time(ctypes.Structure):
    """`struct timespec`; both are C longs on Linux."""

    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    """`struct itimerspec`."""

    _fields_ = (("interval", _Time), ("value", _Time))


class Alarm:
    """Wakes one greenlet, to some 0.1 ms.

    On Linux gevent waits in epoll, which counts in whole milliseconds: at 300 arrivals a second,
    3.3 ms apart, that alone bends the gaps between them out of shape. A timer of the kernel's
    that is read like a socket has no such step (`man timerfd_create`; Python itself has it from
    3.13 on). Elsewhere it is gevent's timer, which kqueue counts in nanoseconds.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file = -1
        with suppress(AttributeError):  # not Linux
            flags = os.O_NONBLOCK | os.O_CLOEXEC  # TFD_NONBLOCK, TFD_CLOEXEC
            self._file = self._libc.timerfd_create(time.CLOCK_MONOTONIC, flags)
        if self._file >= 0:
            self._hub = gevent.get_hub()
            self._rings = self._hub.loop.io(self._file, READABLE)

    def sleep(self, seconds: float) -> None:
        """Let the other greenlets run for so long."""
        if self._file < 0:
            gevent.sleep(seconds)
            return
        whole, rest = divmod(max(1, int(seconds * 1e9)), 1_000_000_000)
        setting = _Setting(_Time(0, 0), _Time(whole, rest))
        if self._libc.timerfd_settime(self._file, 0, ctypes.byref(setting), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")
        self._hub.wait(self._rings)

    def close(self) -> None:
        """Give the timer back."""
        if self._file >= 0:
            self._rings.stop()
            self._rings.close()
            os.close(self._file)
            self._file = -1
