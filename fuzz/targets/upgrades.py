"""Whatever answers an upgrade, and however it ends: an open protocol, or a failure with a name."""

import base64
import hashlib
import re
from typing import cast

import gevent.socket
from hypothesis import strategies as st
from websockets.protocol import State

from fuzz.target import Target
from fuzz.targets.rest import ENDS, Place, Wire
from loadkit.chat.personas import Compression
from loadkit.errors import RemoteError
from loadkit.net.websocket.upgrade import upgrade
from loadkit.security import redaction

TOKEN = "an-access-token-that-nobody-may-see"
redaction.remember(TOKEN)
ACCEPT = b"@ACCEPT@"
"""Stands for what proves that the request was read (RFC 6455, 4.2.2)."""


class Server(Wire):
    """One that has read the request."""

    def sendall(self, data: bytes) -> None:
        assert data.startswith(b"GET /ws?access_token=")
        (key,) = re.findall(rb"Sec-WebSocket-Key: (\S+)\r\n", data)
        said = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        self.stream = self.stream.replace(ACCEPT, base64.b64encode(said))


def check(data: bytes) -> None:
    """A byte for how it ends, two for the sizes of the reads, and the answer."""
    end, sizes, stream = ENDS[(data[:1] or b"\0")[0] % len(ENDS)], data[1:3] or b"\0", data[3:]
    server = Server(stream, sizes, end)
    sock = cast(gevent.socket.socket, server)
    query = f"access_token={TOKEN}&session_id=1"
    try:
        open_now = upgrade(sock, Place([]), query, max_size=1000, compression=Compression())
    except RemoteError as error:
        told = str(error)
    else:
        assert ACCEPT in stream, "it takes what proves nothing"
        assert b" 101" in stream
        assert open_now.protocol.state is State.OPEN
        assert bytes(open_now.rest) in server.stream
        return
    assert TOKEN not in told, "the token is told"
    assert len(told) < 2000, "it tells too much"


OPEN = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: @ACCEPT@\r\n"
)
LINES = (
    *(b"Upgrade: websocket", b"upgrade: h2c", b"Connection: Upgrade", b"Connection: close"),
    *(b"Sec-WebSocket-Accept: @ACCEPT@", b"Sec-WebSocket-Accept: abc", b"Content-Length: 5"),
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=8",
    *(b"Sec-WebSocket-Extensions: permessage-deflate", b"Sec-WebSocket-Protocol: chat"),
    *(b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", b"Retry-After: 9" * 3, b" folded"),
    *(b"Location: https://x.example/?access_token=" + TOKEN.encode(), b"X: \xff\x00", b": empty"),
)
TARGET = Target(
    "upgrades",
    check,
    st.builds(
        lambda how, first, lines, rest: how + b"\r\n".join([first, *lines, b"", rest]),
        st.binary(min_size=3, max_size=3),
        st.sampled_from([b"HTTP/1.1 %d X" % code for code in (101, 101, 200, 301, 401, 429, 503)])
        | st.binary(max_size=20),
        st.lists(st.sampled_from(LINES) | st.binary(max_size=20), max_size=6)
        | st.just([*OPEN.split(b"\r\n")[1:-1]]),
        st.sampled_from([b"", TOKEN.encode(), b"\x81\x05hello"]) | st.binary(max_size=40),
    ),
    (
        b"\0\0\0" + OPEN + b"\r\n\x81\x05hello",
        b"\1\7\0HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 4\r\n\r\nwait",
        b"\2\0\0HTTP/1.1 302 There\r\nLocation: /x\r\n\r\n",
    ),
    (*LINES, b"\r\n\r\n", b"HTTP/1.1 "),
)
