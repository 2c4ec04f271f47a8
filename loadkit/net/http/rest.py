"""The two REST calls that a virtual user makes before its first WebSocket."""

import base64
import re
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from ssl import SSLEOFError, SSLZeroReturnError
from typing import Any, Final

import gevent
import gevent.socket
import orjson
from geventhttpclient.header import Headers

from loadkit import __version__
from loadkit.errors import Failure, LocalError, RemoteError
from loadkit.net.failures import CORRELATION_ID, translate
from loadkit.net.http.answer import Answer, clock_ahead, header, read_answer
from loadkit.net.http.intake import UnansweredError
from loadkit.net.http.retry import retry_delay
from loadkit.net.http.target import Target
from loadkit.protocol import SIMULATOR
from loadkit.security.credentials import HEADER_VALUE, Credentials
from loadkit.security.redaction import note

CLOCK_SKEW: Final = 5.0
"""Seconds that the server's clock and ours may differ by, as the vendor's clients allow."""

_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")

_NETWORK_FAILURES: Final = frozenset(
    {Failure.CONNECT_REFUSED, Failure.CONNECT_TIMEOUT, Failure.CONNECTION_LOST}
)


class Api:
    """One virtual user's HTTP/1.1 client: one connection at a time, kept alive between calls.

    Attributes:
        simulator: the dials of loadkit's own simulator that differ from its defaults, once it has
            said so; None of any other target.
        lost_s: seconds of its connecting that were not the target's: see `Connection`.
        correlation_id: a UUID that goes out with each request, to find them in the target's logs.
    """

    __slots__ = (
        "_answer_timeout",
        "_answered_at",
        "_connect_timeout",
        "_credentials",
        "_headers",
        "_retrying",
        "_sleep",
        "_sock",
        "_target",
        "correlation_id",
        "lost_s",
        "simulator",
    )

    def __init__(
        self,
        target: Target,
        credentials: Credentials,
        *,
        connect_timeout: float = 10.0,
        answer_timeout: float = 30.0,
        sleep: Callable[[float], object] = gevent.sleep,
        retrying: Callable[[RemoteError], object] = lambda _: None,
    ) -> None:
        """Nothing is sent before the first call.

        Args:
            connect_timeout: of TCP and TLS together, in seconds.
            answer_timeout: of a request and its whole answer, in seconds.
            sleep: waits between retries; takes seconds.
            retrying: told of each failure that leads to a wait and another try, before the wait.
        """
        self._target, self._credentials = target, credentials
        self._connect_timeout, self._answer_timeout = connect_timeout, answer_timeout
        self._sleep, self._retrying = sleep, retrying
        self._sock: gevent.socket.socket | None = None
        self.correlation_id = str(uuid.uuid4())
        self.simulator: dict[str, Any] | None = None
        self.lost_s = 0.0
        self._headers: Headers | None = None
        self._answered_at = 0.0

    @property
    def clock_ahead_s(self) -> float | None:
        return clock_ahead(header(self._headers, "date"), self._answered_at)

    def access_token(self) -> str:
        """Trade the connector token for a JWT; its shape and expiry are checked, not its signature.

        Raises:
            RemoteError: HTTP_CLIENT_ERROR, HTTP_SERVER_ERROR or RATE_LIMITED with the status and
                the server's own words; HTTP_BAD_ANSWER; TOKEN_MALFORMED; a failed connection.
        """
        identity = {
            "X-Token": self._credentials.connector_token,
            "X-Host": self._credentials.host_identifier,
        }
        token = self._ask("access-token", identity, b"{}", "access_token")
        note(token)
        if flaw(token, time.time()) is not None:
            wrong = flaw(token, time.time(), self.clock_ahead_s) or ""
            raise RemoteError(Failure.TOKEN_MALFORMED, wrong)
        return token

    def create_session(
        self, token: str, *, streaming: bool, platform: str = "web", device: str | None = None
    ) -> str:
        """Create the conversation that the WebSocket will carry; returns its id.

        Args:
            token: from `access_token`; the session is bound to it.
            streaming: whether answers come in chunks.
            platform: what the user is said to be on, such as `web` or `android`.
            device: what that runs on, such as `mobile`; None says nothing of it.

        Raises as `access_token`, or LocalError where the token cannot stand in a header.
        """
        if not HEADER_VALUE.fullmatch(token):
            raise LocalError("the access token given cannot stand in an HTTP header")
        wishes = {"streaming_enabled": streaming, "platform": platform}
        body = orjson.dumps(wishes if device is None else wishes | {"device_type": device})
        bearer = {"Authorization": f"Bearer {token}"}
        return self._ask("sessions", bearer, body, "session_id")

    def close(self) -> None:
        """Let the connection go. May be called twice; a later call opens a new one."""
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    def _ask(self, call: str, headers: Mapping[str, str], body: bytes, wanted: str) -> str:
        """POST until it is answered or final; return the field that was wanted."""
        request = self._request(call, headers, body)
        attempt = 0
        while True:
            attempt += 1
            reused = self._sock is not None
            try:
                answer = self._exchange(request)
            except RemoteError as error:
                failure = error
                passes = error.kind in _NETWORK_FAILURES or error.status is not None
                delay = retry_delay(attempt, error.status, None) if passes else None
                if reused and isinstance(error, UnansweredError):
                    # A server may let an idle connection go at any time. A fresh one works at once.
                    delay = 0.0
            else:
                if 200 <= answer.status < 300:
                    return _field(answer, wanted)
                url = f"{self._target.origin}{self._target.http_prefix}/{call}"
                failure = answer.refusal(url)
                delay = retry_delay(attempt, answer.status, header(answer.headers, "retry-after"))
            if delay is None:
                raise failure
            if delay:
                self._retrying(failure)
                self._sleep(delay)

    def _request(self, call: str, headers: Mapping[str, str], body: bytes) -> bytes:
        lines = {
            "Host": self._target.authority,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json; charset=utf-8",
            "Content-Length": str(len(body)),
            "User-Agent": f"loadkit/{__version__}",
            CORRELATION_ID: self.correlation_id,
            **headers,
            **dict(self._target.network.headers),
        }
        head = f"POST {self._target.http_prefix}/{call} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return head.encode("ascii") + b"\r\n" + body

    def _exchange(self, request: bytes) -> Answer:
        sock = self._connected()
        self._sock = None  # kept only when all went well
        late, keep = f"no answer within {self._answer_timeout:g} s", False
        try:
            with gevent.Timeout(self._answer_timeout, RemoteError(Failure.CONNECT_TIMEOUT, late)):
                # What it said before it went can still be read.
                with suppress(ConnectionError, SSLEOFError, SSLZeroReturnError):
                    sock.sendall(request)
                answer, keep = read_answer(sock)
            self._headers, self._answered_at = answer.headers, time.time()
            said = header(answer.headers, SIMULATOR)
            if said is not None:
                self.simulator = _object(said)
            return answer
        except OSError as error:
            raise translate(error) from error
        finally:
            if keep:
                self._sock = sock
            else:
                sock.close()

    def _connected(self) -> gevent.socket.socket:
        if self._sock is not None:
            return self._sock
        late = f"no connection within {self._connect_timeout:g} s"
        with gevent.Timeout(self._connect_timeout, RemoteError(Failure.CONNECT_TIMEOUT, late)):
            sock, lost_s = self._target.connect()
        self.lost_s += lost_s
        return sock


