"""One WebSocket against scripted servers on loopback: what a link survives, reports and sends."""

import gzip
import logging
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from time import perf_counter, time
from typing import Any

import gevent
import gevent.event
import gevent.server
import gevent.socket
import gevent.ssl
import pytest
import trustme

from loadkit.errors import Failure, LocalError, RemoteError
from loadkit.net.http.target import Target
from loadkit.net.websocket import stream as stream_module
from loadkit.net.websocket.link import CloseInfo, Link, Traffic
from loadkit.protocol import Flaw, FlawKind
from loadkit.security.redaction import note
from tests.rfc6455 import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    accepted,
    close_frame,
    exactly,
    frame,
    read_frame,
)

TOKEN = "eyJh.c2Vj.cmV0"
QUERY = f"session_id=s-1&access_token={TOKEN}"
SOON = 5.0  # seconds: far more than loopback ever needs

Script = Callable[[Any], None]


def read_request(sock: Any) -> str:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += exactly(sock, 1)
    return head.decode()


def accept(sock: Any, then: bytes = b"") -> str:
    """Answer 101, with `then` in the same segment; return the request."""
    request = read_request(sock)
    (key,) = [line[19:] for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Key: ")]
    sock.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accepted(key).encode() + b"\r\n\r\n" + then
    )
    return request


def finish(sock: Any) -> list[tuple[int, bytes]]:
    """Everything the client still sends, up to the end of the stream."""
    frames = []
    try:
        while True:
            frames.append(read_frame(sock))
    except (EOFError, OSError):
        return frames


@pytest.fixture
def serve() -> Iterator[Callable[..., Target]]:
    """Start a server that runs the script for each connection; a failing script fails the test."""
    servers: list[gevent.server.StreamServer] = []
    failures: list[BaseException] = []

    def start(script: Script, *, context: Any = None, prefix: str = "") -> Target:
        def handle(sock: Any, address: object) -> None:
            sock.settimeout(SOON)
            try:
                script(sock)
            except BaseException as error:
                failures.append(error)
                raise

        server = gevent.server.StreamServer(("127.0.0.1", 0), handle)
        if context is not None:
            server = gevent.server.StreamServer(("127.0.0.1", 0), handle, ssl_context=context)
        server.start()
        servers.append(server)
        scheme = "https" if context is not None else "http"
        host = "localhost" if context is not None else "127.0.0.1"
        return Target.resolve(f"{scheme}://{host}:{server.server_port}{prefix}")

    yield start
    for server in servers:
        server.stop(timeout=SOON)
    assert not failures


@pytest.fixture
def dial() -> Iterator[Callable[..., Link]]:
    """Open links that are dropped after the test."""
    links: list[Link] = []

    def opened(target: Target, traffic: Traffic | None = None, **options: Any) -> Link:
        link = Link.open(target, QUERY, traffic or Traffic(), timeout=SOON, **options)
        links.append(link)
        return link

    yield opened
    for link in links:
        link.drop()


def soon() -> float:
    return perf_counter() + SOON


def refused(target: Target, **options: Any) -> RemoteError:
    note(TOKEN)  # as whoever asks for one does
    with pytest.raises(RemoteError) as caught:
        Link.open(target, QUERY, Traffic(), **{"timeout": SOON, **options})
    assert TOKEN not in str(caught.value)
    assert TOKEN not in repr(caught.value)
    return caught.value


