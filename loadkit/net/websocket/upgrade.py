"""The opening handshake of a WebSocket: from a connected socket to a protocol in its open state."""

import logging
import re
from time import perf_counter
from typing import Final, NamedTuple

import gevent.socket
from geventhttpclient.header import Headers
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, SecurityError
from websockets.protocol import Protocol
from websockets.uri import WebSocketURI

from loadkit.chat.personas import Compression
from loadkit.errors import Failure, RemoteError
from loadkit.net.http.answer import Answer, header
from loadkit.net.http.intake import Intake
from loadkit.net.http.retry import asked_delay
from loadkit.net.http.target import Target
from loadkit.net.websocket.deflate import Deflate, Offer
from loadkit.net.websocket.text_protocol import TextProtocol
from loadkit.security.escaping import one_line

_NO_SIZE: Final = re.compile(r"invalid [a-z ]+: (?![0-9a-fA-F]+$)")  # it calls large ones so, too
_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")

# At DEBUG the protocol would log the request line, and with it the access token.
_PROTOCOL_LOG: Final = logging.getLogger(f"{__name__}.protocol")
_PROTOCOL_LOG.setLevel(logging.ERROR)


class Upgrade(NamedTuple):
    """What a handshake leaves behind."""

    protocol: TextProtocol
    # What came in the same segment as the 101, behind it; not yet given to the protocol.
    rest: bytes
    stamp: float  # `perf_counter` when the 101 had arrived, in seconds
    deflate: Deflate | None  # what was agreed of compression, if it was


def upgrade(
    sock: gevent.socket.socket,
    target: Target,
    query: str,
    *,
    max_size: int,
    compression: Compression | None,
) -> Upgrade:
    """Ask for a WebSocket. The caller bounds the wait and closes the socket.

    Args:
        sock: connected, without a time-out.
        target: whose `ws_path` is asked for.
        query: of the URL, encoded; its `access_token` shows up in no text.
        max_size: of a message from the server, in bytes.
        compression: what is offered of it; None for nothing.

    Raises:
        RemoteError: UPGRADE_REFUSED with the status and the server's own words for any answer but
            101, RATE_LIMITED for a 429, PROTOCOL_ERROR for an answer that breaks its RFC,
            ANSWER_TOO_BIG, CONNECTION_LOST for none.
        OSError: the request could not be sent.
    """
    uri = WebSocketURI(target.secure, target.host, target.port, target.ws_path, query)
    offers = None if compression is None else [Offer(compression)]
    handshake = ClientProtocol(uri, extensions=offers, logger=_PROTOCOL_LOG)
    handshake.debug = False  # whatever a user has set the log to
    request = handshake.connect()
    for name, value in target.network.headers:
        request.headers[name] = value
    handshake.send_request(request)
    sock.sendall(b"".join(handshake.data_to_send()))

    answer, intake = bytearray(), Intake(sock, "an answer to the upgrade")
    try:
        while not handshake.events_received() and handshake.handshake_exc is None:
            data = intake.recv()
            answer += data
            if data:
                handshake.receive_data(data)
            else:
                handshake.receive_eof()
        stamp = perf_counter()
        error = handshake.handshake_exc
        if error is not None and isinstance(error.__cause__, EOFError):
            raise intake.cut() from None
        if error is not None and _is_too_big(error):
            raise intake.too_big("goes on") from None
        if error is not None:
            url = f"{target.origin}{target.ws_path}"
            raise _refusal(error, url) from None
    except RemoteError as failure:
        if failure.kind is Failure.ANSWER_TOO_BIG and b"\r\n\r\n" in answer:
            status = _STATUS.match(answer)
            failure.status = status and int(status[1])
        raise
    finally:
        forget(handshake)
    # The protocol that made the handshake keeps its URI, token included, its key and the answer's
    # headers for good. One that starts open is 0.8 KB smaller and a little faster.
    protocol = TextProtocol(max_size=max_size, logger=_PROTOCOL_LOG)
    protocol.debug = False
    protocol.extensions = handshake.extensions
    agreed = [each for each in handshake.extensions if isinstance(each, Deflate)]
    rest = bytes(answer.partition(b"\r\n\r\n")[2])
    return Upgrade(protocol, rest, stamp, agreed[0] if agreed else None)


def forget(protocol: Protocol) -> None:
    """Undo the cycles in a protocol that is over, for its memory to be free at once.

    It holds its parser and what that raised, whose frames hold the protocol. What has lived for a
    while, only a full collection finds, and those are rare where thousands of sessions live.
    """
    protocol.parser.close()
    protocol.parser_exc = None
    if isinstance(protocol, ClientProtocol):
        if isinstance(protocol.handshake_exc, InvalidStatus):
            protocol.handshake_exc.response._exception = None  # they hold each other
        protocol.handshake_exc = None


def _is_too_big(error: Exception) -> bool:
    """Whether the library has come to a limit of its own: of a line, of headers, of a body."""
    cause = error.__cause__ or error
    return isinstance(cause, SecurityError) and _NO_SIZE.search(str(cause)) is None


def _refusal(error: Exception, url: str) -> RemoteError:
    if not isinstance(error, InvalidStatus):
        return RemoteError(Failure.PROTOCOL_ERROR, one_line(str(error)))
    response, headers = error.response, Headers()
    for name, value in reversed([*response.headers.raw_items()]):
        headers[name] = value  # of a header that is there twice the first counts
    refusal = Answer(response.status_code, response.body or b"", headers).refusal(url)
    if refusal.kind is Failure.RATE_LIMITED:
        # A policy's limit, which is another finding than a server that cannot.
        refusal.wait_s = asked_delay(header(headers, "retry-after"))
    else:
        refusal.kind = Failure.UPGRADE_REFUSED
    return refusal
