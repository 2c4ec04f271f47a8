"""The REST calls against a server on loopback that answers by a script."""

import base64
import gzip
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import gevent
import gevent.server
import gevent.socket
import gevent.ssl
import orjson
import pytest
import trustme

from loadkit import __version__
from loadkit.errors import Failure, LocalError, RemoteError
from loadkit.net.http.rest import Api
from loadkit.net.http.target import Target
from loadkit.security.credentials import Credentials

SECRET = "connector-secret-9f2c"
CREDENTIALS = Credentials(SECRET, "shop.example")
SOON = 5.0  # seconds: far more than loopback ever needs


def token(claims: object) -> str:
    parts = (b'{"alg":"HS256"}', orjson.dumps(claims), b"signature")
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


GOOD = token({"exp": 4_102_444_800, "sub": "connector"})


def answer(status: int, body: object = b"", *headers: str) -> bytes:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    lines = (f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(data)}", *headers, "", "")
    return "\r\n".join(lines).encode() + data


TOKEN_ANSWER = answer(200, {"access_token": GOOD, "expires_in": 86400, "token_type": "Bearer"})
SESSION_ANSWER = answer(200, {"session_id": "5f0c2a5e-0000-4000-8000-000000000001"})
HANG_UP = None  # in the place of an answer: the connection is closed


@dataclass
class Asked:
    """One request as the server saw it."""

    connection: int
    line: str
    headers: dict[str, str]
    body: Any


@dataclass
class Server:
    """Gives the answers in turn, whatever the connection, and remembers what was asked."""

    answers: list[bytes | None]
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    target: Any = None

    def handle(self, sock: Any, address: object) -> None:
        self.connections += 1
        number = self.connections
        sock.settimeout(SOON)
        while (request := self.read(sock, number)) is not None and self.answers:
            self.asked.append(request)
            reply = self.answers.pop(0)
            if reply is HANG_UP:
                return
            sock.sendall(reply)
            if b"Connection: close" in reply or not reply:
                return

    def read(self, sock: Any, connection: int) -> Asked | None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(4096)
            if not more:
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        line, *lines = head.decode().split("\r\n")
        headers = dict(entry.split(": ", 1) for entry in lines)
        while len(body) < int(headers["Content-Length"]):
            body += sock.recv(4096)
        return Asked(connection, line, headers, orjson.loads(body))


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    listeners = []

    def start(*answers: bytes | None, context: Any = None) -> Server:
        server = Server(list(answers))
        options = {} if context is None else {"ssl_context": context}
        listener = gevent.server.StreamServer(("127.0.0.1", 0), server.handle, **options)
        listener.start()
        listeners.append(listener)
        scheme = "http" if context is None else "https"
        server.target = Target.resolve(f"{scheme}://localhost:{listener.server_port}/agents")
        return server

    yield start
    for listener in listeners:
        listener.stop(timeout=SOON)


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(waits) -> Iterator[Callable[..., Api]]:
    apis: list[Api] = []

    def make(server: Server, **options: Any) -> Api:
        api = Api(server.target, CREDENTIALS, sleep=waits.append, **options)
        apis.append(api)
        return api

    yield make
    for api in apis:
        api.close()


def failure(api: Api) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        api.access_token()
    assert SECRET not in repr(caught.value) + str(caught.value)
    return caught.value