class TestOpening:
    def test_the_upgrade_carries_the_query_and_nothing_of_a_browser_or_of_ours(self, serve, dial):
        requests = []

        def script(sock):
            requests.append(accept(sock))
            finish(sock)

        target = serve(script, prefix="/agents")
        dial(target)
        lines = requests[0].split("\r\n")
        assert f"GET /agents/ws?{QUERY} HTTP/1.1" == lines[0]
        assert f"Host: 127.0.0.1:{target.port}" in lines
        names = {line.partition(":")[0].lower() for line in lines[1:]}
        assert not names & {"origin", "authorization", "sec-websocket-extensions", "user-agent"}

    def test_frames_in_the_segment_of_the_101_are_not_lost(self, serve, dial):
        def script(sock):
            accept(sock, frame(TEXT, b"one") + frame(TEXT, b"two") + frame(PING, b"p"))
            assert read_frame(sock) == (PONG, b"p")

        link = dial(serve(script))
        assert link.receive(soon()) == [b"one", b"two"]
        assert link.opened_at == link.stamp

    def test_half_a_frame_in_the_segment_of_the_101_is_completed(self, serve, dial):
        whole = frame(TEXT, b"cut in two")

        def script(sock):
            accept(sock, whole[:5])
            gevent.sleep(0.01)
            sock.sendall(whole[5:])

        assert dial(serve(script)).receive(soon()) == [b"cut in two"]

    def test_a_close_in_the_segment_of_the_101_closes_the_link(self, serve, dial):
        def script(sock):
            accept(sock, frame(TEXT, b"last") + close_frame(4001))

        link = dial(serve(script))
        assert link.receive(soon()) == [b"last"]
        assert link.receive(soon()) == []
        assert CloseInfo(4001, "", True) == link.closed

    @pytest.mark.parametrize(
        ("status", "body", "detail"),
        [
            ("401 Unauthorized", b'{"message": "authentication failed"}', "authentication failed"),
            ("404 Not Found", b'{"error": "session not found"}', "session not found"),
            ("502 Bad Gateway", b"<html>a page</html>", ""),
            ("400 Bad Request", b"", ""),
            ("200 OK", b'{"message": 7}', ""),
            (
                "302 Found\r\nLocation: /sign-in?access_token=x",
                b"",
                "redirects to http://{}/sign-in, which is not followed",
            ),
            (
                "403 Forbidden\r\nContent-Encoding: gzip",
                gzip.compress(b'{"message": "not from there"}', mtime=0),
                "not from there",
            ),
            ("403 Forbidden\r\nContent-Encoding: br", b"\x0b\x02", ""),
        ],
    )
    def test_any_answer_but_101_is_a_refusal_in_the_servers_words(
        self, serve, status, body, detail
    ):
        def script(sock):
            read_request(sock)
            size = f"Content-Length: {len(body)}\r\n\r\n"
            sock.sendall(f"HTTP/1.1 {status}\r\n{size}".encode() + body)

        target = serve(script)
        error = refused(target)
        detail = detail.format(target.authority)
        assert (Failure.UPGRADE_REFUSED, int(status[:3]), detail) == (
            error.kind,
            error.status,
            error.detail,
        )

    @pytest.mark.parametrize(
        ("headers", "wait_s"),
        [
            (["Retry-After: 7"], 7.0),
            (["retry-after: 3600"], 30.0),
            ([], 5.0),
            (["Retry-After: later"], 5.0),
            (["Retry-After: 2", "Retry-After: 9"], 2.0),
        ],
    )
    def test_a_429_is_a_policys_limit_and_says_how_long_to_wait(self, serve, headers, wait_s):
        """It is counted apart from what a server cannot do."""

        def script(sock):
            read_request(sock)
            lines = ["HTTP/1.1 429 Too Many Requests", "Content-Length: 4", *headers]
            sock.sendall("\r\n".join([*lines, "", "slow"]).encode())

        error = refused(serve(script))
        assert (error.kind, error.status, error.detail) == (Failure.RATE_LIMITED, 429, "slow")
        assert error.wait_s == wait_s

    def test_a_server_that_sends_the_url_back_gives_no_token_away(self, serve):
        def script(sock):
            path = read_request(sock).split(" ")[1]
            body = f'{{"message": "no such url: {path}"}}'
            sock.sendall(f"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n{body}".encode())

        assert "[secret]" in refused(serve(script)).detail

    def test_a_redirect_takes_the_token_nowhere(self, serve):
        reached = []
        stranger = serve(reached.append)

        def script(sock):
            read_request(sock)
            place = f"Location: {stranger}/ws?access_token={TOKEN}\r\nContent-Length: 0\r\n\r\n"
            sock.sendall(f"HTTP/1.1 307 Temporary Redirect\r\n{place}".encode())

        assert refused(serve(script)).status == 307
        gevent.sleep(0.05)  # what was sent would be there
        assert reached == []

    def test_a_handshake_that_stalls_times_out(self, serve):
        def script(sock):
            read_request(sock)
            sock.recv(1)

        error = refused(serve(script), timeout=0.1)
        assert error.kind == Failure.CONNECT_TIMEOUT
        assert error.detail == "no answer to the upgrade within 0.1 s"

    def test_a_time_limit_of_the_caller_is_not_taken_for_ours(self, serve):
        def script(sock):
            read_request(sock)
            sock.recv(1)

        target = serve(script)
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.1):
            Link.open(target, QUERY, Traffic(), timeout=SOON)

    def test_nobody_listening_is_a_refused_connection(self):
        with gevent.socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
            error = refused(Target.resolve(f"http://127.0.0.1:{port}"))
        assert error.kind == Failure.CONNECT_REFUSED

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (b"", Failure.CONNECTION_LOST),
            (b"HTTP/1.1 101 Switch", Failure.CONNECTION_LOST),
            (b"SSH-2.0-OpenSSH_9.6\r\n", Failure.PROTOCOL_ERROR),
            (
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade"
                b"\r\nSec-WebSocket-Accept: d3Jvbmc=\r\n\r\n",
                Failure.PROTOCOL_ERROR,
            ),
        ],
    )
    def test_an_answer_that_is_none_is_told_from_a_refusal(self, serve, answer, kind):
        def script(sock):
            read_request(sock)
            sock.sendall(answer)

        assert kind == refused(serve(script)).kind

    def test_an_address_that_refuses_is_followed_by_the_next(self, serve, dial):
        def script(sock):
            accept(sock, frame(TEXT, b"here"))

        good = serve(script)
        with gevent.socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            deaf = (int(sock.family), sock.getsockname())
            target = Target(False, "twofold", good.port, "", (deaf, *good.addresses))
            for _ in range(3):
                assert dial(target).receive(soon()) == [b"here"]

    def test_the_token_reaches_no_log_even_at_debug_level(self, serve, dial, caplog):
        caplog.set_level(logging.DEBUG)
        caplog.set_level(logging.DEBUG, logger="loadkit.net.websocket.upgrade.protocol")

        def script(sock):
            accept(sock)
            finish(sock)

        link = dial(serve(script))
        link.send(b"hello")
        link.close(timeout=0.1)
        assert TOKEN not in caplog.text
        assert TOKEN not in repr(link)


