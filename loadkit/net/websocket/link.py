"""One WebSocket of one virtual user: a Sans-I/O protocol driven over a cooperative socket.

There is no thread and no greenlet in here. The session's own greenlet calls `receive` in a loop and
`send` in between; nobody else may.
"""

from collections.abc import Iterable, Iterator
from random import Random
from time import perf_counter
from typing import Any, Final, NamedTuple

import gevent
from websockets.exceptions import ProtocolError
from websockets.frames import CloseCode
from websockets.protocol import State

from loadkit.chat.personas import Compression
from loadkit.errors import Failure, LocalError, RemoteError
from loadkit.net.failures import translate
from loadkit.net.http.target import Target
from loadkit.net.websocket.flood_allowance import EVENT, Allowance
from loadkit.net.websocket.frames import Inbox, Traffic, masked
from loadkit.net.websocket.stream import ByteStream
from loadkit.net.websocket.upgrade import Upgrade, forget, upgrade
from loadkit.protocol import Event, EventType, Flaw, decode

__all__ = ["CloseInfo", "Link", "Traffic"]

MESSAGE_LIMIT: Final = 1 << 20  # bytes; what a client takes when the server announces nothing
_MOST_BLOCKS: Final = 72  # read after the time is over, or off a broken connection: a whole message
_LONG: Final = 1024  # bytes of a message that may hold many events
_MOST_EVENTS: Final = 64  # of one message in a row
_PONG: Final = 0x8A  # the first byte of one
_MASKS: Final = Random()
_OPEN: Final = State.OPEN


