"""Why a target cannot be used, told with the certificate, the host and what to do."""

import gc
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import gevent
import gevent.server
import gevent.ssl
import pytest
import trustme

from loadkit.errors import TargetError
from loadkit.net.preflight import preflight as preflight_module
from loadkit.net.preflight.preflight import preflight
from loadkit.network import Network
from loadkit.security.credentials import Credentials

SECRET = "connector-secret-31d0"
CREDENTIALS = Credentials(SECRET, "shop.example")
TOKEN = '{"access_token": "eyJh.e30.c2ln"}'
DAY = timedelta(days=1)


def answer(status: str, body: str = "", *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", body)
    return "\r\n".join(lines).encode()


class Server:
    """Gives the same answer to everything.

    Attributes:
        port: of it.
        heard: all that it was sent.
    """

    def __init__(self, reply: bytes, context: Any = None) -> None:
        self._reply = reply
        self.heard = b""
        options = {} if context is None else {"ssl_context": context}
        self._server = gevent.server.StreamServer(("127.0.0.1", 0), self._handle, **options)
        self._server.start()
        self.port: int = self._server.server_port
        self.stop = self._server.stop

    def _handle(self, sock: Any, address: object) -> None:
        try:
            while data := sock.recv(65536):
                self.heard += data
                if self._reply:
                    sock.sendall(self._reply)
        except OSError:
            pass
        finally:
            sock.close()


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is tried again: that has tests of its own."""
    monkeypatch.setattr(preflight_module, "LIMIT", 3.0)
    monkeypatch.setattr("loadkit.net.http.retry.MOST_RETRIES", 0)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(reply: bytes = answer("200 OK", TOKEN), context: Any = None) -> Server:
        servers.append(Server(reply, context))
        return servers[-1]

    yield start
    for server in servers:
        server.stop(timeout=1)
    gc.collect()  # what failed in the middle of a handshake


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA(organization_name="Acme Root")


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


def tls(authority: trustme.CA, *names: str, **options: Any) -> Any:
    context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **options).configure_cert(context)
    return context


def refusal(url: str, network: Network | None = None) -> str:
    with gevent.Timeout(20), pytest.raises(TargetError) as refused:
        preflight(url, CREDENTIALS, lambda _: None, network or Network())
    assert SECRET not in str(refused.value)
    return str(refused.value)


class TestStatus:
    @pytest.mark.parametrize(
        ("status", "what", "fix"),
        [
            ("401 Unauthorized", "refuses the credentials", "check POLY_CONNECTOR_TOKEN"),
            ("403 Forbidden", "refuses the credentials", "check POLY_CONNECTOR_TOKEN"),
            ("404 Not Found", "has no Messaging API at /x/api/v1/access-token", "the path in"),
            ("405 Not Allowed", "has no Messaging API at /x/api/v1/access-token", "the path in"),
            ("407 Proxy", "cannot be used: a proxy wants a login", "put it into HTTPS_PROXY"),
            ("422 Odd", "does not take the request", "check POLY_CONNECTOR_TOKEN"),
            ("429 Slow", "lets nobody in just now", "have its limit raised"),
            ("503 Down", "cannot be used", "check the address and that the server is running"),
        ],
    )
    def test_each_has_its_words(
        self, serve: Callable[..., Server], status: str, what: str, fix: str
    ) -> None:
        url = f"http://127.0.0.1:{serve(answer(status, 'so it is')).port}/x"
        text = refusal(url)
        assert text.startswith(f"{url.removesuffix('/x')} {what}: ")
        assert f"(HTTP {status[:3]}): so it is" in text
        assert fix in text.rpartition("; ")[2]

    def test_a_redirect_tells_where_to(self, serve: Callable[..., Server]) -> None:
        server = serve(answer("301 Moved", "", "Location: https://new.example/api"))
        text = refusal(f"http://127.0.0.1:{server.port}")
        assert "is not where the API is" in text
        assert "redirects to https://new.example/api, which is not followed" in text


class TestCertificates:
    def test_an_authority_that_nobody_knows_is_named(
        self, serve: Callable[..., Server], authority: trustme.CA
    ) -> None:
        server = serve(context=tls(authority, "localhost"))
        text = refusal(f"https://localhost:{server.port}")
        assert f"localhost:{server.port} cannot be trusted: the certificate of" in text
        assert "is signed by Acme Root, whom this machine does not know" in text
        assert "add --ca FILE" in text
        assert SECRET.encode() not in server.heard

    def test_the_wrong_authority_is_named_with_its_file(
        self, serve: Callable[..., Server], authority: trustme.CA, tmp_path: Path
    ) -> None:
        other = tmp_path / "other.pem"
        trustme.CA().cert_pem.write_to_path(other)
        server = serve(context=tls(authority, "localhost"))
        text = refusal(f"https://localhost:{server.port}", Network(ca=str(other)))
        assert f"whom --ca {other} does not know" in text

    def test_other_names_are_listed(
        self, serve: Callable[..., Server], authority: trustme.CA, ca: str
    ) -> None:
        server = serve(context=tls(authority, "a.example", "b.example"))
        text = refusal(f"https://localhost:{server.port}", Network(ca=ca))
        assert "is for a.example, b.example, and not for localhost" in text
        assert "give --host one of those names" in text

    def test_an_address_that_no_certificate_names_is_told_likewise(
        self, serve: Callable[..., Server], authority: trustme.CA, ca: str
    ) -> None:
        server = serve(context=tls(authority, "localhost"))
        text = refusal(f"https://127.0.0.1:{server.port}", Network(ca=ca))
        assert "is for localhost, and not for 127.0.0.1" in text

    @pytest.mark.parametrize(
        ("from_day", "to_day", "what"), [(-9, -2, "expired at"), (2, 9, "is valid from")]
    )
    @pytest.mark.parametrize("clock", ["right", "wrong", "not told"])
    def test_a_wrong_clock_is_told_from_an_old_certificate(
        self,
        serve: Callable[..., Server],
        authority: trustme.CA,
        ca: str,
        from_day: int,
        to_day: int,
        what: str,
        clock: str,
    ) -> None:
        now = datetime.now(UTC)
        begins, ends = now + from_day * DAY, now + to_day * DAY
        context = tls(authority, "localhost", not_before=begins, not_after=ends)
        there = {"right": now, "wrong": begins + DAY}.get(clock)
        dated = [f"Date: {formatdate(there.timestamp(), usegmt=True)}"] if there else []
        server = serve(answer("200 OK", TOKEN, *dated), context)
        text = refusal(f"https://localhost:{server.port}", Network(ca=ca))
        moment = begins if from_day > 0 else ends
        assert f"{what} {moment:%Y-%m-%d %H:%M} UTC" in text
        assert ("set this machine's clock" in text) == (clock == "wrong")
        assert ("renew the certificate of localhost" in text) == (clock != "wrong")


class TestWhoWeAre:
    @pytest.fixture
    def asking(self, authority: trustme.CA) -> Any:
        context = tls(authority, "localhost")
        context.verify_mode = gevent.ssl.CERT_REQUIRED
        authority.configure_trust(context)
        return context

    @pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
    def test_a_server_that_wants_a_certificate_is_told(
        self, serve: Callable[..., Server], asking: Any, ca: str, version: str
    ) -> None:
        asking.maximum_version = getattr(gevent.ssl.TLSVersion, version)
        text = refusal(f"https://localhost:{serve(context=asking).port}", Network(ca=ca))
        assert "wants a client certificate" in text
        assert "add --cert FILE" in text

    @pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
    def test_one_that_does_not_take_ours_is_told(
        self, serve: Callable[..., Server], asking: Any, ca: str, version: str, tmp_path: Path
    ) -> None:
        asking.maximum_version = getattr(gevent.ssl.TLSVersion, version)
        stranger = tmp_path / "stranger.pem"
        trustme.CA().issue_cert("me").private_key_and_cert_chain_pem.write_to_path(stranger)
        network = Network(ca=ca, cert=str(stranger))
        text = refusal(f"https://localhost:{serve(context=asking).port}", network)
        assert f"does not take the client certificate of --cert {stranger}" in text


class TestTheOtherProtocol:
    @pytest.mark.parametrize("reply", [answer("400 Bad Request"), answer("200 OK", TOKEN)])
    def test_plain_http_where_tls_was_asked_for(
        self, serve: Callable[..., Server], reply: bytes
    ) -> None:
        port = serve(reply).port
        text = refusal(f"https://localhost:{port}")
        assert f"does not speak TLS at port {port}, but plain HTTP" in text
        assert f"write http://localhost:{port}" in text

    def test_tls_where_plain_http_was_asked_for(
        self, serve: Callable[..., Server], authority: trustme.CA
    ) -> None:
        port = serve(context=tls(authority, "localhost")).port
        text = refusal(f"http://localhost:{port}")
        assert f"speaks TLS at port {port}, and no plain HTTP" in text
        assert f"write https://localhost:{port}" in text

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_a_version_that_is_no_longer_safe(
        self, serve: Callable[..., Server], authority: trustme.CA, ca: str
    ) -> None:
        context = tls(authority, "localhost")
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = gevent.ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = gevent.ssl.TLSVersion.TLSv1_1
        text = refusal(f"https://localhost:{serve(context=context).port}", Network(ca=ca))
        assert "speaks no version of TLS that is safe" in text
        assert "enable TLS 1.2 or 1.3" in text


class TestClocks:
    @pytest.mark.parametrize(
        ("ahead", "words"), [(-300, "behind"), (300, "ahead of"), (5, None), (None, None)]
    )
    def test_two_that_differ_are_told_before_the_load(
        self, serve: Callable[..., Server], ahead: int | None, words: str | None
    ) -> None:
        date = [] if ahead is None else [f"Date: {formatdate(time.time() - ahead, usegmt=True)}"]
        told: list[str] = []
        url = f"http://127.0.0.1:{serve(answer('200 OK', TOKEN, *date)).port}"
        preflight(url, CREDENTIALS, told.append)
        if words is None:
            assert told == []
        else:
            (said,) = told
            assert f"s {words} that of 127.0.0.1 (Date)" in said
            assert re.match("warning: this machine's clock is (299|30.) s", said)


def test_a_look_that_takes_too_long_is_given_up(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who says nothing at all has no more to tell."""
    monkeypatch.setattr(preflight_module, "LIMIT", 0.2)
    monkeypatch.setattr("loadkit.net.preflight.diagnosis.PROBE", 0.1)
    text = refusal(f"https://localhost:{serve(b'').port}")
    assert "cannot be used: " in text
    assert "check the address and that the server is running" in text
