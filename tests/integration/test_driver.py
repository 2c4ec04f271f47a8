"""A session's driver against a real server: what it sends, when it stamps, how it survives."""

import base64
import gc
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, time
from typing import Any

import gevent
import gevent.event
import gevent.server
import gevent.socket
import pytest
from persons import Notes, Script, driver
from processes import Simulator, simulator

from loadkit.errors import Failure
from loadkit.figures import Count, Ending, Origin, Phase
from loadkit.net.browser_tab import Tab
from loadkit.net.websocket.link import Link

SOON = 10.0  # seconds: far more than anything here takes


class Relay:
    """A network between the driver and the server, which can fail.

    Attributes:
        requests: the first line of each connection that was made through it.
    """

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self._to = (host, int(port))
        self._server = gevent.server.StreamServer(("127.0.0.1", 0), self._carry)
        self._open: list[Any] = []
        self.requests: list[str] = []
        self._server.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def cut(self) -> None:
        """Lose every connection."""
        for sock in self._open:
            sock.close()
        self._open.clear()

    def close(self) -> None:
        self._server.stop()
        self.cut()

    def _carry(self, near: Any, address: object) -> None:
        far = gevent.socket.create_connection(self._to)
        self._open += [near, far]
        first = True

        def pump(source: Any, sink: Any) -> None:
            nonlocal first
            try:
                while data := source.recv(65536):
                    if source is near and first:
                        first = False
                        self.requests.append(data.split(b"\r\n")[0].decode())
                    sink.sendall(data)
            except OSError:
                pass
            finally:
                near.close()
                far.close()

        gevent.joinall([gevent.spawn(pump, near, far), gevent.spawn(pump, far, near)])


@pytest.fixture
def relays() -> Iterator[Callable[[str], Relay]]:
    made: list[Relay] = []

    def make(url: str) -> Relay:
        made.append(Relay(url))
        return made[-1]

    yield make
    for relay in made:
        relay.close()


def live(server: Simulator, person: Script, *, streaming: bool = False) -> Notes:
    """A whole session, from its token to its end."""
    notes = Notes()
    with gevent.Timeout(SOON):
        driver(server.url, person, notes, streaming=streaming).run(perf_counter())
    assert notes.started == len(notes.endings) == 1
    assert not notes.violations
    return notes


def until(happened: Callable[[], object]) -> None:
    with gevent.Timeout(SOON):
        while not happened():
            gevent.sleep(0.01)


@pytest.mark.parametrize("streaming", [False, True])
def test_leaving_ends_the_session_on_the_server_too(tmp_path: Path, streaming: bool) -> None:
    with simulator(tmp_path) as server:
        notes = live(server, Script("Where is my order?", None), streaming=streaming)
        truth = server.stop()
    assert notes.endings == [Ending.USER_END]
    assert not notes.failures
    assert notes.counts[Count.TURNS_SENT] == notes.counts[Count.TURNS_ANSWERED] == 1
    assert [record["streaming"] for record in truth.of("session")] == [streaming]
    assert len(truth.of("session_end", reason="REASON_USER_END")) == 1
    assert bool(notes.of(Phase.CHUNK_GAP)) is streaming
    assert len(notes.of(Phase.END)) == 1


def test_a_session_leaves_nothing_to_the_garbage_collector(tmp_path: Path) -> None:
    """Circles of dead objects are memory and pauses: at a hundred sessions a second, of 0.1 s."""
    with simulator(tmp_path) as server:
        live(server, Script(None))  # what is made once is made
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            live(server, Script("Where is my order?", None), streaming=True)
            gc.collect()
            left = Counter(f"{type(each).__module__}.{type(each).__name__}" for each in gc.garbage)
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
    assert not {name for name in left if name.startswith(("loadkit", "gevent", "websockets"))}


