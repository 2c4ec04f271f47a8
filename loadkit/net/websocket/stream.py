"""The bytes of one connection: read and written cooperatively, and dated as they arrive.

There is no thread and no greenlet in here: whoever reads waits in its own, and nobody else may.
"""

import _socket
import struct
from socket import SO_LINGER, SOL_SOCKET
from ssl import SSLWantReadError, SSLWantWriteError
from time import perf_counter
from typing import Any, Final

import gevent
from gevent.socket import wait

from loadkit.net.websocket.flood_allowance import FRAME, Allowance
from loadkit.net.websocket.timestamps import NOTE_SIZE, ArrivalClock, ask_for_stamps

_BLOCK: Final = 16384  # bytes a recv: what a TLS record holds, and far more than an exchange
# One for all streams, as nothing gives way between a read and the copy of what came. A new block
# for each read, cut down to that, left holes in the heap which grew for hours.
_READ_INTO: Final = memoryview(bytearray(_BLOCK))
_BUFFERS: Final = (_READ_INTO,)
_NEVER: Final = float("inf")
_SEND_LIMIT = 10.0  # seconds; a test has less
_LINGER_NOT: Final = struct.pack("ii", 1, 0)  # on close, a reset in place of a FIN
_READ, _WRITE = 1, 2  # what a loop's io watcher looks for
_MOMENT: Final = 1e-4  # seconds
_PROMPT: Final = 2e-3  # seconds that the loop, which counts in milliseconds, wakes late unheld
_MOST_AT_ONCE: Final = 4  # blocks read in a row before others have their turn

_ARRIVALS: Final = ArrivalClock()  # one for all: a step of the wall clock concerns them all


