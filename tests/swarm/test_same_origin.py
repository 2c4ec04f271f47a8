"""Who may use the web UI from within a browser."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from loadkit.swarm.web.same_origin import SameOrigin, objection

OURS = "127.0.0.1:8089"


def why(method: str = "POST", host: str = OURS, **headers: str) -> str:
    request = {"REQUEST_METHOD": method, "HTTP_HOST": host}
    request |= {f"HTTP_{name}": value for name, value in headers.items()}
    return objection(request, {"load.example"}, {"proxy.example"})


@pytest.mark.parametrize(
    "headers",
    [
        {},  # a program
        {"ORIGIN": f"http://{OURS}"},
        {"ORIGIN": f"https://{OURS}"},  # TLS ends in front of us
        {"ORIGIN": "https://proxy.example"},
        {"REFERER": f"http://{OURS}/?tab=charts"},
        {"SEC_FETCH_SITE": "same-origin"},
        {"SEC_FETCH_SITE": "none"},
    ],
)
def test_our_own_page_and_programs_may_change_what_they_like(headers: dict[str, str]) -> None:
    assert why(**headers) == ""


@pytest.mark.parametrize(
    "headers",
    [
        {"ORIGIN": "https://evil.example"},
        {"ORIGIN": "null"},
        {"ORIGIN": ""} | {"REFERER": "https://evil.example/page"},
        {"ORIGIN": "http://127.0.0.1:8090"},
        {"ORIGIN": "http://127.0.0.1"},
        {"ORIGIN": f"http://{OURS}.evil.example"},
        {"ORIGIN": f"http://evil.example@{OURS}"},
        {"ORIGIN": f"http://{OURS}, https://evil.example"},
        {"ORIGIN": "https://proxy.example:8443"},
        {"ORIGIN": "http://load.example"},  # it did not ask for that name
        {"ORIGIN": "http://["},
        {"REFERER": "https://evil.example/"},
        {"SEC_FETCH_SITE": "cross-site"},
        {"SEC_FETCH_SITE": "same-site"},
        {"ORIGIN": "https://evil.example", "REFERER": f"http://{OURS}/"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "WHATEVER"])
def test_another_sites_page_may_change_nothing(method: str, headers: dict[str, str]) -> None:
    assert why(method, **headers) == "this was asked for by the page of another site"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_link_on_another_sites_page_leads_here(method: str) -> None:
    """What changes nothing may be asked for; that page does not see the answer."""
    assert why(method, ORIGIN="https://evil.example") == ""


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "192.0.2.7:8089",
        "[::1]:8089",
        "[2001:db8::7]",
        "localhost:9000",
        "a.localhost",
        "load.example",
        "LOAD.example:80",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_answers_to_its_names(method: str, host: str) -> None:
    assert why(method, host) == ""


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8089",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "[",
        "x:y",
        "load.example@evil.example",
        "proxy.evil.example",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_does_not_answer_to_a_name_that_somebody_has_led_here(method: str, host: str) -> None:
    """Nor lets it read anything: to a browser that would be the page's own site."""
    said = why(method, host, ORIGIN=f"http://{host}")
    assert said.startswith("this page does not answer to the name ")
    assert "--web-host-display-name" in said


Answered = tuple[str, dict[str, str], bytes]


@pytest.fixture
def ask() -> Callable[..., Answered]:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        headers = {"Access-Control-Allow-Origin": "*", "Content-Type": "text/html"}
        start_response("200 OK", list(headers.items()))
        return [b"hello"]

    def send(display: str, **request: str) -> Answered:
        told: list[Any] = []
        guarded = SameOrigin(app, display, ("", "Build7"))
        body = guarded({"REQUEST_METHOD": "POST", **request}, lambda *answer: told.extend(answer))
        return told[0], dict(told[1]), b"".join(body)

    return send


def test_no_other_page_may_read_an_answer_or_frame_it(ask: Callable[..., Answered]) -> None:
    status, headers, body = ask("", HTTP_HOST=OURS)
    assert (status, body) == ("200 OK", b"hello")
    assert headers == {"Content-Type": "text/html", "X-Frame-Options": "DENY"}


def test_what_is_refused_never_gets_to_the_application(ask: Callable[..., Answered]) -> None:
    status, headers, body = ask("", HTTP_HOST=OURS, HTTP_ORIGIN="https://evil.example")
    assert (status, body) == ("403 Forbidden", b"this was asked for by the page of another site\n")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("display", "host", "origin"),
    [
        ("", "build7:8089", "http://build7:8089"),
        ("load.example", "load.example", "https://load.example"),
        ("https://Load.example:8443/x", "load.example:8443", "https://load.example:8443"),
        ("https://load.example:8443", "127.0.0.1:8089", "https://load.example:8443"),
    ],
)
def test_the_name_that_people_know_it_by_is_one_of_its_names(
    ask: Callable[..., Answered], display: str, host: str, origin: str
) -> None:
    assert ask(display, HTTP_HOST=host, HTTP_ORIGIN=origin)[0] == "200 OK"
    assert ask("", HTTP_HOST="load.example", HTTP_ORIGIN=origin)[0] == "403 Forbidden"