def _object(text: bytes | bytearray | str) -> dict[str, Any]:
    try:
        fields: Any = orjson.loads(text)
    except ValueError:
        return {}
    return fields if type(fields) is dict else {}


def _field(answer: Answer, name: str) -> str:
    # What is encoded is no JSON: so nobody looks at its headers who need not.
    value = (_object(answer.body) or _object(answer.plain_body)).get(name)
    # It goes into headers and URLs from here, so it has to fit there.
    if type(value) is str and HEADER_VALUE.fullmatch(value):
        return value
    raise RemoteError(Failure.HTTP_BAD_ANSWER, f"no usable {name!r}", status=answer.status)


# --- an access token as a client sees it: its shape and its expiry, never its signature


def flaw(token: str, now: float, clock_ahead_s: float | None = None) -> str | None:
    """What is wrong with a token that has just come, by a wall clock that may be ahead; or None."""
    parts = token.split(".")
    if len(parts) != 3 or not all(map(_BASE64URL.fullmatch, parts)):
        return "not three base64url parts"
    expires = expiry(token)
    if expires is not None and expires + CLOCK_SKEW < now:
        ago = now - expires
        text = f"expired on arrival: {ago:,.0f} s ago by this machine's clock"
        if clock_ahead_s is not None and clock_ahead_s + CLOCK_SKEW >= ago:
            return f"{text}, which is {clock_ahead_s:,.0f} s ahead of the server's (Date): set it"
        return text
    return None


def expired(token: str, now: float) -> bool:
    """Whether a server that refuses this token may do so because of its age, at that wall clock."""
    expires = expiry(token)
    return expires is not None and expires - CLOCK_SKEW < now


def expiry(token: str) -> float | None:
    """The `exp` of a JWT, in seconds since the epoch; None where it says nothing of the kind."""
    claims_part = token.split(".")[1]
    try:
        claims: Any = orjson.loads(
            base64.urlsafe_b64decode(claims_part + "=" * (-len(claims_part) % 4))
        )
    except ValueError:
        return None  # opaque to us, and that is the server's right
    expiry = claims.get("exp") if type(claims) is dict else None
    return float(expiry) if isinstance(expiry, int | float) else None
