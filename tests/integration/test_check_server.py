"""`loadkit check-server`: a sound server is told as such, and a wrong one by the row it fails."""

import json
import os
import signal
import subprocess
import threading
import time
from functools import partial
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from checked_server import Server
from processes import HOST, LOADKIT, SECRETS, TOKEN
from simulator_client import simulator

from loadkit import cli
from loadkit.check_server import waits
from loadkit.check_server.checkup import check_server
from loadkit.check_server.sockets import MADE_UP_TOKEN
from loadkit.check_server.table import CHECKS, CheckRow, CheckVerdict
from loadkit.net.websocket.link import Link
from loadkit.security.credentials import Credentials
from loadkit.simulator import ConnectorCredentials as Known
from tests.hostile.peer import Wire, answer, grant, peer
from tests.rfc6455 import PING, PONG, frame

ABSENT = {"handoff", "handed_over"}  # unless they are asked for

WRONG = {
    "no JWT": {"token"},
    "any connector": {"wrong_connector"},
    "any token": {"wrong_token"},
    "no sessions": {"create", "create_streaming", "wrong_token"},
    "history without a batch": {"history"},
    "capabilities as texts": {"capabilities"},
    "an event without an id": {"frames"},
    "a type of its own": {"frames"},
    "numbers that stand still": {"sequence"},
    "no numbers": {"sequence"},
    "heartbeats unanswered": {"heartbeat"},
    "one socket": {"second_socket"},
    "another close back": {"close_code"},
    "bad events unanswered": {"bad_event"},
    "closes at bad events": {"bad_event"},
    "join unechoed": {"join_echo"},
    "no agent": {"joined"},
    "no greeting": {"greeting"},
    "typing echoed": {"typing"},
    "no local_id": {"echo"},
    "another text back": {"echo"},
    "always streams": {"answer"},
    "chunks from 0": {"streamed_answer"},
    "cursor ignored": {"resume"},
    "replay without its first": {"resume", "resume_bare"},
    "a close ends it": {"cold"},
    "end unechoed": {"end_echo"},
    "another reason": {"session_end"},
    "nested": {"session_end"},
    "another close code": {"closed"},
    "speaks after the end": {"closed"},
    "stays open": {"closed"},
    "lives on": {"ended"},
}
"""By the way of a server, the rows that are wrong: those, and no other."""

ALLOWED = {
    "": {},
    "nothing announced": {"capabilities": CheckVerdict.OK},
    "never streams": {"streamed_answer": CheckVerdict.DIFFERS},
    "greets twice": {"greeting": CheckVerdict.OK, "answer": CheckVerdict.OK},
    "follows up": {"answer": CheckVerdict.OK, "resume": CheckVerdict.OK},
    "receipts": {"frames": CheckVerdict.OK},
    "many events": {"resume": CheckVerdict.OK, "cold": CheckVerdict.OK},
    "surveys after the end": {"closed": CheckVerdict.OK},
    "thinks in secret": {"thinking": CheckVerdict.DIFFERS},
    "bare cursor unread": {"resume": CheckVerdict.OK, "resume_bare": CheckVerdict.DIFFERS},
    "socket limit": {"second_socket": CheckVerdict.DIFFERS},
    "replaces": {"second_socket": CheckVerdict.DIFFERS, "resume": CheckVerdict.OK},
    "shows an ended session": {"ended": CheckVerdict.DIFFERS},
    "ends by itself": {"answer": CheckVerdict.OK, "heartbeat": CheckVerdict.NOT_SEEN},
    "closes after an answer": {"answer": CheckVerdict.OK, "heartbeat": CheckVerdict.NOT_SEEN},
    "high load": {
        "joined": CheckVerdict.NOT_SEEN,
        "heartbeat": CheckVerdict.OK,
        "closed": CheckVerdict.OK,
    },
    "agent error": {"answer": CheckVerdict.NOT_SEEN, "resume": CheckVerdict.OK},
}
"""By the way of a server that is right, what some rows come to; none is wrong."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not come is waited for less long than people's agents need."""
    for name in ("AGENT", "ECHO", "LEAVES"):
        monkeypatch.setattr(waits, name, 1.0)
    monkeypatch.setattr(waits, "SETTLES", 0.1)


def rows(way: str) -> list[CheckRow]:
    with peer(**Server(way).scripts) as server:
        return check_server(server.url, Credentials(TOKEN, HOST), lambda _: None)


def verdicts(found: list[CheckRow]) -> dict[str, CheckVerdict]:
    assert [row.key for row in found] == list(CHECKS)
    return {row.key: row.verdict for row in found}


def wrong(found: list[CheckRow]) -> dict[str, str]:
    return {row.key: row.came for row in found if row.verdict is CheckVerdict.WRONG}


@pytest.mark.parametrize("way", WRONG)
def test_a_wrong_server_is_told_by_just_the_row_it_is_wrong_in(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "SETTLES", 0.02)  # nothing of it comes late
    assert wrong(rows(way)).keys() == WRONG[way]


@pytest.mark.parametrize("way", ALLOWED)
def test_what_a_right_server_may_do_is_wrong_in_no_row(way: str) -> None:
    found = rows(way)
    assert wrong(found) == {}
    assert verdicts(found).items() >= ALLOWED[way].items()


def test_a_sound_server_is_ok_in_every_row_that_was_asked_for() -> None:
    found = verdicts(rows(""))
    assert {key for key, each in found.items() if each is not CheckVerdict.OK} == ABSENT


def test_what_was_not_come_to_says_why() -> None:
    came = {row.key: (row.verdict, row.came) for row in rows("no agent")}
    assert came["answer"] == (CheckVerdict.NOT_SEEN, "no agent had joined")


