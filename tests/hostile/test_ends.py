"""Every way in which a connection can end, at every place: what it is called, and what follows."""

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import gevent
import pytest
import trustme
from gevent.monkey import get_original
from persons import Notes, driver
from persons import Script as Person

from loadkit.chat.socket.reconnect import AfterLoss, on_close, on_refusal
from loadkit.errors import Failure, RemoteError, TargetError
from loadkit.figures import Count, Ending, Phase
from loadkit.net.http.rest import Api
from loadkit.net.http.target import OpenConnection, Target
from loadkit.net.preflight.preflight import preflight
from loadkit.net.websocket.link import CloseInfo, Link, Traffic
from loadkit.network import Network
from loadkit.security.credentials import Credentials
from tests.hostile.peer import Peer, Script, Wire, answer, create, grant, greet, peer, reply, token
from tests.rfc6455 import TEXT, close_frame, frame

CREDENTIALS = Credentials("connector-secret-9f2c", "shop.example")
QUERY = "access_token=e30.e30.c2ln&session_id=1"
SOON = 10.0  # seconds: far more than anything here takes
SHORT = 0.1  # seconds that silence is listened to

pause: Callable[[float], None] = get_original("time", "sleep")  # of a peer's own thread

END: Final[dict[str, Callable[[Wire], None]]] = {
    "FIN": Wire.fin,
    "reset": Wire.reset,
    "silence": Wire.silence,
    "TLS:FIN": Wire.fin,  # without close_notify
    "TLS:notify": Wire.notify,
    "TLS:reset": Wire.reset,
    "TLS:silence": Wire.silence,
    "TLS:alert": Wire.alert,
}
NAMES: Final = {
    "lost": Failure.CONNECTION_LOST,
    "late": Failure.CONNECT_TIMEOUT,
    "alert": Failure.TLS_FAILED,
    "bad": Failure.HTTP_BAD_ANSWER,
}
RETRIED: Final = ("lost", "late")

GRANT = answer(200, {"access_token": token()})
HEAD = GRANT.index(b"\r\n\r\n") + 4
UNMEASURED = b"HTTP/1.1 200 OK\r\n\r\n" + GRANT[HEAD:]
REFUSAL = answer(503, {"message": "busy"})

# Places by what is sent before the end. `read`: the answer was there; `-`: cannot be, or depends on
# the version of OpenSSL, some of which show a reset as a mere end.
REST_PLACES: Final = {
    "before": b"",
    "in_the_status": GRANT[:10],
    "in_a_header": GRANT[: HEAD - 4],
    "after_the_headers": GRANT[:HEAD],
    "in_the_body": GRANT[:-1],
    "after_an_interim": b"HTTP/1.1 100 Go on\r\n\r\n",
    "in_one_without_length": UNMEASURED[:-1],  # whose end is a FIN, so that it may be whole
    "after_one_without_length": UNMEASURED,
    "after_the_answer": GRANT,
}
REST: Final = """
                          FIN   reset silence TLS:FIN TLS:notify TLS:reset TLS:silence TLS:alert
in_the_TLS_handshake      -     -     -       lost    -          lost      late        alert
before                    lost  lost  late    lost    lost       lost      late        alert
in_the_status             lost  lost  late    lost    lost       lost      late        alert
in_a_header               lost  lost  late    lost    lost       lost      late        alert
after_the_headers         lost  lost  late    lost    lost       lost      late        alert
in_the_body               lost  lost  late    lost    lost       lost      late        alert
after_an_interim          lost  lost  late    lost    lost       lost      late        alert
in_one_without_length     bad   lost  late    bad     bad        -         late        alert
after_one_without_length  read  lost  late    read    read       -         late        alert
after_the_answer          read  read  read    read    read       read      read        read
"""
UPGRADE_PLACES: Final = {
    "before": b"",
    "in_the_status": b"HTTP/1.1 101 Swi",
    "in_a_header": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: web",
    "in_a_refusal": REFUSAL[:-1],
    "after_a_refusal": REFUSAL,
}
UPGRADE: Final = """
                          FIN   reset silence TLS:FIN TLS:notify TLS:reset TLS:silence TLS:alert
in_the_TLS_handshake      -     -     -       lost    -          lost      late        alert
before                    lost  lost  late    lost    lost       lost      late        alert
in_the_status             lost  lost  late    lost    lost       lost      late        alert
in_a_header               lost  lost  late    lost    lost       lost      late        alert
in_a_refusal              lost  lost  late    lost    lost       lost      late        alert
after_a_refusal           503   503   503     503     503        503       503         503
"""
FRAME_PLACES: Final = {
    "before_the_first": [],
    "between_two": [frame(TEXT, b"one")],
    "in_a_header": [frame(TEXT, b"one"), frame(TEXT, b"x" * 999)[:3]],
    "in_a_payload": [frame(TEXT, b"one"), frame(TEXT, b"x" * 999)[:500]],
    "in_a_message": [frame(TEXT, b"one"), frame(TEXT, b"x", fin=False)],
    "after_a_close": [frame(TEXT, b"one"), close_frame(4001, "gone")],
}
FRAMES: Final = """
                          FIN   reset silence TLS:FIN TLS:notify TLS:reset TLS:silence TLS:alert
before_the_first          1006  1006  open    1006    1006       1006      open        1006
between_two               1006  1006  open    1006    1006       1006      open        1006
in_a_header               1006  1006  open    1006    1006       1006      open        1006
in_a_payload              1006  1006  open    1006    1006       1006      open        1006
in_a_message              1006  1006  open    1006    1006       1006      open        1006
after_a_close             4001  4001  4001    4001    4001       4001      4001        4001
"""