class TestCalls:
    def test_a_token_is_asked_for_as_the_sdk_does(self, serve, client):
        server = serve(TOKEN_ANSWER)
        api = client(server)
        assert api.access_token() == GOOD
        (asked,) = server.asked
        assert asked.line == "POST /agents/api/v1/access-token HTTP/1.1"
        assert asked.body == {}
        assert asked.headers == {
            "Host": f"localhost:{server.target.port}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json; charset=utf-8",
            "Content-Length": "2",
            "User-Agent": f"loadkit/{__version__}",
            "X-Polyai-Correlation-Id": api.correlation_id,
            "X-Token": SECRET,
            "X-Host": "shop.example",
        }

    def test_a_session_is_created_with_the_token_alone(self, serve, client):
        server = serve(SESSION_ANSWER)
        session = client(server).create_session(GOOD, streaming=True, platform="android")
        assert session == "5f0c2a5e-0000-4000-8000-000000000001"
        (asked,) = server.asked
        assert asked.line == "POST /agents/api/v1/sessions HTTP/1.1"
        assert asked.body == {"streaming_enabled": True, "platform": "android"}
        assert asked.headers["Authorization"] == f"Bearer {GOOD}"
        assert not {"X-Token", "X-Host"} & set(asked.headers)

    def test_both_calls_share_one_connection(self, serve, client):
        server = serve(TOKEN_ANSWER, SESSION_ANSWER)
        api = client(server)
        api.create_session(api.access_token(), streaming=False)
        assert [asked.connection for asked in server.asked] == [1, 1]

    def test_a_server_that_closes_after_each_answer_gets_a_new_connection(self, serve, client):
        server = serve(TOKEN_ANSWER.replace(b"\r\n", b"\r\nConnection: close\r\n", 1), TOKEN_ANSWER)
        api = client(server)
        api.access_token()
        api.access_token()
        assert [asked.connection for asked in server.asked] == [1, 2]

    def test_a_connection_can_be_closed_twice_and_used_again(self, serve, client):
        server = serve(TOKEN_ANSWER, TOKEN_ANSWER)
        api = client(server)
        for _ in range(2):
            api.access_token()
            api.close()
            api.close()
        assert [asked.connection for asked in server.asked] == [1, 2]

    def test_chunked_answers_and_interim_answers_are_read(self, serve, client):
        body = orjson.dumps({"access_token": GOOD})
        chunks = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (9, body[:9], len(body) - 9, body[9:])
        interim = b"HTTP/1.1 103 Early Hints\r\n\r\n"
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert client(serve(interim + head + chunks)).access_token() == GOOD

    def test_tls_is_spoken_with_the_hosts_name(self, serve, client, tmp_path, monkeypatch):
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        server = serve(TOKEN_ANSWER, HANG_UP, SESSION_ANSWER, context=context)
        api = client(server)
        api.create_session(api.access_token(), streaming=False)
        assert [asked.connection for asked in server.asked] == [1, 1, 2]


