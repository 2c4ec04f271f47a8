"""The two REST calls that a virtual user makes before its first WebSocket."""

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
from loadkit.net.http.answer import Answer, clock_ahead, header
from loadkit.net.http.intake import UnansweredError
from loadkit.net.http.reader import read_answer
from loadkit.net.http.retry import retry_delay
from loadkit.net.http.target import Target
from loadkit.net.http.token import flaw
from loadkit.protocol import SIMULATOR
from loadkit.security.credentials import HEADER_VALUE, Credentials
from loadkit.security.redaction import note

__all__ = ["Api"]

_NETWORK_FAILURES: Final = frozenset(
    {Failure.CONNECT_REFUSED, Failure.CONNECT_TIMEOUT, Failure.CONNECTION_LOST}
)


class Api:
    """One virtual user's HTTP/1.1 client: one connection at a time, kept alive between calls.

    Attributes:
        retries: requests sent again so far.
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
        "_user_agent",
        "correlation_id",
        "lost_s",
        "retries",
        "simulator",
    )

    def __init__(
        self,
        target: Target,
        credentials: Credentials,
        *,
        connect_timeout: float = 10.0,
        answer_timeout: float = 30.0,
        user_agent: str = f"loadkit/{__version__}",
        sleep: Callable[[float], object] = gevent.sleep,
        retrying: Callable[[RemoteError], object] = lambda _: None,
    ) -> None:
        """Nothing is sent before the first call.

        Args:
            target: where to.
            credentials: who asks.
            connect_timeout: of TCP and TLS together, in seconds.
            answer_timeout: of a request and its whole answer, in seconds.
            user_agent: the header's value.
            sleep: waits between retries; takes seconds.
            retrying: told of each failure that leads to a wait and another try, before the wait.
        """
        self._target = target
        self._credentials = credentials
        self._connect_timeout = connect_timeout
        self._answer_timeout = answer_timeout
        self._user_agent = user_agent
        self._sleep, self._retrying = sleep, retrying
        self._sock: gevent.socket.socket | None = None
        self.correlation_id = str(uuid.uuid4())
        self.retries = 0
        self.simulator: dict[str, Any] | None = None
        self.lost_s = 0.0
        self._headers: Headers | None = None
        self._answered_at = 0.0

    @property
    def clock_ahead_s(self) -> float | None:
        """Seconds by which this machine's clock is ahead of the target's, by its last answer."""
        return clock_ahead(header(self._headers, "date"), self._answered_at)

    def access_token(self) -> str:
        """Trade the connector token for an access token.

        Returns:
            A JWT. Its shape and its expiry are checked, its signature never.

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
        """Create the conversation that the WebSocket will carry.

        Args:
            token: from `access_token`; the session is bound to it.
            streaming: whether answers come in chunks.
            platform: what the user is said to be on, such as `web` or `android`.
            device: what that runs on, such as `mobile`; None says nothing of it.

        Returns:
            The session's id.

        Raises:
            RemoteError: as `access_token` does.
            LocalError: the token cannot stand in a header.
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
            self.retries += 1
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
            "User-Agent": self._user_agent,
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
        limit = gevent.Timeout.start_new(self._answer_timeout)
        keep = False
        try:
            # What it said before it went can still be read.
            with suppress(ConnectionError, SSLEOFError, SSLZeroReturnError):
                sock.sendall(request)
            answer, keep = read_answer(sock)
            self._headers, self._answered_at = answer.headers, time.time()
            said = header(answer.headers, SIMULATOR)
            if said is not None:
                self.simulator = _object(said)
            return answer
        except gevent.Timeout as expired:
            if expired is not limit:
                raise
            text = f"no answer within {self._answer_timeout:g} s"
            raise RemoteError(Failure.CONNECT_TIMEOUT, text) from None
        except OSError as error:
            raise translate(error) from error
        finally:
            limit.close()
            if keep:
                self._sock = sock
            else:
                sock.close()

    def _connected(self) -> gevent.socket.socket:
        if self._sock is not None:
            return self._sock
        limit = gevent.Timeout.start_new(self._connect_timeout)
        try:
            sock, lost_s = self._target.connect()
            self.lost_s += lost_s
            return sock
        except gevent.Timeout as expired:
            if expired is not limit:
                raise
            text = f"no connection within {self._connect_timeout:g} s"
            raise RemoteError(Failure.CONNECT_TIMEOUT, text) from None
        finally:
            limit.close()


def _object(text: bytes | bytearray | str) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
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