class ByteStream:
    """A connected socket.

    Args:
        sock: it, of gevent's; the stream's own from now on, and never blocks.
        secure: whether it is TLS.
        opened_at: when it was last read, by `perf_counter` in seconds.
        allowance: to charge with waking up for nothing, as half a TLS record makes one do.

    Attributes:
        stamp: when what was read last arrived, on the same clock: when the last of its bytes
            reached this machine, on plain TCP under Linux, else when it was read. Never before
            the reading or sending that went before.
        sent_at: when something was last sent to which the other side may answer.
    """

    __slots__ = (
        "_alarm",
        "_alarm_at",
        "_allowance",
        "_armed",
        "_at_once",
        "_begun",
        "_next",
        "_read_at",
        "_reader",
        "_secure",
        "_sleeper",
        "_sock",
        "_stamped",
        "_woken",
        "sent_at",
        "stamp",
    )

    def __init__(self, sock: Any, *, secure: bool, opened_at: float, allowance: Allowance) -> None:
        # gevent's own does in Python what C does at half the cost, and has watchers of its own.
        # Those of TLS it has to keep.
        self._sock: Any = sock if secure else _plain(sock)
        self._secure = secure
        self._allowance = allowance
        self._at_once = 0  # blocks read since others had their turn
        self._begun = b""  # the end of what there was no room for, and goes before all else
        self._next = b""  # what was offered last and goes then
        self._stamped = not secure and ask_for_stamps(self._sock)  # a TLS record is not a segment
        self._read_at = self.sent_at = self.stamp = opened_at
        # One watcher for the life of the link: a new one each wait costs a system call each wait.
        self._reader: Any = gevent.get_hub().loop.io(self._sock.fileno(), _READ)
        self._armed = False  # whether it watches, as it does from one wait to the next
        self._alarm: Any = None  # the timer that ends a wait
        self._alarm_at = _NEVER
        self._sleeper: Any = None  # the greenlet that waits
        self._woken = False  # by somebody else, with nothing to read

    @property
    def is_open(self) -> bool:
        return self._sock is not None

    def read(self, until: float | None, promptly: bool = False) -> bytes | None:
        """What there is: b"" at the end; None when `until` has passed, or the allowance.

        What came until then is read first, however late that is looked at. Where whoever reads
        wants to be on time (`promptly`) and is, the loop's own look, a moment ago, will do.
        """
        sock = self._sock
        while True:
            # Wait first: nearly always there is nothing yet, and asking costs an exception. What
            # TLS has decrypted already does not wake anybody.
            if not (self._secure and sock.pending()) and self._wait(until):
                self._at_once = 0
                if until is not None and self._alarm_at == _NEVER and not self._reader.pending:
                    early = until - perf_counter()
                    if early > 0.0 and not self._woken:
                        continue  # the alarm was of an earlier wait
                    if promptly and early > -_PROMPT:
                        return None
            elif self._at_once == _MOST_AT_ONCE:
                self.give_way()
            else:
                self._at_once += 1
            try:
                return self.block()
            except (BlockingIOError, SSLWantReadError, SSLWantWriteError):
                self._at_once = 0
                # Timers count from the loop's last turn, so they may come a little early.
                if self._woken or (until is not None and perf_counter() >= until):
                    self._woken = False
                    return None
                self._allowance.left -= FRAME
                if self._allowance.left < 0:
                    return None
            except OSError:
                return b""

    def give_way(self) -> None:
        """Let all others who are ready have their turn.

        Not by `gevent.sleep(0)`, behind which a loop looks at its sockets and timers only after
        fifty such turns; by a wait for more to read, which a flood ends at once.
        """
        self._at_once = 0
        if self._sock is not None:
            self._wait(perf_counter() + _MOMENT)

    def _wait(self, until: float | None) -> bool:
        """Sleep until there may be something to read, or `until` has come; at times for less.

        Returns False if `until` has passed, and nobody slept.

        The alarm goes on from one wait to the next, and is set anew only when it would come too
        late: deadlines lie far ahead, and nearly every answer puts them off.
        """
        hub = gevent.get_hub()
        if until is not None and until < self._alarm_at:
            remaining = until - perf_counter()
            if remaining <= 0.0:
                return False
            if self._alarm is not None:
                self._alarm.close()
            self._alarm = hub.loop.timer(remaining)
            self._alarm_at = until
            self._alarm.start(self._ring)
        if not self._armed:
            self._reader.start(self._readable)
            self._armed = True
        self._sleeper = gevent.getcurrent()
        try:
            hub.switch()
        finally:
            self._sleeper = None
        return True

    def _readable(self) -> None:
        """There is something to read. Where nobody waits for it, it is left to whoever will."""
        if self._sleeper is None:
            self._reader.stop()
            self._armed = False
        else:
            self._sleeper.switch()

    def _ring(self) -> None:
        self._alarm_at = _NEVER
        self._rouse()

    def wake(self) -> None:
        """Have a `read` that waits return as if its time had come; for other greenlets."""
        self._woken = True
        gevent.get_hub().loop.run_callback(self._rouse)

    def _rouse(self) -> None:
        if self._sleeper is not None:
            self._sleeper.switch()

    def block(self) -> bytes:
        """Read once, without waiting, and date what came. Raises OSError where there is nothing."""
        if not self._stamped:
            size = self._sock.recv_into(_READ_INTO)
            self.stamp = perf_counter()
            return bytes(_READ_INTO[:size])
        size, notes, _, _ = self._sock.recvmsg_into(_BUFFERS, NOTE_SIZE)
        arrived, self._read_at = _ARRIVALS.read(notes, self._read_at)
        # What crossed our own words on the way counts as heard after them: time in a session runs
        # one way.
        sent_at = self.sent_at
        self.stamp = arrived if arrived > sent_at else sent_at
        return bytes(_READ_INTO[:size])

    def write(self, data: bytes, until: float | None) -> None:
        """Send all of it, waiting for room until `until`; None for 10 seconds from now.

        Raises:
            OSError: the stream broke, or took nothing for so long.
        """
        if self._begun:
            data = b"".join((self._begun, self._next, data))
            self._begun = self._next = b""
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent != len(data):
            self._write_rest(memoryview(data)[sent:], until)

    def offer(self, data: bytes) -> None:
        """Send it when there is room, and wait for none; the newest offer is the one that waits."""
        self._next = data
        if self._begun:
            self._begun = self._begun[self._send(self._begun) :]
        if not self._begun:
            self._begun, self._next = data[self._send(data) :], b""

    def _send(self, data: bytes) -> int:
        try:
            sent: int = self._sock.send(data)
        except BlockingIOError:
            return 0
        return sent

    def _write_rest(self, rest: memoryview, until: float | None) -> None:
        until = perf_counter() + _SEND_LIMIT if until is None else until
        sock = self._sock
        writer = gevent.get_hub().loop.io(sock.fileno(), _WRITE)
        try:
            while rest:
                wait(writer, timeout=max(0.0, until - perf_counter()))
                try:
                    rest = rest[sock.send(rest) :]
                except BlockingIOError:
                    continue
        finally:
            writer.close()

    def reset_on_close(self) -> None:
        """Have the socket say goodbye by a TCP reset."""
        if self._sock is not None:
            self._sock.setsockopt(SOL_SOCKET, SO_LINGER, _LINGER_NOT)

    def detach(self) -> Any:
        """Hand out the socket, which nobody watches any more; None if it is gone already."""
        sock, self._sock = self._sock, None
        if sock is not None:
            self._reader.close()
            self._reader = None
            if self._alarm is not None:
                self._alarm.close()
                self._alarm = None
        return sock


def _plain(sock: Any) -> _socket.socket:
    """The same connection, of which gevent knows nothing any more."""
    family, kind, proto = sock.family, sock.type, sock.proto
    plain = _socket.socket(family, kind, proto, sock.detach())
    plain.setblocking(False)
    return plain
