"""One WebSocket of one virtual user: a Sans-I/O protocol driven over a cooperative socket.

There is no thread and no greenlet in here. The session's own greenlet calls `receive` in a loop and
`send` in between; nobody else may.
"""

from random import Random
from time import perf_counter
from typing import Any, Final, NamedTuple

import gevent
from websockets.exceptions import ProtocolError
from websockets.frames import CloseCode
from websockets.protocol import State

from loadkit.errors import Failure, LocalError, RemoteError
from loadkit.net.faults import translate
from loadkit.net.frames import Inbox, Traffic, masked
from loadkit.net.stream import Stream
from loadkit.net.target import Target
from loadkit.net.upgrade import Upgraded, forget, upgrade
from loadkit.wire import Flaw

__all__ = ["Closed", "Link", "Traffic"]

_MOST_BLOCKS: Final = 64  # read off a broken connection before it is given up
_MASKS: Final = Random()
_OPEN: Final = State.OPEN


class Closed(NamedTuple):
    """How a link ended.

    Attributes:
        code: the server's close code; 1006 when no close frame came; 1002, 1007 or 1009 when we
            refused what it sent.
        reason: the text beside the code.
        clean: whether the server sent a close frame and both sides agreed on it.
    """

    code: int
    reason: str
    clean: bool