QUICK: Final = ("before", "in_the_body", "before_the_first")  # places where silence is always tried


def cells(table: str, *, kept: bool = False) -> list[Any]:
    """Place, end and what comes of it; of a kept connection those that a fresh one is not for."""
    head, *lines = table.strip("\n").split("\n")
    rows = []
    for place, *line in map(str.split, lines):
        for end, told in zip(head.split(), line, strict=True):
            waits = "silence" in end and told != "read"
            if told == "-" or (kept and "handshake" in place) or (kept and waits):
                continue
            marks = [pytest.mark.slow] if waits and place not in QUICK else []
            rows.append(pytest.param(place, end, told, marks=marks))
    return rows


Serve = Callable[..., tuple[Peer, Target]]


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A certificate to serve with, and the file of who vouches for it."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return context, path


@pytest.fixture
def serve(certified: tuple[ssl.SSLContext, Path]) -> Iterator[Serve]:
    """A peer whose connections end in one way, and the target that it is."""
    running = []

    def start(end: str, place: str, **scripts: Script) -> tuple[Peer, Target]:
        context = certified[0] if end.startswith("TLS") else None
        if place == "in_the_TLS_handshake":
            scripts["connected"] = END[end]
        server = peer(context=context, **scripts)
        hostile = server.__enter__()
        running.append(server)
        network = Network() if context is None else Network(ca=str(certified[1]))
        return hostile, Target.resolve(hostile.url, network)

    yield start
    for server in running:
        server.__exit__(None, None, None)


def says(data: bytes, end: str) -> Script:
    def script(wire: Wire) -> None:
        wire.send(data)
        END[end](wire)

    return script


def limits(end: str) -> dict[str, float]:
    """Silence is not waited for long; for everything else there is time."""
    seconds = SHORT if "silence" in end else SOON
    return {"connect_timeout": seconds, "answer_timeout": seconds}


def checked(error: RemoteError, told: str, place: str, end: str) -> None:
    """Its kind, and in its text where and how."""
    assert error.kind == NAMES[told]
    if told == "lost" and "handshake" not in place:
        assert ("before" if place == "before" else "in the middle of") in error.detail
        if end != "TLS:reset":  # some versions of OpenSSL show it as a mere end
            assert ("reset" if end == "reset" else "closed") in error.detail
    elif told == "late":
        assert error.detail.endswith(f"within {SHORT:g} s")


@pytest.mark.parametrize(("place", "end", "told"), cells(REST))
def test_a_rest_call(serve: Serve, place: str, end: str, told: str) -> None:
    """The network's failures are tried again three times, all others are final."""
    waits: list[float] = []
    script = says(REST_PLACES.get(place, b""), end)
    hostile, target = serve(end, place, token=script)
    api = Api(target, CREDENTIALS, sleep=waits.append, **limits(end))
    if told == "read":
        assert api.access_token()
    else:
        with pytest.raises(RemoteError) as caught:
            api.access_token()
        checked(caught.value, told, place, end)
    api.close()
    assert waits == ([1.0] * 3 if told in RETRIED else [])
    assert len(hostile.wires) == 1 + len(waits)


