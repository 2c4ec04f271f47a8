"""Whatever answers a call, and however it ends: a token, or a failure that has a name."""

from typing import Any, cast

import gevent.socket
from hypothesis import strategies as st

from fuzz.target import Target
from loadkit.errors import RemoteError
from loadkit.net.http.rest import Api
from loadkit.net.http.target import OpenConnection
from loadkit.net.http.target import Target as Address
from loadkit.security import redaction
from loadkit.security.credentials import Credentials

TOKEN = "a-connector-token-that-nobody-may-see"
redaction.remember(TOKEN)
ENDS: tuple[Exception | None, ...] = (
    None,  # a FIN
    ConnectionResetError(104, "Connection reset by peer"),
    TimeoutError(110, "Connection timed out"),
    BrokenPipeError(32, "Broken pipe"),
)


class Wire:
    """A socket that says what it was given, in portions, and then ends."""

    def __init__(self, stream: bytes, sizes: bytes, end: Exception | None) -> None:
        self.stream, self._sizes, self._end = stream, sizes, end
        self._at = self._turn = 0

    def sendall(self, data: bytes) -> None:
        assert data.startswith(b"POST ")

    def recv(self, size: int) -> bytes:
        size = min(size, self._sizes[self._turn % len(self._sizes)] or size)
        self._turn += 1
        if self._at < len(self.stream):
            data = self.stream[self._at : self._at + size]
            self._at += len(data)
            return data
        assert self._turn < 10 * len(self.stream) + 100, "it reads on and on after the end"
        if self._end is not None:
            raise self._end
        return b""

    def recv_into(self, buffer: Any, size: int = 0) -> int:
        data = self.recv(size or len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None: ...

    def fileno(self) -> int:
        return -1

    def settimeout(self, seconds: float | None) -> None: ...


class Place(Address):
    """A target that nobody connects to."""

    def __init__(self, wires: list[Wire]) -> None:
        super().__init__(False, "shop.example", 80, "", ())
        self.wires = wires

    def connect(self) -> OpenConnection:
        return OpenConnection(cast(gevent.socket.socket, self.wires.pop(0)), 0.0)


def check(data: bytes) -> None:
    """A byte for how it ends, two for the sizes of the reads, and the answer."""
    end, sizes, stream = ENDS[(data[:1] or b"\0")[0] % len(ENDS)], data[1:3] or b"\0", data[3:]
    place = Place([Wire(stream, sizes, end) for _ in range(20)])
    told: list[RemoteError] = []
    credentials = Credentials(TOKEN, "shop.example")
    api = Api(place, credentials, sleep=lambda _: None, retrying=told.append)
    try:
        token = api.access_token()
        assert token.isascii()
        assert " " not in token
        api.create_session(token, streaming=True)
    except RemoteError as error:
        told.append(error)
    finally:
        api.close()
    assert len(place.wires) > 10, "it asks again and again"
    for error in told:
        assert TOKEN not in str(error), "the token is told"
        assert len(str(error)) < 2000, "it tells too much"
    repr(api.clock_ahead_s)


JWT = b"eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9.x"
BODIES = st.one_of(
    st.just(b'{"access_token":"' + JWT + b'","session_id":"s"}'),
    st.just(TOKEN.encode()),
    st.text(max_size=40).map(str.encode),
    st.binary(max_size=80),
)
HEADERS = st.lists(
    st.sampled_from(
        [
            *(b"Content-Length: %b" % size for size in (b"5", b"-1", b"99999999999999999999")),
            *(b"Content-Encoding: gzip", b"Content-Encoding: br", b"Transfer-Encoding: chunked"),
            *(b"Connection: close", b"Retry-After: 1", b"Retry-After: \xd9\xa3"),
            *(b"Content-Type: application/json", b"Date: Thu, 99 Jan 2026 00:00:00 GMT"),
            *(b"X-Loadkit-Simulator: {}", b"X-Poly-Correlation-Id: a\x1bb"),
            b"Location: http://u:p@[::1/x",
        ]
    )
    | st.binary(max_size=20),
    max_size=5,
)


def _answer(how: bytes, first: bytes, headers: list[bytes], body: bytes, form: int) -> bytes:
    if form == 1:
        headers = [*headers, b"Content-Length: %d" % len(body)]
    elif form == 2:
        headers = [*headers, b"Transfer-Encoding: chunked"]
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return how + b"\r\n".join([first, *headers, b"", body])


TARGET = Target(
    "rest",
    check,
    st.builds(
        _answer,
        st.binary(min_size=3, max_size=3),
        st.sampled_from([b"HTTP/1.1 %d X" % code for code in (200, 201, 204, 100, 301, 429, 503)])
        | st.binary(max_size=20),
        HEADERS,
        BODIES,
        st.integers(0, 2),
    ),
    (
        b"\0\0\0HTTP/1.1 200 OK\r\nContent-Length: 80\r\nDate: x\r\n\r\n"
        b'{"access_token":"' + JWT + b'","session_id":"s"}',
        b"\1\3\0HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n\r\n",
        b"\2\0\0HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\nRetry-After: 1\r\n\r\n",
    ),
    (b"\r\n", b"HTTP/1.1 ", b"Transfer-Encoding: chunked", b"Content-Length: ", b"Retry-After: "),
)