class TestTls:
    @pytest.fixture
    def authority(self) -> trustme.CA:
        return trustme.CA()

    @pytest.fixture
    def trusted(self, authority, tmp_path, monkeypatch) -> None:
        path = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(path)
        monkeypatch.setenv("SSL_CERT_FILE", str(path))

    def context(self, authority: trustme.CA, name: str) -> gevent.ssl.SSLContext:
        context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        return context

    @pytest.mark.usefixtures("trusted")
    def test_a_trusted_server_is_talked_to(self, serve, dial, authority):
        big = b"x" * 100_000  # several TLS records

        def script(sock):
            accept(sock, frame(TEXT, b"first"))
            assert (TEXT, big) == read_frame(sock)
            sock.sendall(frame(TEXT, big) + frame(TEXT, b"small"))
            assert (CLOSE, struct.pack("!H", 1000)) == read_frame(sock)
            sock.sendall(close_frame(1000))

        link = dial(serve(script, context=self.context(authority, "localhost")))
        assert link.receive(soon()) == [b"first"]
        sent = perf_counter()
        link.send(big)
        messages = []
        while len(messages) < 2:
            messages += link.receive(soon())
        assert [big, b"small"] == messages
        assert sent < link.stamp <= perf_counter()
        assert link.receive(perf_counter() + 0.01) == []
        link.close()
        assert CloseInfo(1000, "", True) == link.closed

    @pytest.mark.usefixtures("trusted")
    def test_records_that_tls_has_decrypted_already_are_not_waited_for(
        self, serve, dial, authority
    ):
        def script(sock):
            accept(sock)
            for _ in range(20):
                sock.sendall(frame(TEXT, b"y" * 16_000) + frame(TEXT, b"z"))
            finish(sock)

        link = dial(serve(script, context=self.context(authority, "localhost")))
        messages = []
        until = soon()
        while len(messages) < 40:
            more = link.receive(until)
            assert more
            messages += more

    @pytest.mark.filterwarnings("ignore")
    def test_a_certificate_of_an_unknown_authority_fails(self, serve, authority, monkeypatch):
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        target = serve(lambda sock: None, context=self.context(authority, "localhost"))
        assert refused(target).kind == Failure.TLS_FAILED

    @pytest.mark.usefixtures("trusted")
    def test_a_certificate_for_another_name_fails(self, serve, authority):
        target = serve(lambda sock: None, context=self.context(authority, "elsewhere.example"))
        error = refused(target)
        assert error.kind == Failure.TLS_FAILED
        assert "localhost" in error.detail

    @pytest.mark.usefixtures("trusted")
    def test_a_server_that_speaks_no_tls_fails(self, serve):
        plain = serve(lambda sock: sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
        assert refused(Target.resolve(f"https://localhost:{plain.port}")).kind == Failure.TLS_FAILED


class TestReceiving:
    def test_messages_of_one_segment_arrive_together_in_order(self, serve, dial):
        texts = [b"a", "zwölf".encode(), b"c" * 200, b"d" * 70_000]

        def script(sock):
            accept(sock)
            sock.sendall(b"".join(frame(TEXT, text) for text in texts))
            finish(sock)

        link = dial(serve(script))
        messages = []
        while len(messages) < 4:
            messages += link.receive(soon())
        assert texts == messages
        assert all(type(message) is bytes for message in messages)

    def test_a_message_that_trickles_in_is_one_message(self, serve, dial):
        def script(sock):
            accept(sock)
            for byte in frame(TEXT, b"slowly"):
                sock.sendall(bytes([byte]))
                gevent.sleep(0.001)

        assert dial(serve(script)).receive(soon()) == [b"slowly"]

    def test_fragments_are_assembled_around_control_frames(self, serve, dial):
        def script(sock):
            accept(sock)
            sock.sendall(frame(TEXT, b"one, ", fin=False) + frame(PING, b"?"))
            assert read_frame(sock) == (PONG, b"?")
            halves = "ä".encode()
            sock.sendall(frame(CONT, b"two, " + halves[:1], fin=False))
            sock.sendall(frame(CONT, halves[1:]) + frame(TEXT, b"next"))
            finish(sock)

        link = dial(serve(script))
        messages = link.receive(soon())
        while len(messages) < 2:
            messages += link.receive(soon())
        assert ["one, two, ä".encode(), b"next"] == messages

    def test_a_ping_is_answered_with_its_payload(self, serve, dial):
        answers = []

        def script(sock):
            accept(sock)
            sock.sendall(frame(PING, b"are you there"))
            answers.append(read_frame(sock))
            sock.sendall(frame(TEXT, b"thanks"))

        assert dial(serve(script)).receive(soon()) == [b"thanks"]
        assert answers == [(PONG, b"are you there")]

    def test_a_binary_message_is_a_flaw_in_its_place(self, serve, dial):
        def script(sock):
            accept(sock)
            sock.sendall(
                frame(TEXT, b"before")
                + frame(BINARY, b"\xff\xfe\xfd")
                + frame(BINARY, b"\xff", fin=False)
                + frame(CONT, b"\xfe")
                + frame(TEXT, b"after")
            )
            finish(sock)

        before, flaw, other, after = dial(serve(script)).receive(soon())
        assert (before, after) == (b"before", b"after")
        assert isinstance(flaw, Flaw)
        assert (flaw.kind, flaw.detail) == (FlawKind.BINARY_FRAME, "3 bytes")
        assert isinstance(other, Flaw)
        assert other.detail == "2 bytes"

    def test_an_empty_text_is_a_message(self, serve, dial):
        def script(sock):
            accept(sock, frame(TEXT))

        assert dial(serve(script)).receive(soon()) == [b""]

    def test_nothing_comes_when_the_time_is_over_and_the_link_lives_on(self, serve, dial):
        def script(sock):
            accept(sock)
            assert read_frame(sock) == (TEXT, b"go")
            sock.sendall(frame(TEXT, b"gone"))

        link = dial(serve(script))
        began = perf_counter()
        assert link.receive(began + 0.05) == []
        assert perf_counter() >= began + 0.05
        assert link.closed is None
        link.send(b"go")
        assert link.receive(None) == [b"gone"]

    def test_each_wait_has_its_own_deadline_whatever_the_one_before_had(self, serve, dial):
        """A message ends each wait early, and the next one ends when it should all the same."""

        def script(sock):
            accept(sock)
            for _ in range(2):
                read_frame(sock)
                sock.sendall(frame(TEXT, b"early"))
            finish(sock)

        link = dial(serve(script))
        for until, then in ((SOON, 0.05), (0.1, 0.2)):
            began = perf_counter()
            link.send(b"go")
            assert link.receive(began + until) == [b"early"]
            assert link.receive(began + then) == []
            assert began + then <= perf_counter() < began + SOON
        assert link.closed is None

    def test_what_has_arrived_is_handed_out_after_its_deadline_too(self, serve, dial):
        def script(sock):
            accept(sock)
            sock.sendall(frame(TEXT, b"in the kernel"))
            finish(sock)

        link = dial(serve(script))
        gevent.sleep(0.05)
        assert link.receive(perf_counter() - 1.0) == [b"in the kernel"]
        assert link.receive(perf_counter() - 1.0) == []

    def test_a_message_is_stamped_between_the_question_and_the_read(self, serve, dial):
        def script(sock):
            accept(sock)
            read_frame(sock)
            sock.sendall(frame(TEXT, b"now"))

        link = dial(serve(script))
        sent = perf_counter()
        link.send(b"when?")
        link.receive(soon())
        assert sent < link.stamp <= perf_counter()

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux stamps what arrives")
    def test_a_message_that_lay_in_the_kernel_is_stamped_with_its_arrival(self, serve, dial):
        """A generator that is late to read does not make the server look slow."""
        written = []

        def script(sock):
            accept(sock)
            gevent.sleep(0.05)  # the kernel begins to stamp in the background
            sock.sendall(frame(TEXT, b"in the kernel"))
            written.append(perf_counter())
            finish(sock)

        link = dial(serve(script))
        gevent.sleep(0.35)
        read_from = perf_counter()
        assert link.receive(soon()) == [b"in the kernel"]
        assert link.opened_at < link.stamp < written[0] + 0.1 < read_from

    def test_a_wall_clock_that_is_set_meanwhile_cannot_backdate_a_message(
        self, serve, dial, monkeypatch
    ):
        """Its age is not to be known then: it counts as new when it is read."""
        ahead = [0.0]
        monkeypatch.setattr(stream_module._ARRIVALS, "_wall", lambda: time() + ahead[0])

        def script(sock):
            accept(sock)
            gevent.sleep(0.05)
            sock.sendall(frame(TEXT, b"in the kernel"))
            finish(sock)

        link = dial(serve(script))
        gevent.sleep(0.15)
        ahead[0] = 0.04
        read_from = perf_counter()
        assert link.receive(soon()) == [b"in the kernel"]
        assert read_from <= link.stamp <= perf_counter()

    def test_what_crossed_our_own_words_is_stamped_after_them(self, serve, dial):
        """Time in a session runs one way: what is heard after a sending is never older."""

        def script(sock):
            accept(sock)
            gevent.sleep(0.05)
            sock.sendall(frame(TEXT, b"crossed"))
            finish(sock)

        link = dial(serve(script))
        gevent.sleep(0.15)
        asked = perf_counter()
        link.send(b"a question")
        assert link.receive(soon()) == [b"crossed"]
        assert asked <= link.stamp <= perf_counter()

    def test_traffic_is_counted_frame_by_frame_and_byte_by_byte(self, serve, dial):
        incoming = [frame(TEXT, b"early"), frame(PING, b"x"), frame(TEXT, b"z" * 300)]

        def script(sock):
            accept(sock, incoming[0])
            read_frame(sock)
            sock.sendall(incoming[1])
            read_frame(sock)
            sock.sendall(incoming[2])
            finish(sock)

        traffic = Traffic()
        link = dial(serve(script), traffic)
        assert (1, len(incoming[0])) == (traffic.frames_received, traffic.bytes_received)
        link.receive(soon())
        link.send(b"hello")
        link.receive(soon())
        assert (3, sum(map(len, incoming))) == (traffic.frames_received, traffic.bytes_received)
        assert (traffic.frames_sent, traffic.bytes_sent) == (2, (2 + 4 + 1) + (2 + 4 + 5))


class TestServerCloses:
    @pytest.mark.parametrize("code", [1000, 1001, 1009, 1011, 4000, 4001])
    def test_the_code_and_reason_are_told_and_the_code_is_sent_back(self, serve, dial, code):
        answers = []

        def script(sock):
            accept(sock)
            sock.sendall(close_frame(code, "because"))
            answers.append(read_frame(sock))

        link = dial(serve(script))
        assert link.receive(soon()) == []
        assert CloseInfo(code, "because", True) == link.closed
        link.close()
        assert [(CLOSE, struct.pack("!H", code) + b"because")] == answers

    def test_a_close_without_a_code_is_1005(self, serve, dial):
        def script(sock):
            accept(sock)
            sock.sendall(frame(CLOSE))

        link = dial(serve(script))
        assert link.receive(soon()) == []
        assert CloseInfo(1005, "", True) == link.closed

    def test_what_came_before_the_close_is_delivered_first(self, serve, dial):
        def script(sock):
            accept(sock)
            sock.sendall(frame(TEXT, b"bye") + close_frame(1000))

        link = dial(serve(script))
        assert link.receive(soon()) == [b"bye"]
        assert link.closed is None
        link.send(b"too late, and harmless")
        assert link.receive(soon()) == []
        assert CloseInfo(1000, "", True) == link.closed
        assert link.receive(None) == []

    def test_the_end_of_the_stream_without_a_close_is_1006(self, serve, dial):
        link = dial(serve(lambda sock: accept(sock)))
        assert link.receive(soon()) == []
        assert CloseInfo(1006, "", False) == link.closed

    def test_a_reset_is_1006(self, serve, dial):
        def script(sock):
            accept(sock)
            sock.setsockopt(
                gevent.socket.SOL_SOCKET, gevent.socket.SO_LINGER, struct.pack("ii", 1, 0)
            )

        link = dial(serve(script))
        assert link.receive(soon()) == []
        assert CloseInfo(1006, "", False) == link.closed

    def test_half_a_frame_and_the_end_is_1006(self, serve, dial):
        link = dial(serve(lambda sock: accept(sock, frame(TEXT, b"never whole")[:7])))
        assert link.receive(soon()) == []
        assert CloseInfo(1006, "", False) == link.closed


class TestServerErrs:
    @pytest.mark.parametrize(
        ("wrong", "code"),
        [
            (frame(TEXT, b"x" * 2000), 1009),
            (frame(TEXT, b"x" * 900, fin=False) + frame(CONT, b"x" * 900), 1009),
            (frame(TEXT, b"\xff\xfe"), 1007),
            (frame(TEXT, b"\xc3", fin=False) + frame(CONT, b"("), 1007),
            (frame(3, b"reserved opcode"), 1002),
            (bytes([0x81, 0x81, 0, 0, 0, 0, 65]), 1002),  # masked
            (bytes([0xC1, 1, 65]), 1002),  # compressed without asking
            (frame(CONT, b"of nothing"), 1002),
            (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
            (frame(TEXT, b"a", fin=False) + close_frame(1000), 1002),
            (frame(PING, b"x" * 126), 1002),
            (frame(CLOSE, b"\x00"), 1002),
            (close_frame(1006), 1002),
            (frame(CLOSE, b"\x03\xe8\xff"), 1007),
        ],
    )
    def test_a_violation_is_refused_with_its_code(self, serve, dial, wrong, code):
        answers = []

        def script(sock):
            accept(sock)
            sock.sendall(frame(TEXT, b"fine") + wrong)
            answers.extend(finish(sock))

        link = dial(serve(script), max_size=1000)
        assert link.receive(soon()) == [b"fine"]
        assert link.receive(soon()) == []
        assert link.closed is not None
        assert (code, False) == (link.closed.code, link.closed.clean)
        link.close(timeout=0.05)
        assert code == link.closed.code
        gevent.sleep(0.01)
        assert [(CLOSE, code)] == [
            (opcode, *struct.unpack("!H", payload[:2])) for opcode, payload in answers
        ]

    def test_a_violation_found_by_nobody_is_still_told_after_a_drop(self, serve, dial):
        def script(sock):
            accept(sock, frame(TEXT, b"\xff"))
            finish(sock)

        link = dial(serve(script))
        link.drop()
        assert link.closed is not None
        assert link.closed.code == 1007


class TestSending:
    def test_a_frame_that_more_follow_goes_out_with_them_as_a_frame_of_its_own(self, serve, dial):
        """In one piece of TCP: three frames, in their order, of which two waited for the third."""
        pieces = []

        def script(sock):
            accept(sock)
            pieces.append(sock.recv(1 << 16))
            finish(sock)

        traffic = Traffic()
        link = dial(serve(script), traffic)
        for text in (b"one", b"two"):
            link.send(text, more=True)
            gevent.sleep(0.01)
        assert (traffic.frames_sent, pieces) == (0, [])
        link.send(b"three")
        assert link.receive(perf_counter() + 0.05) == []
        sent = bytearray(pieces[0])
        assert (traffic.frames_sent, traffic.bytes_sent) == (3, len(sent))
        near, far = gevent.socket.socketpair()
        with near, far:
            near.sendall(sent)
            near.close()
            assert finish(far) == [(TEXT, b"one"), (TEXT, b"two"), (TEXT, b"three")]

    def test_a_dead_connection_closes_the_link_without_an_exception(self, serve, dial):
        def script(sock):
            accept(sock)
            sock.setsockopt(
                gevent.socket.SOL_SOCKET, gevent.socket.SO_LINGER, struct.pack("ii", 1, 0)
            )

        link = dial(serve(script))
        gevent.sleep(0.05)
        for _ in range(3):
            link.send(b"anyone?")
            gevent.sleep(0.01)
        assert CloseInfo(1006, "", False) == link.closed
        assert link.receive(soon()) == []

    def test_the_farewell_of_a_dead_connection_is_still_heard(self, serve, dial):
        def script(sock):
            accept(sock)
            sock.sendall(frame(TEXT, b"the end") + close_frame(1000))

        link = dial(serve(script))
        gevent.sleep(0.05)  # the server has gone, and said so
        for _ in range(3):
            link.send(b"heartbeat")
            gevent.sleep(0.01)
        assert link.closed is None
        assert link.receive(soon()) == [b"the end"]
        assert link.receive(soon()) == []
        assert CloseInfo(1000, "", True) == link.closed

    def test_a_server_that_reads_nothing_ends_the_link_in_bounded_time(
        self, serve, dial, monkeypatch
    ):
        monkeypatch.setattr(stream_module, "_SEND_LIMIT", 0.1)
        over = gevent.event.Event()

        def script(sock):
            accept(sock)
            over.wait(SOON)

        link = dial(serve(script))
        big = b"x" * 1_000_000
        for _ in range(50):
            link.send(big)
            if link.closed is not None:
                break
        over.set()
        assert CloseInfo(1006, "", False) == link.closed

    def test_a_large_frame_to_a_slow_reader_arrives_whole(self, serve, dial):
        big = b"0123456789" * 300_000
        received = []

        def script(sock):
            accept(sock)
            gevent.sleep(0.05)
            exactly(sock, 14)
            received.append(len(exactly(sock, len(big))))
            sock.sendall(frame(TEXT, b"got it"))

        link = dial(serve(script))
        link.send(big)
        assert link.receive(soon()) == [b"got it"]
        assert [len(big)] == received

    def test_sending_after_our_own_close_is_our_mistake(self, serve, dial):
        def script(sock):
            accept(sock)
            finish(sock)

        target = serve(script)
        for leave in (Link.drop, lambda link: link.close(timeout=0.05)):
            link = dial(target)
            leave(link)
            with pytest.raises(LocalError):
                link.send(b"hello?")


class TestLeaving:
    @pytest.mark.parametrize("code", [1000, 4002])
    def test_the_closing_handshake_is_completed(self, serve, dial, code):
        heard = []

        def script(sock):
            accept(sock, frame(TEXT, b"unread"))
            heard.append(read_frame(sock))
            sock.sendall(frame(TEXT, b"crossing") + close_frame(code, "done"))
            heard.extend(finish(sock))

        link = dial(serve(script))
        link.close(code, timeout=0.1)
        assert CloseInfo(code, "done", True) == link.closed
        assert [(CLOSE, struct.pack("!H", code))] == heard
        assert link.receive(None) == []
        link.close()
        link.drop()

    def test_a_server_that_never_answers_holds_nobody_up(self, serve, dial):
        heard = []

        def script(sock):
            accept(sock)
            heard.extend(finish(sock))

        link = dial(serve(script))
        began = perf_counter()
        link.close(timeout=0.1)
        assert perf_counter() - began < SOON
        assert CloseInfo(1006, "", False) == link.closed
        gevent.sleep(0.01)
        assert [opcode for opcode, _ in heard] == [CLOSE]

    def test_a_server_that_talks_without_end_holds_nobody_up(self, serve, dial):
        def script(sock):
            accept(sock)
            try:
                while True:
                    sock.sendall(frame(TEXT, b"and another thing"))
                    gevent.sleep(0)
            except OSError:
                pass

        link = dial(serve(script))
        began = perf_counter()
        link.close(timeout=0.1)
        assert perf_counter() - began < SOON

    def test_a_code_that_may_not_be_sent_is_our_mistake_and_the_socket_goes(self, serve, dial):
        ended = []

        def script(sock):
            accept(sock)
            ended.append(finish(sock))

        link = dial(serve(script))
        with pytest.raises(LocalError):
            link.close(1006)
        gevent.sleep(0.01)
        assert ended == [[]]

    def test_a_drop_sends_no_close_frame(self, serve, dial):
        ended = []

        def script(sock):
            accept(sock)
            ended.append(finish(sock))

        link = dial(serve(script))
        link.drop()
        link.drop()
        link.close()
        gevent.sleep(0.01)
        assert ended == [[]]
        assert CloseInfo(1006, "", False) == link.closed
        assert link.receive(None) == []

    def test_a_killed_session_still_says_goodbye(self, serve, dial):
        heard = []

        def script(sock):
            accept(sock)
            heard.extend(finish(sock))

        link = dial(serve(script))

        def session():
            try:
                link.receive(None)
            finally:
                link.close(timeout=0.1)

        greenlet = gevent.spawn(session)
        gevent.sleep(0.01)
        greenlet.kill(timeout=SOON)
        gevent.sleep(0.01)
        assert [opcode for opcode, _ in heard] == [CLOSE]

    def test_a_session_killed_in_the_middle_of_a_frame_sends_nothing_behind_it(self, serve, dial):
        size = 20_000_000
        received = bytearray()
        go = gevent.event.Event()

        def script(sock):
            accept(sock)
            go.wait(SOON)
            while data := sock.recv(1 << 20):
                received.extend(data)

        link = dial(serve(script))

        def session():
            try:
                link.send(bytes(size))
            finally:
                link.close(timeout=0.1)

        greenlet = gevent.spawn(session)
        gevent.sleep(0.05)
        greenlet.kill(block=False)
        gevent.sleep(0.01)
        go.set()
        greenlet.join(SOON)
        gevent.sleep(0.1)
        mask = received[10:14]
        tail = received[-100:]
        phase = (len(received) - 14 - 100) % 4
        assert len(received) < size
        assert bytes(mask[(phase + i) % 4] for i in range(100)) == tail  # zeros, masked


SERVER = """
import sys
from websockets.sync.server import serve

def echo(connection):
    for message in connection:
        for text in (message, "thinking", "x" * 5000):
            connection.send(text)
    assert connection.close_code == 4002, connection.close_code

with serve(echo, "127.0.0.1", 0) as server:
    print(server.socket.getsockname()[1], flush=True)
    server.serve_forever()
"""


@pytest.fixture
def independent() -> Iterator[Target]:
    """A server that shares no code with the scripts above, in its own process."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield Target.resolve(f"http://127.0.0.1:{int(process.stdout.readline())}")
    process.terminate()
    process.wait()
    process.stdout.close()


def test_many_links_talk_to_an_independent_server_at_once(independent):
    traffic = Traffic()

    def session() -> CloseInfo | None:
        link = Link.open(independent, QUERY, traffic)
        try:
            for turn in range(20):
                text = f"turn {turn} – ünïcode".encode()
                link.send(text)
                messages: list[bytes | Flaw] = []
                while len(messages) < 3:
                    messages += link.receive(soon())
                assert [text, b"thinking", b"x" * 5000] == messages
        finally:
            link.close(4002)
        return link.closed

    sessions = [gevent.spawn(session) for _ in range(20)]
    gevent.joinall(sessions, raise_error=True)
    assert {CloseInfo(4002, "", True)} == {greenlet.value for greenlet in sessions}
    assert (traffic.frames_sent, traffic.frames_received) == (20 * 21, 20 * 61)