def test_what_it_stamps_lies_around_what_the_server_did(tmp_path: Path) -> None:
    with simulator(tmp_path) as server:
        person = Script("Where is my order?", "Thank you!", None)
        notes = live(server, person)
        turns = server.stop().of("turn")
    assert len(turns) == 2
    rows = zip(turns, person.said_at, notes.of(Phase.ECHO), notes.of(Phase.RESPONSE), strict=True)
    for turn, said_at, (_, echo_sent, echoed), (due, sent, answered) in rows:
        answer = turn["events"][-1]
        assert due == said_at <= sent == echo_sent
        # The echo is stamped when it comes, not when the turn is over.
        assert sent <= turn["received"] <= echoed < answer["at"]
        assert answer["at"] <= answered < answer["at"] + 0.2


def test_it_keeps_beating_and_listening_while_the_person_types(tmp_path: Path) -> None:
    with simulator(tmp_path, "heartbeat_interval_seconds=0.1") as server:
        person = Script("Where is my order?", None, typing=1.0)
        notes = live(server, person)
    beats = [end for _, _, end in notes.of(Phase.HEARTBEAT)]
    assert len([end for end in beats if end < person.said_at[0]]) >= 5


def test_the_agents_natural_end_is_the_end(tmp_path: Path) -> None:
    with simulator(tmp_path) as server:
        notes = live(server, Script("That is all, end the convo please"))
        truth = server.stop()
    assert notes.endings == [Ending.NATURAL_END]
    assert notes.counts[Count.TURNS_ANSWERED] == 1
    assert not notes.failures
    assert len(truth.of("session_end", reason="REASON_NATURAL_END")) == 1
    assert len(truth.of("socket_close", client_code=1000)) == 1


def test_a_drop_in_mid_turn_resumes_behind_the_last_event_and_hears_the_answer(
    tmp_path: Path, relays: Callable[[str], Relay]
) -> None:
    notes = Notes()
    with simulator(tmp_path, "agent.first_response=500ms") as server:
        relay = relays(server.url)
        person = Script("Where is my order?", None)
        session = gevent.spawn(driver(relay.url, person, notes).run, perf_counter())
        until(lambda: notes.of(Phase.ECHO))
        relay.cut()
        session.join(SOON)
        truth = server.stop()
    assert notes.endings == [Ending.USER_END]
    assert not notes.failures
    assert not notes.violations
    (turn,) = truth.of("turn", outcome="answered")
    echo, answer = turn["events"][0], turn["events"][-1]
    assert answer["sockets"] == 0  # it was said to nobody

    first, second = [line for line in relay.requests if "/ws?" in line]
    assert "cursor" not in first
    assert f"cursor=seq%3A{echo['sequence']}" in second
    assert [opened["cursor"] for opened in truth.of("socket_open")] == [0, echo["sequence"]]
    assert len(truth.of("session")) == 1

    assert notes.counts[Count.TURNS_ANSWERED] == 1
    assert notes.counts[Count.TURNS_ANSWERED_BY_REPLAY] == 1
    assert notes.counts[Count.DISCONNECTS_UNEXPECTED] == 1
    assert notes.counts[Count.DISCONNECTS_RECONNECTED] == 1
    assert notes.counts[Count.TURNS_LOST] == notes.counts[Count.EVENTS_LOST] == 0
    ((_, lost, caught_up),) = notes.of(Phase.RECONNECT)
    ((_, sent, answered),) = notes.of(Phase.RESPONSE)
    assert sent < lost < answered <= caught_up  # the wait went on across the outage