@pytest.mark.parametrize(
    ("place", "end", "told"),
    [*cells(REST, kept=True), ("before", "silence", "late"), ("before", "TLS:silence", "late")],
)
def test_a_call_on_a_kept_connection(serve: Serve, place: str, end: str, told: str) -> None:
    """One that ends before its answer is replaced at once; from then on it is as any other."""
    waits: list[float] = []
    data = REST_PLACES[place].replace(b'"access_token"', b'"session_id"  ')
    hostile, target = serve(end, place, token=grant, session=says(data, end))
    api = Api(target, CREDENTIALS, sleep=waits.append, **limits(end))
    bearer = api.access_token()
    waits.clear()  # a machine that is busy may have been slow with the first call
    before = len(hostile.wires)
    if told == "read":
        assert api.create_session(bearer, streaming=False)
    else:
        with pytest.raises(RemoteError) as caught:
            api.create_session(bearer, streaming=False)
        checked(caught.value, told, place, end)
    api.close()
    replaced = place == "before" and "silence" not in end
    assert waits == ([1.0] * (2 if replaced else 3) if told in RETRIED else [])
    assert len(hostile.wires) - before == len(waits) + replaced


@pytest.mark.parametrize("end", [end for end in END if "silence" not in end])
def test_a_kept_connection_that_ends_while_it_is_idle_is_replaced_at_once(
    serve: Serve, end: str
) -> None:
    """In whichever way: a server may let it go at any time."""
    hostile, target = serve(end, "", token=says(GRANT, end), session=create)
    api = Api(target, CREDENTIALS, sleep=lambda seconds: pytest.fail(f"waited {seconds} s"))
    assert api.create_session(api.access_token(), streaming=False)
    api.close()
    assert len(hostile.wires) == 2


