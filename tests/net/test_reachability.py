"""What a look at the way to a target says, and that it gives nothing away."""

from collections.abc import Callable, Iterator
from contextlib import closing
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import gevent.server
import gevent.socket
import gevent.ssl
import pytest
import trustme

from loadkit.net.http import target as target_module
from loadkit.net.preflight import reachability as look_module
from loadkit.net.preflight.reachability import probe
from loadkit.network import Network


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA(organization_name="Acme Root")


@pytest.fixture
def trusting(ca: trustme.CA, tmp_path: Path) -> Network:
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    return Network(ca=str(tmp_path / "ca.pem"))


@pytest.fixture
def serve(ca: trustme.CA) -> Iterator[Callable[..., int]]:
    """A server with TLS for localhost; returns its port."""
    servers: list[Any] = []

    def start(ahead: float = 0.0, address: str = "127.0.0.1", port: int = 0) -> int:
        context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("localhost").configure_cert(context)
        date = formatdate(time() + ahead, usegmt=True)

        def handle(sock: Any, _: object) -> None:
            if sock.recv(4096):
                sock.sendall(f"HTTP/1.1 200 OK\r\nDate: {date}\r\n\r\n".encode())
            sock.close()

        server = gevent.server.StreamServer((address, port), handle, ssl_context=context)
        server.start()
        servers.append(server)
        return int(server.server_port)

    yield start
    for server in servers:
        server.stop(timeout=1)


def levels(url: str, network: Network) -> dict[str, str]:
    return {seen.check: seen.level for seen in probe(url, network)}


def test_a_good_way_is_told(serve: Callable[..., int], trusting: Network) -> None:
    target, certificate, clock = probe(f"https://localhost:{serve()}", trusting)
    assert (target.level, target.check) == ("ok", "target")
    assert target.found.endswith(": 127.0.0.1") or "::1" in target.found
    assert certificate.level == "ok"
    assert "for localhost, by Acme Root, " in certificate.found
    assert clock == ("ok", "time of day", "as the target has it", "")


def test_a_clock_that_is_off_is_a_warning(serve: Callable[..., int], trusting: Network) -> None:
    url = f"https://localhost:{serve(ahead=-300)}"
    assert levels(url, trusting)["time of day"] == "warn"


def test_what_is_not_verified_is_a_warning(serve: Callable[..., int]) -> None:
    url = f"https://localhost:{serve()}"
    assert levels(url, Network(insecure=True))["certificate"] == "warn"


def test_an_authority_that_is_not_trusted_is_bad(serve: Callable[..., int]) -> None:
    *_, seen = probe(f"https://localhost:{serve()}", Network())
    assert seen.level == "bad"
    assert "is signed by Acme Root" in seen.found
    assert "--ca FILE" in seen.mend


def test_one_address_of_two_that_is_deaf_is_a_warning(
    serve: Callable[..., int], trusting: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found out by asking each of them, which a run does not."""
    port = serve()

    def lookup(host: str, port: int, **_: Any) -> Any:
        return [(2, 1, 6, "", (f"127.0.0.{last}", port)) for last in (1, 9)]

    monkeypatch.setattr(target_module.gevent.socket, "getaddrinfo", lookup)
    good, deaf, *_ = probe(f"https://localhost:{port}", trusting)
    assert (good.level, good.found) == ("ok", f"https://localhost:{port}: 127.0.0.1")
    assert deaf.level == "warn"
    assert deaf.found.startswith("127.0.0.9 cannot be used: connect_refused")


def test_nobody_there_is_bad() -> None:
    with closing(gevent.socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        (seen,) = probe(f"http://127.0.0.1:{sock.getsockname()[1]}", Network())
    assert (seen.level, seen.check) == ("bad", "target")


def test_a_name_that_nobody_knows_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(*_: Any, **__: Any) -> Any:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr(target_module.gevent.socket, "getaddrinfo", lookup)
    (seen,) = probe("https://nowhere.invalid", Network())
    assert (seen.level, seen.check) == ("bad", "target")


def test_one_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_module, "PROBE", 0.1)
    monkeypatch.setattr("loadkit.net.preflight.diagnosis.PROBE", 0.1)
    with closing(gevent.socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        (seen,) = probe(f"https://127.0.0.1:{listener.getsockname()[1]}", Network())
    assert seen.level == "bad"
    assert "no connection within 0.1 s" in seen.found