class TestACut:
    def test_in_mid_turn_says_goodbye_and_counts_nothing_as_lost(self, tmp_path: Path) -> None:
        notes = Notes()
        with simulator(tmp_path, "agent.first_response=30s") as server:
            person = Script("Where is my order?")
            session = gevent.spawn(driver(server.url, person, notes).run, perf_counter())
            until(lambda: notes.of(Phase.ECHO))
            session.kill(timeout=SOON)
            truth = server.stop()
        assert notes.endings == [Ending.CUT_OFF]
        assert not notes.failures
        assert notes.counts[Count.TURNS_SENT] == 1
        assert notes.counts[Count.TURNS_LOST] == 0
        assert notes.counts[Count.TURNS_OPEN] == 1
        ((phase, lasted, lost),) = notes.waits
        assert (phase, lost) == (Phase.RESPONSE, False)
        assert lasted >= notes.of(Phase.ECHO)[0][2] - notes.of(Phase.ECHO)[0][1]
        assert len(truth.of("turn", outcome="cut_off")) == 1
        assert len(truth.of("session_end", reason="REASON_USER_END")) == 1
        assert len(truth.of("socket_close", client_code=1000)) == 1

    def test_who_is_hushed_hears_the_answer_and_says_no_more(self, tmp_path: Path) -> None:
        """What is waited for meanwhile can be seen."""
        notes = Notes()
        with simulator(tmp_path, "agent.first_response=700ms") as server:
            talk = driver(server.url, Script("Where is my order?", "And my refund?"), notes)
            session = gevent.spawn(talk.run, perf_counter())
            until(lambda: notes.of(Phase.ECHO))
            waits, turns = talk.waits(perf_counter())
            assert [wait.phase for wait in waits] == [Phase.RESPONSE]
            assert turns == [waits[0].sent]
            talk.hush()
            until(lambda: notes.of(Phase.RESPONSE))
            gevent.sleep(0.3)  # the script would go on at once
            assert talk.waits(perf_counter()) == ([], [])
            talk.cut()
            session.join(SOON)
        assert notes.endings == [Ending.CUT_OFF]
        assert notes.counts[Count.TURNS_SENT] == notes.counts[Count.TURNS_ANSWERED] == 1
        assert notes.waits == []

    def test_while_the_app_shuts_down_says_goodbye_no_second_time(self, tmp_path: Path) -> None:
        """The old process has closed its socket, the new one has none yet."""

        class CutInARestart(Notes):
            def count(self, key: str, n: int = 1, since: float | None = None) -> None:
                super().count(key, n, since)
                if key == "sessions.cold_resumes":
                    gevent.spawn(session.kill)  # as soon as it waits for the server's close

        notes = CutInARestart()
        with simulator(tmp_path) as server:
            life = driver(server.url, Script("Where is my order?"), notes, restarts=1)
            session = gevent.spawn(life.run, perf_counter())
            session.join(SOON)
            truth = server.stop()
        assert isinstance(session.value, gevent.GreenletExit), session.exception
        assert notes.endings == [Ending.CUT_OFF]
        assert not notes.failures
        assert len(truth.of("socket_open")) == len(truth.of("socket_close", client_code=1000)) == 1

    @pytest.mark.parametrize(
        "waits_in", [(Link, "send"), (Tab, "finish")], ids=["while it writes", "behind its tab"]
    )
    def test_twice_at_whatever_point_it_waits_ends_it_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits_in: tuple[type, str]
    ) -> None:
        """Each message has one end, and so has the session."""
        notes, waiting = Notes(), gevent.event.Event()

        def wait(*_: Any, **__: Any) -> None:
            waiting.set()
            gevent.sleep(SOON)

        with simulator(tmp_path, "agent.first_response=30s") as server:
            life = driver(server.url, Script("Where is my order?"), notes, tabs=1)
            session = gevent.spawn(life.run, perf_counter())
            until(lambda: notes.of(Phase.ECHO))
            monkeypatch.setattr(*waits_in, wait)
            session.kill(block=False)
            assert waiting.wait(SOON)
            session.kill(timeout=SOON)
            monkeypatch.undo()
            for tab in life._tabs:
                if tab._greenlet is not None:
                    tab.finish(0, ended=False)
        assert (notes.started, notes.endings) == (1, [Ending.CUT_OFF])
        assert notes.counts[Count.TURNS_SENT] == notes.counts[Count.TURNS_OPEN] == 1
        assert [(phase, lost) for phase, _, lost in notes.waits] == [(Phase.RESPONSE, False)]

    def test_before_there_is_a_session_is_neither_failure_nor_completion(self) -> None:
        notes = Notes()
        with gevent.socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            session = gevent.spawn(driver(url, Script(), notes).run, perf_counter())
            until(lambda: notes.started)
            session.kill(timeout=SOON)
        assert notes.endings == [Ending.CUT_OFF]
        assert not notes.failures