class TestRetries:
    @pytest.mark.parametrize(
        ("refusal", "delay"),
        [
            (answer(500, {"error": "Failed to create access token"}), 1.0),
            (answer(503, b"", "Retry-After: 20"), 1.0),
            (answer(429), 5.0),
            (answer(429, b"", "Retry-After: 7"), 7.0),
            (answer(429, b"", "Retry-After: 3600"), 30.0),
            (HANG_UP, 1.0),
            (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 99\r\n\r\n{", 1.0),
        ],
    )
    def test_what_may_pass_is_asked_for_again(self, serve, client, waits, refusal, delay):
        server = serve(refusal, TOKEN_ANSWER)
        api = client(server)
        assert api.access_token() == GOOD
        assert waits == [delay]

    @pytest.mark.parametrize(
        ("refusal", "kind", "status"),
        [
            (answer(500, {"message": "no"}), Failure.HTTP_SERVER_ERROR, 500),
            (answer(429, {"message": "no"}), Failure.RATE_LIMITED, 429),
        ],
    )
    def test_three_retries_and_no_more(self, serve, client, waits, refusal, kind, status):
        server = serve(*[refusal] * 5)
        error = failure(client(server))
        assert (error.kind, error.status, error.detail) == (kind, status, "no")
        assert len(server.asked) == 4
        assert len(waits) == 3

    def test_each_wait_is_told_of_with_its_cause_before_it_begins(self, serve, client, waits):
        server = serve(
            answer(429, b"", "Retry-After: 2"), TOKEN_ANSWER, HANG_UP, HANG_UP, SESSION_ANSWER
        )
        api = client(server, retrying=lambda error: waits.append((error.kind, error.status)))
        api.create_session(api.access_token(), streaming=False)
        # The kept connection that was closed is no failure: that of the next one is.
        limited, lost = (Failure.RATE_LIMITED, 429), (Failure.CONNECTION_LOST, None)
        assert waits == [limited, 2.0, lost, 1.0]

    @pytest.mark.parametrize("status", [400, 401, 403, 404])
    def test_any_other_4xx_is_final(self, serve, client, waits, status):
        server = serve(answer(status, {"error": "Connector token does not exist"}))
        error = failure(client(server))
        assert (error.kind, error.status) == (Failure.HTTP_CLIENT_ERROR, status)
        assert error.detail == "Connector token does not exist"
        assert waits == []

    def test_a_kept_connection_that_the_server_closed_is_replaced_at_once(
        self, serve, client, waits
    ):
        server = serve(TOKEN_ANSWER, HANG_UP, SESSION_ANSWER)
        api = client(server)
        api.create_session(api.access_token(), streaming=False)
        assert [asked.connection for asked in server.asked] == [1, 1, 2]
        assert waits == []

    def test_a_server_that_always_hangs_up_is_a_lost_connection(self, serve, client, waits):
        error = failure(client(serve(*[HANG_UP] * 5)))
        assert error.kind == Failure.CONNECTION_LOST
        assert waits == [1.0, 1.0, 1.0]

    def test_nobody_listening_is_tried_again_like_any_network_error(self, waits):
        with gevent.socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            target = Target.resolve(f"http://127.0.0.1:{sock.getsockname()[1]}")
            error = failure(Api(target, CREDENTIALS, sleep=waits.append))
        assert error.kind == Failure.CONNECT_REFUSED
        assert waits == [1.0, 1.0, 1.0]

    def test_no_answer_in_time_is_tried_again_too(self, serve, client, waits):
        server = serve(b"HTTP/1.1 200 OK\r\nX-Half: ", TOKEN_ANSWER)
        api = client(server, answer_timeout=0.05)
        assert api.access_token() == GOOD
        assert waits == [1.0]

    def test_an_untrusted_certificate_is_final(self, serve, client, waits, monkeypatch):
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("localhost").configure_cert(context)
        assert failure(client(serve(context=context))).kind == Failure.TLS_FAILED
        assert waits == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_no_secret_anywhere(serve, client, status):
    """Neither the connector token nor the access token; the stranger never even hears of us."""
    stranger = serve(TOKEN_ANSWER, SESSION_ANSWER)
    location = f"Location: http://localhost:{stranger.target.port}/agents/api/v1/access-token"
    api = client(serve(answer(status, b"", location), answer(status, b"", location)))
    assert failure(api).status == status
    with pytest.raises(RemoteError):
        api.create_session(GOOD, streaming=False)
    gevent.sleep(0.05)  # what was sent would be there
    assert stranger.connections == 0


class TestOddAnswers:
    @pytest.mark.parametrize(
        "odd",
        [
            answer(200, {}),
            answer(200, {"access_token": None}),
            answer(200, {"access_token": 5}),
            answer(200, {"access_token": "with\r\nX-Injected: header"}),
            answer(200, []),
            answer(200, b"not json"),
            answer(204),
            answer(302, b"", "Location: /elsewhere"),
            b"not http at all\r\n\r\n",
        ],
    )
    def test_success_without_what_was_promised_is_a_bad_answer(self, serve, client, waits, odd):
        assert failure(client(serve(odd))).kind == Failure.HTTP_BAD_ANSWER
        assert waits == []

    @pytest.mark.parametrize("name", ["gzip", "X-GZIP", "deflate", "identity"])
    def test_an_encoding_that_nobody_asked_for_is_read_all_the_same(self, serve, client, name):
        body = orjson.dumps({"access_token": GOOD})
        encode = {"identity": bytes, "deflate": zlib.compress}.get(name, gzip.compress)
        server = serve(answer(200, encode(body), f"Content-Encoding: {name}"))
        assert client(server).access_token() == GOOD

    @pytest.mark.parametrize(
        ("name", "detail"),
        [
            ("br", "it is encoded as br, though no encoding was asked for"),
            ("gzip", "it is said to be encoded as gzip, and is not"),
        ],
    )
    def test_one_that_cannot_be_read_is_named(self, serve, client, name, detail):
        error = failure(client(serve(answer(200, b"\x0b\x02\x80", f"Content-Encoding: {name}"))))
        assert (error.kind, error.detail) == (Failure.HTTP_BAD_ANSWER, detail)

    def test_a_bomb_is_not_unpacked(self, serve, client):
        bomb = gzip.compress(b" " * 50_000_000)
        error = failure(client(serve(answer(200, bomb, "Content-Encoding: gzip"))))
        assert error.kind == Failure.ANSWER_TOO_BIG

    @pytest.mark.parametrize(
        ("location", "place"),
        [
            ("https://new.example/agents/api?token=" + SECRET, "https://new.example/agents/api"),
            (f"//me:{SECRET}@new.example", "http://new.example"),
            ("/sign-in", "{}/sign-in"),
            (f"/{SECRET}", "{}/[secret]"),
        ],
    )
    def test_a_redirect_is_named_and_not_followed(self, serve, client, location, place):
        server = serve(answer(307, b"moved", f"Location: {location}"))
        error = failure(client(server))
        assert (error.kind, error.status) == (Failure.HTTP_BAD_ANSWER, 307)
        place = place.format(server.target.origin)
        assert error.detail == f"redirects to {place}, which is not followed"
        assert len(server.asked) == 1

    def test_an_answer_without_end_is_not_swallowed_whole(self, serve, client):
        endless = answer(200, b"x" * 10_000_000)
        assert failure(client(serve(endless))).kind == Failure.ANSWER_TOO_BIG

    @pytest.mark.parametrize(
        ("flawed", "detail"),
        [
            ("opaque", "not three base64url parts"),
            ("a.b", "not three base64url parts"),
            ("a.b.c.d", "not three base64url parts"),
            ("a..c", "not three base64url parts"),
            ("a.b+.c", "not three base64url parts"),
        ],
    )
    def test_a_token_is_checked_by_its_shape_and_expiry(self, serve, client, flawed, detail):
        error = failure(client(serve(answer(200, {"access_token": flawed}))))
        assert (error.kind, error.detail) == (Failure.TOKEN_MALFORMED, detail)

    @pytest.mark.parametrize(
        ("behind", "words"), [(3600, "set it"), (0, "by this machine's clock"), (9, "'s clock")]
    )
    def test_a_token_that_comes_too_late_tells_a_wrong_clock_from_an_old_token(
        self, serve, client, behind, words
    ):
        now = time.time()
        date = formatdate(now - behind, usegmt=True)
        old = token({"exp": now - 600})
        error = failure(client(serve(answer(200, {"access_token": old}, f"Date: {date}"))))
        assert error.kind == Failure.TOKEN_MALFORMED
        assert error.detail.startswith("expired on arrival: 60")
        assert error.detail.endswith(words)

    @pytest.mark.parametrize("claims", [{}, [], {"exp": "soon"}, {"exp": None}, {"exp": "now"}])
    def test_an_expiry_that_says_nothing_or_is_within_the_skew_is_let_pass(
        self, serve, client, claims
    ):
        if claims == {"exp": "now"}:  # not where it is collected: that may be minutes ago
            claims = {"exp": time.time() - 1.0}
        fresh = token(claims)
        assert client(serve(answer(200, {"access_token": fresh}))).access_token() == fresh

    def test_claims_that_cannot_be_read_are_the_servers_business(self, serve, client):
        api = client(serve(answer(200, {"access_token": "e30.bm9wZQ.c2ln"})))
        assert api.access_token() == "e30.bm9wZQ.c2ln"

    def test_a_server_that_sends_a_secret_back_gives_nothing_away(self, serve, client):
        server = serve(
            answer(401, {"message": f"no connector {SECRET}"}), answer(401, GOOD.encode())
        )
        api = client(server)
        assert failure(api).detail == "no connector [secret]"
        with pytest.raises(RemoteError) as caught:
            api.create_session(GOOD, streaming=False)
        assert caught.value.detail == "[secret]"

    def test_a_token_that_fits_no_header_is_our_mistake(self, serve, client):
        with pytest.raises(LocalError):
            client(serve()).create_session("two\r\nlines", streaming=False)


def test_a_time_limit_of_the_caller_is_not_taken_for_ours(serve, client):
    server = serve(b"HTTP/1.1 ")
    server.answers.append(b"never asked for")
    api = client(server)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
        api.access_token()