def test_the_simulator_is_ok_in_every_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hand-off included, by the command itself, which shows no secret."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    with simulator("handoff.wait=20ms", knows=Known(*SECRETS.values())) as there:
        words = ["check-server", "--host", there.url, "--handoff", "agent please"]
        assert cli.main(words) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[-1] == f"{len(CHECKS)} ok"
    assert SECRETS["POLY_CONNECTOR_TOKEN"] not in told


def test_a_wrong_server_is_exit_code_1_and_its_words_are_data(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    with peer(**Server("another reason").scripts) as server:
        assert cli.main(["check-server", "--host", server.url]) == 1
    assert "REASON_BORED" in capsys.readouterr().out


def test_as_json_it_is_one_object_with_every_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And where the server is goes elsewhere."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    with peer(**Server("another reason").scripts) as server:
        assert cli.main(["check-server", "--json", "--host", server.url]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told.keys() == {"schema", "target", "exit_code", "counts", "checks"}
    assert (told["schema"], told["target"]) == ("loadkit.check/1", server.url)
    assert told["exit_code"] == told["counts"]["wrong"] == 1
    assert sum(told["counts"].values()) == len(CHECKS)
    assert [(row["key"], row["part"], row["tried"], row["expected"]) for row in told["checks"]] == [
        (key, *check) for key, check in CHECKS.items()
    ]
    (row,) = [row for row in told["checks"] if row["verdict"] == "wrong"]
    assert row["key"] == "session_end"
    assert "REASON_BORED" in row["came"]


@pytest.mark.parametrize("speaks", [True, False])
def test_ctrl_c_ends_it_with_130_and_one_line(speaks: bool) -> None:
    """At once, be it in a session, which is ended, or while nothing has come so far."""
    heard: list[str] = []
    reached, left = threading.Event(), threading.Event()

    def upgrade(wire: Wire) -> None:
        if "session_id=" in wire.request and MADE_UP_TOKEN in wire.request:
            wire.send(answer(401))
            return
        wire.upgrade(frame(PING, b"there?"))
        assert wire.read_frame() == (PONG, b"there?")  # it has read that it is in
        reached.set()
        heard.append(wire.read_event()["type"])
        left.set()
        wire.silence()

    def token(wire: Wire) -> None:
        if speaks:
            grant(wire)
        else:
            reached.set()
            wire.silence()

    with peer(token=token, upgrade=upgrade) as server:
        started = subprocess.Popen(
            [LOADKIT, "check-server", "--host", server.url],
            env=os.environ | SECRETS,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Whoever is started in the background of a script is deaf to it from birth.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        assert reached.wait(60)
        while psutil.Process(started.pid).status() != psutil.STATUS_SLEEPING:
            time.sleep(0.001)  # in the midst of a write, nothing more could be said
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=60)
        assert left.wait(10 * speaks) == speaks  # what it wrote is read by a thread of its own
    assert (started.returncode, out, err) == (130, "", "stopped by Ctrl-C\n")
    assert heard == ["EVENT_TYPE_USER_END_SESSION"] * speaks


@pytest.mark.parametrize(
    ("number", "is_open"),
    [(1, False), (2, True), (3, True), (4, False), (8, True)],
    ids=["no socket yet", "its first", "a second one beside", "none between two", "come back"],
)
def test_ctrl_c_as_a_socket_opens_ends_the_session_too(
    number: int, is_open: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the instant in which the server has it and the check does not, or has let go of another.

    Args:
        number: of the socket, as a check of a sound server opens them.
        is_open: whether the server has it.
    """
    tries = 0

    def interrupted(*args: Any, **options: Any) -> Link:
        nonlocal tries
        tries += 1
        if tries != number:
            return Link.open(*args, **options)
        if is_open:
            Link.open(*args, **options).drop()
        raise KeyboardInterrupt

    monkeypatch.setattr("loadkit.check_server.visit.Link", SimpleNamespace(open=interrupted))
    sound = Server()
    with peer(**sound.scripts) as server:
        with pytest.raises(KeyboardInterrupt):
            check_server(server.url, Credentials(TOKEN, HOST), lambda _: None)
        # What the server reads, it reads by a thread of its own.
        reached = time.monotonic() + 30
        while not all(talk.over for talk in sound.talks.values()) and time.monotonic() < reached:
            time.sleep(0.01)
    assert [talk.over for talk in sound.talks.values()] == [True] * (1 if number < 7 else 2)
    assert tries <= number + 1


def test_a_server_that_refuses_us_is_no_table_and_exit_code_4(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("POLY_CONNECTOR_TOKEN", "another-connector-token")
    with peer(**Server().scripts) as server:
        assert cli.main(["check-server", "--host", server.url]) == 4
    told = capsys.readouterr()
    assert "Connector token does not exist" in told.err
    assert told.out == ""


def test_a_check_is_over_in_time_whatever_does_not_come() -> None:
    """The rows that there was no time for are told as such."""
    with peer(**Server("no agent").scripts) as server:
        credentials = Credentials(TOKEN, HOST)
        found = check_server(server.url, credentials, lambda _: None, limit=0.5)
    told = {row.key: (row.verdict, row.came) for row in found}
    assert told["joined"] == told["closed"] == (CheckVerdict.NOT_SEEN, "no time was left")


@pytest.mark.parametrize(
    ("words", "secrets"),
    [
        (["--host", "https://messaging.us-1.poly.ai"], SECRETS),
        (["--host", "ftp://127.0.0.1"], SECRETS),
        (["--host", "http://127.0.0.1:9"], {}),
        (["--host", "http://127.0.0.1:9", "--ca", "none.pem"], SECRETS),
    ],
)
def test_what_nobody_permitted_or_makes_no_sense_is_exit_code_2(
    words: list[str], secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is sent."""
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["check-server", *words]) == 2
