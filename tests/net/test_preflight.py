"""What is said about a target before any load."""

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.server
import gevent.socket
import pytest

from loadkit.errors import TargetError, UsageError
from loadkit.net.http.rest import Api
from loadkit.net.preflight import preflight as module
from loadkit.net.preflight.preflight import preflight
from loadkit.security.credentials import Credentials

CREDENTIALS = Credentials("a-secret", "shop.example")


@pytest.fixture
def serve() -> Iterator[Callable[[str], str]]:
    """Answer every request with a status line and a body."""
    servers: list[Any] = []

    def start(answer: str) -> str:
        def handle(sock: Any, address: object) -> None:
            sock.recv(65536)
            sock.sendall(answer.encode())
            if answer:
                gevent.sleep(0.01)
            else:
                sock.recv(1)  # until they hang up
            sock.close()

        servers.append(gevent.server.StreamServer(("127.0.0.1", 0), handle))
        servers[-1].start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.stop(timeout=0)


def answer(status: str, body: str) -> str:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"


def test_a_target_that_gives_a_token_will_do(serve: Callable[[str], str]) -> None:
    preflight(serve(answer("200 OK", '{"access_token": "eyJh.e30.c2ln"}')), CREDENTIALS, print)


def test_a_refusal_is_told_in_the_servers_words_with_what_to_check(
    serve: Callable[[str], str],
) -> None:
    url = serve(answer("401 Unauthorized", '{"message": "Connector token does not exist"}'))
    with pytest.raises(TargetError) as refused:
        preflight(url, CREDENTIALS, print)
    assert str(refused.value) == (
        f"{url} refuses the credentials: http_client_error (HTTP 401): Connector token does not "
        "exist; check POLY_CONNECTOR_TOKEN and POLY_HOST_IDENTIFIER"
    )


def test_a_target_that_says_nothing_is_given_up_in_time(
    serve: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIMIT", 0.2)
    url = serve("")
    with gevent.Timeout(5), pytest.raises(TargetError, match=r"no token within 0\.2 s"):
        preflight(url, CREDENTIALS, print)


def test_somebody_elses_time_limit_is_not_taken_for_ours(serve: Callable[[str], str]) -> None:
    url = serve("")
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.1):
        preflight(url, CREDENTIALS, print)


def test_a_target_outside_this_machine_is_told_before_it_hears_of_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the address that its name leads to; neither is asked for in this test."""
    told: list[str] = []
    address = (2, 1, 6, "", ("192.0.2.7", 443))
    monkeypatch.setattr(gevent.socket, "getaddrinfo", lambda *_, **__: [address])

    def hear(api: Api) -> str:
        assert told == ["target outside this machine: https://agents.example at 192.0.2.7"]
        return "a.b.c"

    monkeypatch.setattr(Api, "access_token", hear)
    preflight("https://agents.example", CREDENTIALS, told.append)
    assert told


def test_no_address_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"add -H URL \(--host URL\)"):
        preflight(None, CREDENTIALS, print)