class Link:
    """One open WebSocket. Made by `open`; `close` or `drop` lets the socket go.

    Attributes:
        opened_at: `perf_counter` when the 101 had arrived, in seconds.
        lost_s: seconds of its opening that were not the target's: see `Connection`.
        closed: how the link ended, or None while it lives. It is set only after every message
            that came before the end was handed out.
    """

    __slots__ = (
        "_inbox",
        "_left",
        "_pending",
        "_protocol",
        "_stream",
        "_traffic",
        "closed",
        "lost_s",
        "opened_at",
    )

    def __init__(
        self, sock: Any, secure: bool, opened: Upgraded, traffic: Traffic, max_size: int
    ) -> None:
        self._stream = Stream(sock, secure=secure, opened_at=opened.stamp)
        self._protocol = opened.protocol
        self._traffic = traffic
        self._inbox = Inbox(opened.protocol, traffic, max_size)
        self._left = False  # by us
        self.opened_at = opened.stamp
        self.lost_s = 0.0
        self.closed: Closed | None = None
        # What arrived while nobody was receiving, here together with the 101.
        self._pending = self._inbox.take(opened.rest) or None
        self._flush()

    @classmethod
    def open(
        cls,
        target: Target,
        query: str,
        traffic: Traffic,
        *,
        timeout: float = 10.0,
        max_size: int = 1 << 20,
        user_agent: str | None = None,
    ) -> "Link":
        """Connect and upgrade.

        Args:
            target: where to.
            query: of the upgrade's URL, encoded; its `access_token` shows up in no text.
            traffic: what to count on.
            timeout: of TCP, TLS and upgrade together, in seconds.
            max_size: of a message from the server, in bytes.
            user_agent: the header's value; no header when None.

        Raises:
            RemoteError: UPGRADE_REFUSED with the status and the server's own words for any answer
                but 101, RATE_LIMITED for a 429, PROTOCOL_ERROR for a 101 or an answer that breaks
                its RFC, ANSWER_TOO_BIG, CONNECTION_LOST, CONNECT_TIMEOUT, and whatever
                `Target.connect` raises.
        """
        sock: Any = None
        limit = gevent.Timeout.start_new(timeout)
        try:
            sock, lost_s = target.connect()
            opened = upgrade(sock, target, query, max_size=max_size, user_agent=user_agent)
            sock.settimeout(0.0)  # from here on the link does its own waiting
            link = cls(sock, target.secure, opened, traffic, max_size)
            link.lost_s = lost_s
            return link
        except BaseException as error:
            if sock is not None:
                sock.close()
            if error is limit:
                stage = "no connection" if sock is None else "no answer to the upgrade"
                text = f"{stage} within {timeout:g} s"
                raise RemoteError(Failure.CONNECT_TIMEOUT, text) from None
            if isinstance(error, OSError):
                raise translate(error) from error
            raise
        finally:
            limit.close()

    @property
    def stamp(self) -> float:
        """When the last messages arrived; see `Stream.stamp`."""
        return self._stream.stamp

    def receive(self, until: float | None) -> list[bytes | Flaw]:
        """Wait for text messages.

        Args:
            until: the `perf_counter` to wait for at most, in seconds; None for as long as it takes.
                What has already arrived is handed out even when that moment has passed.

        Returns:
            The messages that arrived together, in order, with a flaw in the place of a binary one;
            nothing when the time is over or the link is `closed`.
        """
        pending = self._pending
        if pending:
            self._pending = None
            return pending
        protocol = self._protocol
        while self.closed is None:
            if protocol.state is not _OPEN:
                self.closed = self._verdict()
                break
            data = self._stream.read(until)
            if data is None:
                break
            if not data:
                self._end()
                continue
            messages = self._inbox.take(data)
            if protocol.writes:  # a pong, or the answer to a close
                self._flush()
            if messages:
                return messages
        return []

    def send(self, frame: bytes) -> None:
        """Send one text frame.

        A connection that turns out to be dead, or that takes nothing for 10 seconds, ends the link:
        it is `closed`, as soon as what came before has been received. On a closed link this does
        nothing.

        Raises:
            LocalError: after `close` or `drop`.
        """
        if self._left:
            raise LocalError("a frame was sent on a link that this side had closed")
        protocol = self._protocol
        if protocol.state is _OPEN:
            # Not `protocol.send_text`: it draws each mask from the system, which costs more than
            # the rest of the sending. A mask keeps proxies from being fooled, not people out.
            data = masked(frame, _MASKS.getrandbits(32).to_bytes(4, "big"))
            self._stream.sent_at = perf_counter()
            if self._write(data, None):
                self._traffic.frames_sent += 1
                self._traffic.bytes_sent += len(data)
            elif self._pending is None:
                self.closed = self._verdict()

    def close(self, code: int = 1000, reason: str = "", timeout: float = 2.0) -> None:
        """Close the WebSocket, wait for the server to do the same, and let the socket go.

        The wait leaves the last word of TCP to the server, so that this machine does not run out of
        local ports. May be called twice, and in a `finally`.

        Args:
            code: to send, unless the link is closed already.
            reason: the text beside it.
            timeout: of all of it, in seconds.

        Raises:
            LocalError: the code may not be sent, or the reason is too long.
        """
        self._leave()
        if not self._stream.is_open:
            return
        protocol = self._protocol
        until = perf_counter() + timeout
        try:
            if protocol.state is _OPEN:
                protocol.send_close(code, reason)
                self._flush(until)
            while (
                protocol.state is not State.CLOSED
                and (data := self._stream.read(until)) is not None
            ):
                if data:
                    self._inbox.take(data)  # too late to be of use to anybody
                else:
                    self._end()
        except ProtocolError as error:
            raise LocalError(f"the close code {code} cannot be sent: {error}") from error
        finally:
            self.drop()

    def drop(self, *, reset: bool = False) -> None:
        """Let the socket go at once, without a close frame. May be called twice.

        Args:
            reset: with a TCP reset; else with a FIN, unless the server's last words are unread.
        """
        self._leave()
        self._pending = None
        if self.closed is None:
            self.closed = self._verdict()
        if reset:
            self._stream.reset_on_close()
        self._release()

    def abandon(self) -> Any:
        """Neither read nor write any more, and say nothing: the server has to find out.

        Returns:
            The open socket, for the caller to close when all is over; None if it was gone.
        """
        self._leave()
        sock = self._detach()
        if self.closed is None:
            self.closed = self._verdict()
        return sock

    def _leave(self) -> None:
        # An end that nobody has heard of yet was the server's doing, not ours.
        if self.closed is None and self._protocol.state is not _OPEN and not self._left:
            self.closed = self._verdict()
        self._left = True

    def _flush(self, until: float | None = None) -> bool:
        """Send what the protocol has ready; False when the stream broke."""
        writes = self._protocol.data_to_send()
        if not writes:
            return True
        data = writes[0] if len(writes) == 1 else b"".join(writes)
        if not self._write(data, until):
            return False
        self._traffic.frames_sent += len(writes)
        self._traffic.bytes_sent += len(data)
        return True

    def _write(self, data: bytes, until: float | None) -> bool:
        try:
            self._stream.write(data, until)
        except OSError:
            self._break()
            return False
        except BaseException:
            # Killed in the middle of a frame: whatever follows would be read as its rest.
            self._protocol.receive_eof()
            raise
        return True

    def _break(self) -> None:
        """Writing failed: what the server said before, its farewell above all, is still there."""
        pending, stream = self._pending or [], self._stream
        try:
            for _ in range(_MOST_BLOCKS):
                stamp = stream.stamp
                data = stream.block()
                if not data:
                    stream.stamp = stamp  # of the last words, not of the end
                    break
                pending += self._inbox.take(data)
        except OSError:
            pass
        self._pending = pending or None
        self._end()

    def _end(self) -> None:
        """The stream is over in both directions."""
        self._protocol.receive_eof()
        self._protocol.data_to_send()
        self._release()

    def _release(self) -> None:
        sock = self._detach()
        if sock is not None:
            sock.close()

    def _detach(self) -> Any:
        """The socket, no longer watched; None if it was gone."""
        sock = self._stream.detach()
        if sock is not None:
            forget(self._protocol)
        return sock

    def _verdict(self) -> Closed:
        sent, received = self._protocol.close_sent, self._protocol.close_rcvd
        # Echoing a close, the protocol takes the very object it received for the one it sent.
        if sent is not None and sent is not received and not self._left:
            return Closed(sent.code, sent.reason, clean=False)
        if received is not None:
            return Closed(received.code, received.reason, clean=True)
        return Closed(CloseCode.ABNORMAL_CLOSURE, "", clean=False)