def test_a_refused_token_is_a_failed_session(tmp_path: Path) -> None:
    with simulator(tmp_path, "connector_has_host_domain=false") as server:
        notes = live(server, Script())
    assert notes.endings == [Ending.FAILED]
    assert notes.failures == [Failure.HTTP_CLIENT_ERROR]
    assert [(phase, lost) for phase, _, lost in notes.waits] == [(Phase.TOKEN, True)]
    assert notes.counts["refused.401"] == 1
    (origin,) = notes.origins
    assert origin.session == ""
    assert uuid.UUID(origin.correlation_id)  # as it was sent: the server has no word for it


def test_a_token_that_grew_too_old_while_the_session_waited_is_replaced() -> None:
    """A server that refuses it with 401 is asked again, once, with a fresh one."""
    asked: list[str] = []

    def token(exp: float) -> str:
        claims = base64.urlsafe_b64encode(json.dumps({"exp": exp}).encode()).decode().rstrip("=")
        return f"e30.{claims}.c2ln"

    old, fresh = token(time() - 1), token(time() + 3600)
    answers = [
        (200, {"access_token": old}),
        (401, {"message": "Invalid access token"}),
        (200, {"access_token": fresh}),
        (200, {"session_id": "here"}),
        (404, {"message": "session not found"}),
    ]

    def serve(sock: Any, address: object) -> None:
        reader = sock.makefile("rb")
        while line := reader.readline().decode():
            words = line
            while (line := reader.readline().decode()) not in ("\r\n", ""):
                words += line
                if line.lower().startswith("content-length:"):
                    size = int(line.split(":")[1])
            asked.append(words)
            if words.startswith("POST"):
                reader.read(size)
            status, content = answers[len(asked) - 1]
            body = json.dumps(content)
            head = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(body)}\r\n"
            head += "X-PolyAI-Correlation-Id: call-9\r\n\r\n"
            sock.sendall((head + body).encode())

    server = gevent.server.StreamServer(("127.0.0.1", 0), serve)
    server.start()
    notes = Notes()
    try:
        with gevent.Timeout(SOON):
            driver(f"http://127.0.0.1:{server.server_port}", Script(), notes).run(perf_counter())
    finally:
        server.stop()
    calls = [words.split()[1].split("?")[0] for words in asked]
    assert calls == [
        "/api/v1/access-token",
        "/api/v1/sessions",
        "/api/v1/access-token",
        "/api/v1/sessions",
        "/ws",
    ]
    assert f"Bearer {old}" in asked[1]
    assert f"Bearer {fresh}" in asked[3]
    assert fresh in asked[4]
    assert notes.failures == [Failure.SESSION_LOST]  # the 404, of a token that is good
    assert notes.origins == [Origin("", "here", "call-9")]


def test_an_answer_that_comes_after_patience_answers_nothing(tmp_path: Path) -> None:
    notes = Notes()
    with simulator(tmp_path, "agent.first_response=400ms") as server:
        person = Script("Where is my order?", None, typing=0.3)
        with gevent.Timeout(SOON):
            driver(server.url, person, notes, patience=0.2).run(perf_counter())
    assert notes.endings == [Ending.USER_END]
    assert notes.failures == [Failure.UNANSWERED]
    assert notes.counts[Count.TURNS_LOST] == 1
    assert notes.counts[Count.TURNS_ANSWERED] == 0
    assert notes.counts["events.late_answer"] == 1
    assert not notes.violations
    assert not notes.of(Phase.RESPONSE)