def test_an_answer_that_was_sent_before_a_reset_is_read(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A balancer that sheds load answers and resets, before it has seen the request."""
    busy = answer(429, {"message": "shed"}, "Retry-After: 3", "Connection: close")
    waits: list[float] = []
    connected: list[OpenConnection] = []
    connect = Target.connect

    def shed(wire: Wire) -> None:
        while len(connected) <= wire.number:
            pause(0.001)
        wire.send(busy)
        wire.reset()

    def connect_and_wait(target: Target) -> OpenConnection:
        connected.append(connect(target))
        with gevent.Timeout(SOON):
            while len(hostile.wires) < len(connected) or hostile.wires[-1].is_open:
                gevent.sleep(0.001)
        gevent.sleep(0.01)  # it says so just before
        return connected[-1]

    hostile, target = serve("reset", "", connected=shed)
    monkeypatch.setattr(Target, "connect", connect_and_wait)
    api = Api(target, CREDENTIALS, sleep=waits.append)
    with pytest.raises(RemoteError) as caught:
        api.access_token()
    assert (caught.value.kind, caught.value.detail) == (Failure.RATE_LIMITED, "shed")
    assert waits == [3.0] * 3
    assert len(hostile.wires) == 4


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("FIN", "connection_lost: closed before an answer"),
        ("reset", "connection_lost: Connection reset by peer, before an answer"),
        ("TLS:alert", "tls_failed: "),
    ],
)
def test_the_first_token_of_a_run(
    serve: Serve, end: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for three times more, too; then its end is told with what to do."""
    monkeypatch.setattr("loadkit.net.http.retry._NETWORK_DELAY", 0.01)
    monkeypatch.setattr(
        "loadkit.net.preflight.diagnosis.PROBE", SHORT
    )  # whether it speaks TLS, too
    calls: list[Wire] = []

    def script(wire: Wire) -> None:
        calls.append(wire)
        END[end](wire)

    hostile, target = serve(end, "before", token=script)
    with pytest.raises(TargetError) as refused:
        preflight(hostile.url, CREDENTIALS, print, target.network)
    assert str(refused.value).startswith(f"{hostile.url} cannot be used: {words}")
    assert "; " in str(refused.value)
    assert len(calls) == (1 if end == "TLS:alert" else 4)


@pytest.mark.parametrize(
    ("data", "end", "told"),
    [
        (b"", "FIN", "lost"),
        (b"", "reset", "lost"),
        (b"HTTP/1.1 200 OK\r\nVia", "FIN", "lost"),
        (b"HTTP/1.1 200 OK\r\nVia", "reset", "lost"),
        (b"HTTP/1.1 200 OK\r\nVia", "silence", "late"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "FIN", "lost"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "reset", "lost"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "silence", "late"),
    ],
)
def test_a_proxy_on_the_way(serve: Serve, data: bytes, end: str, told: str) -> None:
    """What ends there is the network's failure, and is tried again; so is what ends behind it."""
    waits: list[float] = []

    def script(wire: Wire) -> None:
        wire.read_request()
        says(data, end)(wire)

    hostile, _ = serve(end, "", connected=script)
    network = Network(proxies={"HTTPS_PROXY": hostile.url})
    target = Target.resolve("https://agents.example", network)
    api = Api(target, CREDENTIALS, sleep=waits.append, **limits(end))
    with pytest.raises(RemoteError) as caught:
        api.access_token()
    assert caught.value.kind == NAMES[told]
    if told == "lost" and b"\r\n\r\n" not in data:
        assert hostile.url in caught.value.detail
    assert waits == [1.0] * 3
    assert len(hostile.wires) == 4


@pytest.mark.parametrize(("place", "end", "told"), cells(UPGRADE))
def test_an_upgrade(serve: Serve, place: str, end: str, told: str) -> None:
    """It fails by the same names; the session comes back after its back-off."""
    hostile, target = serve(end, place, upgrade=says(UPGRADE_PLACES.get(place, b""), end))
    seconds = SHORT if "silence" in end else SOON
    with pytest.raises(RemoteError) as caught:
        Link.open(target, QUERY, Traffic(), timeout=seconds)
    error = caught.value
    if told == "503":
        assert (error.kind, error.status) == (Failure.UPGRADE_REFUSED, 503)
        assert error.detail == "busy"
    else:
        checked(error, told, place, end)
        assert error.status is None
    assert on_refusal(error.status) is AfterLoss.RESUME
    assert len(hostile.wires) == 1


@pytest.mark.parametrize(("place", "end", "told"), cells(FRAMES))
def test_a_session(serve: Serve, place: str, end: str, told: str) -> None:
    """What came before the end was received; the session comes back, but for what a close says."""

    def script(wire: Wire) -> None:
        wire.upgrade()
        says(b"".join(FRAME_PLACES[place]), end)(wire)

    _, target = serve(end, place, upgrade=script)
    link = Link.open(target, QUERY, Traffic(), timeout=SOON)
    wanted = [b"one"] if FRAME_PLACES[place] else []
    messages: list[object] = []
    try:
        until = perf_counter() + SOON
        while link.closed is None and perf_counter() < until:
            if told == "open" and messages == wanted:
                assert link.receive(perf_counter() + SHORT) == []
                break
            messages += link.receive(until)
    finally:
        link.drop()
    assert messages == wanted
    if told == "open":
        return  # the heartbeats find out
    assert link.closed == CloseInfo(int(told), "gone" if told == "4001" else "", told == "4001")
    assert on_close(int(told)) is (AfterLoss.RENEW if told == "4001" else AfterLoss.RESUME)


def resumable(end: str) -> Script:
    """A session whose first socket ends within a frame, while an answer is owed."""
    # Silence is told by two beats without an echo; a busy machine has an echo within them.
    beat = 0.5 if "silence" in end else 30.0

    def script(wire: Wire) -> None:
        said = {"message_id": "1", "text": "It is on its way."}
        if "cursor=" not in wire.request:
            greet(wire, beat=beat)
            echo = wire.echo(wire.read_event("USER_MESSAGE"))
            wire.send(echo, frame(TEXT, b"x" * 999)[:500])
            END[end](wire)
            return
        assert "cursor=seq%3A5" in wire.request  # start, join, joined, greeting, echo
        wire.numbered_from(5)
        owed = wire.event("POLY_AGENT_MESSAGE", said)
        events = [json.loads(owed[owed.index(b'{"') :])]
        wire.upgrade(wire.event("EVENT_BATCH", {"events": events}, numbered=False))
        while reply(wire, wire.read_event()):
            pass
        wire.silence()

    return script


def test_a_session_goes_on_where_its_connection_ended(
    serve: Serve, certified: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the last event: nothing is lost, and nothing failed but what fell silent."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certified[1]))
    every = {end: Notes() for end in END}
    with gevent.Timeout(SOON + SOON):
        sessions = []
        for end, notes in every.items():
            hostile, _ = serve(end, "", upgrade=resumable(end))
            person = Person("Where is my order?", None)
            sessions.append(gevent.spawn(driver(hostile.url, person, notes).run, perf_counter()))
        gevent.joinall(sessions, raise_error=True)
    for end, notes in every.items():
        assert notes.endings == [Ending.USER_END], end
        silent = [Failure.HEARTBEAT_UNANSWERED] if "silence" in end else []
        assert notes.failures == silent, end
        assert notes.violations == [], end
        assert len(notes.of(Phase.RESPONSE)) == 1, end
        assert notes.counts[Count.DISCONNECTS_UNEXPECTED] == 1, end
        assert notes.counts[Count.DISCONNECTS_RECONNECTED] == 1, end