class CloseInfo(NamedTuple):
    """How a link ended.

    Attributes:
        code: the server's close code; 1006 when no close frame came; 1002, 1007, 1008 (a flood) or
            1009 when we refused what it sent.
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
        flooded: the server has sent more than its allowance, which ends the link.
        closed: how the link ended, or None while it lives. It is set only after every message
            that came before the end was handed out.
    """

    __slots__ = (
        "_allowance",
        "_deflate",
        "_held",
        "_inbox",
        "_left",
        "_pending",
        "_protocol",
        "_stream",
        "_traffic",
        "closed",
        "flooded",
        "lost_s",
        "opened_at",
    )

    def __init__(
        self,
        sock: Any,
        secure: bool,
        opened: Upgrade,
        traffic: Traffic,
        allowance: Allowance,
        max_size: int,
    ) -> None:
        self._stream = ByteStream(sock, secure=secure, opened_at=opened.stamp, allowance=allowance)
        self._protocol = opened.protocol
        self._deflate = opened.deflate
        self._traffic = traffic
        self._allowance = allowance
        self._inbox = Inbox(opened.protocol, traffic, allowance, max_size)
        self.flooded = self._left = False  # left by us
        self._held: tuple[bytes, ...] = ()  # frames that go out with the next one
        self.opened_at = opened.stamp
        self.lost_s = 0.0
        self.closed: CloseInfo | None = None
        # What arrived while nobody was receiving, here together with the 101.
        self._pending = self._inbox.take(opened.rest) or None
        self._answer()

    @classmethod
    def open(
        cls,
        target: Target,
        query: str,
        traffic: Traffic,
        *,
        timeout: float = 10.0,
        max_size: int = MESSAGE_LIMIT,
        allowance: Allowance | None = None,
        compression: Compression | None = None,
    ) -> "Link":
        """Connect and upgrade.

        Args:
            target: where to.
            query: of the upgrade's URL, encoded; its `access_token` shows up in no text.
            traffic: what to count on.
            timeout: of TCP, TLS and upgrade together, in seconds.
            max_size: of a message from the server, in bytes; this is what clients take.
            allowance: of the session; a link without one has its own.
            compression: what is offered of it, which the server may agree to; None for nothing.

        Raises:
            RemoteError: as `upgrade` and `Target.connect`, or CONNECT_TIMEOUT.
        """
        sock: Any = None
        limit = gevent.Timeout.start_new(timeout)
        try:
            sock, lost_s = target.connect()
            opened = upgrade(sock, target, query, max_size=max_size, compression=compression)
            sock.settimeout(0.0)  # from here on the link does its own waiting
            link = cls(sock, target.secure, opened, traffic, allowance or Allowance(), max_size)
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
    def compressed(self) -> bool:
        return self._deflate is not None

    @property
    def stamp(self) -> float:
        """When the last messages arrived; see `ByteStream.stamp`."""
        return self._stream.stamp

    def wake(self) -> None:
        """Have a `receive` that waits return with nothing."""
        self._stream.wake()

    def receive(self, until: float | None, *, promptly: bool = False) -> list[bytes | Flaw]:
        """Wait for text messages.

        Args:
            until: the `perf_counter` to wait for at most; None for as long as it takes. What has
                already arrived is handed out even when that moment has passed, but no more than one
                message of the greatest size is looked for then.
            promptly: see `ByteStream.read`.

        Returns:
            The messages that arrived together, in order, with a flaw in the place of a binary one;
            nothing when the time is over or the link is `closed`. Whatever comes, others have their
            turn meanwhile.
        """
        pending = self._pending
        if pending:
            self._pending = None
            return pending
        protocol, inbox, allowance = self._protocol, self._inbox, self._allowance
        late = 0
        while self.closed is None:
            if protocol.state is not _OPEN:
                self.closed = self._verdict()
                break
            data = self._next_block(until) if inbox.rest else self._stream.read(until, promptly)
            messages: list[bytes | Flaw] = []
            if data:
                messages = inbox.take(data)
            elif data is not None:
                self._end()
                continue
            elif allowance.left >= 0:
                break
            if protocol.writes:  # a pong, or the answer to a close
                self._answer()
            if allowance.left < 0 and allowance.is_spent():
                self._fail()
            if messages:
                return messages
            if until is not None and perf_counter() >= until:
                late += 1
                if late >= _MOST_BLOCKS:
                    break
        return []

    def events(self, message: bytes | Flaw) -> Iterable[Event | Flaw]:
        """What a message holds, which `receive` gave. Where that is much, others have turns too."""
        if isinstance(message, Flaw):
            return [message]
        events = decode(message)
        return events if len(message) < _LONG else self._in_turns(events, len(message))

    def _in_turns(self, events: list[Event | Flaw], size: int) -> Iterator[Event | Flaw]:
        last = events[-1]
        if isinstance(last, Event) and last.type is EventType.EVENT_BATCH:
            self._allowance.left -= max(0, last.payload["size"] * EVENT - size)
        for number, event in enumerate(events, 1):
            yield event
            if not number % _MOST_EVENTS:
                self._stream.give_way()

    def send(self, frame: bytes, *, more: bool = False) -> None:
        """Send one text frame; on a closed link this does nothing.

        Where `more` follows at once it goes out with that, in one piece.

        A connection that turns out to be dead, or that takes nothing for 10 seconds, ends the link:
        it is `closed`, as soon as what came before has been received.

        Raises:
            LocalError: after `close` or `drop`.
        """
        if self._left:
            raise LocalError("a frame was sent on a link that this side had closed")
        protocol = self._protocol
        if protocol.state is _OPEN:
            # Not `protocol.send_text`: it draws each mask from the system, which costs more than
            # the rest of the sending. A mask keeps proxies from being fooled, not people out.
            mask, deflate = _MASKS.getrandbits(32).to_bytes(4, "big"), self._deflate
            if deflate is None or len(frame) < deflate.at_least:
                data = masked(frame, mask)
            else:
                data = masked(deflate.pack(frame), mask, packed=True)
            frames = (*self._held, data)
            self._held = frames if more else ()
            if more:
                return
            self._stream.sent_at = perf_counter()
            if self._write(b"".join(frames), None, len(frames)):
                self._allowance.add_sent(len(frames))
            elif self._pending is None:
                self.closed = self._verdict()

    def close(self, code: int = 1000, *, timeout: float = 2.0) -> None:
        """Close the WebSocket, wait for the server to do the same, and let the socket go.

        The wait, of `timeout` seconds for it all, leaves the last word of TCP to the server, so
        that this machine does not run out of local ports. May be called twice, and in a `finally`.

        Raises:
            LocalError: the code may not be sent.
        """
        self._leave()
        if not self._stream.is_open:
            return
        protocol = self._protocol
        until = perf_counter() + timeout
        try:
            if protocol.state is _OPEN:
                protocol.send_close(code)
                self._write(b"".join(protocol.data_to_send()), until)
            while (
                protocol.state is not State.CLOSED
                and perf_counter() < until
                and (data := self._next_block(until)) is not None
                and not self.flooded
            ):
                if data:
                    self._inbox.take(data)  # too late to be of use to anybody
                    protocol.data_to_send()  # likewise a pong
                    self.flooded = self._allowance.is_spent()
                else:
                    self._end()
        except ProtocolError as error:
            raise LocalError(f"the close code {code} cannot be sent: {error}") from error
        finally:
            self.drop()

    def drop(self, *, reset: bool = False) -> None:
        """Let the socket go at once, without a close frame. May be called twice.

        It ends by a TCP reset where that is asked for; else by a FIN, unless the server's last
        words are unread.
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

        Returns the open socket, for the caller to close when all is over; None if it was gone.
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

    def _next_block(self, until: float | None) -> bytes | None:
        """What is to be taken next: of what was read, else what there is; as `ByteStream.read`."""
        if self._inbox.rest:
            self._stream.give_way()
            return self._inbox.rest
        return self._stream.read(until)

    def _fail(self) -> None:
        self.flooded = True
        self._protocol.fail(CloseCode.POLICY_VIOLATION, "frame flood")
        self._answer()

    def _answer(self) -> None:
        """Send what the protocol has to say by itself, as far as there is room for it.

        Nobody waits for a server that pings and does not read. Of several pongs the newest is
        enough (RFC 6455, 5.5.3), so that none queue up.
        """
        writes = [frame for frame in self._protocol.data_to_send() if frame]
        pongs = [frame for frame in writes if frame[0] == _PONG]
        frames = [*pongs[-1:], *(frame for frame in writes if frame[0] != _PONG)]
        if frames:
            self._write(b"".join(frames), None, len(frames), offered=True)

    def _write(
        self, data: bytes, until: float | None, frames: int = 1, *, offered: bool = False
    ) -> bool:
        """Write so many frames, or offer them; False when the stream broke."""
        try:
            if offered:
                self._stream.offer(data)
            else:
                self._stream.write(data, until)
        except OSError:
            self._break()
            return False
        except BaseException:
            # Killed in the middle of a frame: whatever follows would be read as its rest.
            self._protocol.receive_eof()
            raise
        self._traffic.frames_sent += frames
        self._traffic.bytes_sent += len(data)
        return True

    def _break(self) -> None:
        """Writing failed: what the server said before, its farewell above all, is still there."""
        pending, stream, inbox = self._pending or [], self._stream, self._inbox
        try:
            for _ in range(_MOST_BLOCKS):
                stamp = stream.stamp
                data = inbox.rest or stream.block()
                if not data:
                    stream.stamp = stamp  # of the last words, not of the end
                    break
                pending += inbox.take(data)
                if self._allowance.left < 0 and self._allowance.is_spent():
                    self.flooded = True
                    break
        except OSError:
            pass
        self._pending = pending or None
        self._end()

    def _end(self) -> None:
        self._protocol.receive_eof()
        self._protocol.data_to_send()
        self._release()

    def _release(self) -> None:
        sock = self._detach()
        if sock is not None:
            sock.close()

    def _detach(self) -> Any:
        sock = self._stream.detach()
        if sock is not None:
            forget(self._protocol)
        return sock

    def _verdict(self) -> CloseInfo:
        sent, received = self._protocol.close_sent, self._protocol.close_rcvd
        # Echoing a close, the protocol takes the very object it received for the one it sent.
        if sent is not None and sent is not received and not self._left:
            return CloseInfo(sent.code, sent.reason, clean=False)
        if received is not None:
            return CloseInfo(received.code, received.reason, clean=True)
        return CloseInfo(CloseCode.ABNORMAL_CLOSURE, "", clean=False)
