"""Two independent books of one run, the client's and the server's, agree to the event."""

import json
import signal
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fleet import FLAKY, GONE, HUMAN, IDLE, RESUMING, STREAMED, WHOLE, drive, profile
from processes import SECRETS, as_run, started, summary, timeline
from processes import simulator as simulator_process
from simulator_client import HOST, TOKEN, simulator

from loadkit.figures import State
from loadkit.profile.profile import Profile

QUICK = (
    "agent.join=5ms",
    "agent.greeting=5ms",
    "agent.first_response={ kind = 'lognormal', median = '20ms' }",
    "agent.gap=2ms",
    "handoff.fail_first=1",
    "handoff.wait=50ms",
    "handoff.live_response=5ms",
    "handoff.queue_interval=10ms",
    "handoff.live_idle=1s",
    "heartbeat_interval_seconds=1",
    "idle_timeout_seconds=8",  # as long as a machine may stand still while all of them begin
    "close_timeout_seconds=3",
    "ended_session_linger_seconds=30",
)
USERS = 60  # through Locust
LATE = 2.0  # seconds that a busy machine may take to read what has come
CHAOS = {
    "classes": ["FlakyNetworkChat"],
    "per_minute": 0.0,
    "per_turn": 0.3,
    "at": {"join": 0.1, "between_turns": 0.1, "before_echo": 0.1, "mid_stream": 0.05},
    "how": {"close": 1.0, "fin": 1.0, "reset": 1.0, "half_open": 1.0, "stall": 1.0},
    "stall_for": 0.05,
}


class Books:
    """What both ends wrote down.

    Attributes:
        client: its counts by their keys; what was never counted is 0.
        slow: its slowest turns; none where it keeps none.
    """

    def __init__(
        self,
        client: dict[str, int],
        frames: dict[str, int],
        truth: Path,
        slow: Sequence[dict[str, Any]] = (),
    ) -> None:
        self.client, self.frames, self.slow = Counter(client), frames, slow
        self._server = defaultdict[str, list[dict[str, Any]]](list)
        for line in truth.read_text().splitlines():
            record = json.loads(line)
            self._server[record["kind"]].append(record)

    def server(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        return [each for each in self._server[kind] if fields.items() <= each.items()]

    def times(self, kind: str, field: str) -> Counter[Any]:
        """How often each value of a field was written."""
        return Counter(record[field] for record in self._server[kind])

    def messages(self) -> list[dict[str, Any]]:
        return self.server("turn") + self.server("live_turn")


WAYS = ("in this process", "through Locust")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Books]:
    """At once, as they mostly wait."""
    folders = [tmp_path_factory.mktemp("reconciliation") for _ in WAYS]
    with ThreadPoolExecutor() as pool:
        other = pool.submit(locust, folders[1])
        return dict(zip(WAYS, (fleet(folders[0]), other.result()), strict=True))


@pytest.fixture(params=WAYS)
def books(request: pytest.FixtureRequest, both: dict[str, Books]) -> Books:
    return both[request.param]


def fleet(folder: Path) -> Books:
    """Everybody to their own end; then some more, who are all cut off while their sockets are open.

    So nobody is between two sockets at the end, of whom the two books could know different things.
    """

    def plan(idle: float) -> Profile:
        return profile(
            chaos=CHAOS,
            # As long as a machine may stand still.
            conversation={"turns": {"min": 2, "max": 4}, "patience": 5.0},
            handoff={"on_failure": "retry"},
            idle={"duration": {"median": idle, "sigma": 0.0}},
            abandon={"silent": 0.5, "comes_back": 0.5, "away": {"median": 9000.0, "sigma": 0.0}},
        )

    session_kinds = [WHOLE] * 12 + [STREAMED] * 12 + [HUMAN] * 10 + [FLAKY] * 20
    session_kinds += [GONE] * 10 + [RESUMING] * 6
    # Whoever talks at this pace is gone before a second tab is opened, or just while it is.
    session_kinds += [IDLE] * 2 + [replace(IDLE, name="MultiTabChat", tabs=2)] * 6
    patient = [IDLE] * 4
    truth = folder / "truth"
    with simulator(*QUICK, truth=truth) as server:
        lived = drive(server.url, TOKEN, HOST, session_kinds, plan(12000.0))
        cut = drive(server.url, TOKEN, HOST, patient, plan(1e6), cut_off_once=State.READY)
    counts, frames = Counter(lived.counts), Counter(lived.frames)
    counts.update(cut.counts)
    frames.update(cut.frames)
    assert counts["sessions.started"] == len(session_kinds) + len(patient)
    assert counts["ended.cut_off"] == len(patient)
    assert counts["tabs.opened"] == 12, counts
    return Books(counts, frames, truth)


def locust(folder: Path) -> Books:
    """`conversation-mix` at twenty times the pace, each user with one session.

    It is stopped once the last of them is over: one that is being created, or is between two
    sockets, just when a run is stopped, is in one of the books only.
    """
    overrides = {
        "load.stages": f"[{{duration='2s', users={USERS}}}, {{duration='10m', users={USERS}}}]",
        "load.warmup": "0s",
        # Not over before its second tab is opened, after a second.
        "conversation.turns": "{ min = 4, max = 6 }",
        "idle.duration": "{ median = '1m', sigma = 0.0 }",
        "abandon.away": "{ median = '15s', sigma = 0.0 }",
        "conversation.time_scale": "0.05",
        "conversation.pause": "10h",
        "mix.FlakyNetworkChat": "25",
        "mix.AbandoningChat": "15",
        **{f"chaos.{key}": _toml(value) for key, value in CHAOS.items()},
    }
    with simulator_process(folder, *QUICK) as server:
        command = as_run("conversation-mix", server.url, folder / "out")
        for key, value in overrides.items():
            command += ["--set", f"{key}={value}"]
        with started(command, folder, SECRETS) as process:
            process.wait_for(lambda: _all_is_over(server.truth), "over")
            # The worker has run since, and its clients have seen what the server did last.
            rows = len(timeline(folder / "out"))
            process.wait_for(lambda: len(timeline(folder / "out")) > rows + 2, "told")
            process.send(signal.SIGTERM)
            ended = process.finish()
        server.stop()
        told = summary(folder / "out")
    assert told["sessions"]["started"] == USERS, ended.output
    assert told["sessions"]["ended"]["cut_off"] == 0
    client = dict(told["counts"])
    client |= {f"ended.{key}": count for key, count in told["sessions"]["ended"].items()}
    for table in ("turns", "disconnects", "errors", "violations"):
        client |= {f"{table}.{key}": count for key, count in told[table].items()}
    client |= {f"reached.{step}": n for step, n in told["sessions"]["reached"].items()}
    client["sessions.started"] = told["sessions"]["started"]
    (kept,) = (folder / "out").glob("*/slow_turns.jsonl")
    slow = [json.loads(line) for line in kept.read_text().splitlines()]
    return Books(client, told["frames"], server.truth, slow)


def _all_is_over(truth: Path) -> bool:
    """Every session has ended, and every socket is closed, as the server knows it so far."""
    lines = truth.read_text().splitlines(keepends=True)
    kinds = Counter(json.loads(line)["kind"] for line in lines if line.endswith("\n"))
    sockets = kinds["socket_open"], kinds["socket_close"]
    return kinds["session"] == kinds["session_end"] == USERS and len({*sockets}) == 1


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {each}" for key, each in value.items()) + " }"
    return json.dumps(value)


def test_nobody_broke_the_protocol(books: Books) -> None:
    assert not {key: n for key, n in books.client.items() if n and key.startswith("violations")}


def test_the_sessions_that_began(books: Books) -> None:
    assert books.client["sessions.started"] == len(books.server("session"))
    assert (
        len(books.server("session_end") + books.server("session_cut"))
        == (books.client["sessions.started"])
    )


def test_how_far_the_sessions_got(books: Books) -> None:
    """Each once, however often it came back: its first socket, greeting and answer."""
    sockets = {each["session_id"] for each in books.server("socket_open")}
    answered = {each["session_id"] for each in books.messages() if each["outcome"] == "answered"}
    client = books.client
    assert client["reached.token"] == client["reached.session"] == len(books.server("session"))
    assert client["reached.socket"] == len(sockets)
    assert client["reached.answer"] <= client["reached.greeting"] <= client["reached.socket"]
    gone = client["ended.abandoned"] + client["ended.cut_off"]
    assert len(answered) - gone <= client["reached.answer"] <= len(answered)


def test_the_slowest_turns(books: Books) -> None:
    """Each is the turn that it says, and took no less than the server took for it."""
    by_session = defaultdict[str, list[dict[str, Any]]](list)
    for each in sorted(books.messages(), key=lambda message: message["received"]):
        by_session[each["session_id"]].append(each)
    held = 0
    for turn in books.slow:
        messages = by_session[turn["session"]]
        if turn["user_class"] not in ("CompleteChat", "StreamingChat"):
            continue  # a message that a broken socket swallowed is not in the server's book
        truth = messages[turn["number"] - 1]
        events = [event for event in truth["events"] if event["sockets"]]
        thinking = [e["at"] for e in events if e["type"] == "POLY_AGENT_THINKING"]
        chunks = [e["at"] for e in events if e["type"] == "POLY_AGENT_MESSAGE_CHUNK"]
        begin, took = truth["received"], events[-1]["at"] - truth["received"]
        # From when it was sent, which is earlier; the rest is the way there and back.
        assert 1000 * took - 0.1 <= turn["took_ms"] < 1000 * (took + LATE)
        seen_chunks = turn.get("chunks_ms", [])
        assert len(seen_chunks) == len(chunks)
        truths, all_seen = [*thinking, *chunks[:1]], [turn["thinking_ms"], *seen_chunks[:1]]
        for at, seen in zip(truths, all_seen, strict=True):
            assert 1000 * (at - begin) - 0.1 <= seen < 1000 * (at - begin + LATE)
        held += 1
    assert held > 10 or not books.slow


def test_how_the_sessions_ended(books: Books) -> None:
    client, told = books.client, books.times("session_end", "reason")
    assert min(client[f"ended.{kind}"] for kind in ("user_end", "natural_end", "abandoned")) > 0
    assert client["ended.failed"] == client["ended.client_handoff"] == 0
    assert told["REASON_NATURAL_END"] == client["ended.natural_end"]
    # The server waits in vain for those who left without a word; whoever is cut off says goodbye.
    assert told["REASON_USER_ABANDONED"] == client["ended.abandoned"]
    assert told["REASON_USER_END"] == client["ended.user_end"] + client["ended.cut_off"]
    assert books.server("session_cut") == []


def test_the_messages(books: Books) -> None:
    client = books.client
    assert client["turns.resent"] == 0
    # A message that a broken socket swallowed is missing here and lost there.
    assert client["turns.sent"] - client["errors.unacknowledged"] == len(books.messages()) > 100
    assert client["turns.lost"] == client["errors.unacknowledged"]


def test_the_answers(books: Books) -> None:
    client = books.client
    # Asking for a person is answered by the hand-off.
    answered = [each for each in books.messages() if each["outcome"] in ("answered", "handoff")]
    unheard = len(answered) - client["turns.answered"]
    # One that came when nobody was there any more: who is gone, or was cut off, hears no more.
    assert 0 <= unheard <= client["ended.abandoned"] + client["ended.cut_off"]
    assert client["turns.answered_twice"] == 0


def test_the_hand_offs(books: Books) -> None:
    client, outcomes = books.client, books.times("handoff", "outcome")
    assert client["handoffs.triggered"] == len(books.server("handoff")) > 2
    assert client["handoffs.failed"] == outcomes["failed"]
    joined = [each for each in books.server("handoff") if each["joined"] is not None]
    assert client["handoffs.joined"] == len(joined) > 0


def test_the_disconnects_by_kind(books: Books) -> None:
    client, ends = books.client, books.server("socket_close")
    kinds = {kind: client[f"chaos.{kind}"] for kind in ("close", "fin", "reset", "half_open")}
    assert min(kinds.values()) > 0
    assert client["chaos.stall"] > 0
    assert client["disconnects.forced"] == sum(kinds.values())
    assert client["disconnects.unexpected"] == 0
    seen = Counter((end["how"], end["client_code"]) for end in ends)
    # Theirs, too, that met the server's own on the way, at the end of the session.
    codes = Counter(end["client_code"] for end in ends)
    assert codes[1001] + codes[4002] == kinds["close"]
    # A process that is shut down, or one that has only looked again at a session, says 1000.
    assert seen["close_frame", 1000] == (
        client["sessions.cold_resumes"] + client["came_back.still_alive"]
    )
    # The server itself closed none with another code, so the rest died without any: by FIN or by
    # reset before the session was over, or frozen and found out later.
    assert {end["server_code"] for end in ends} <= {None, 1000}
    cut = [end for end in ends if end["how"] in ("fin", "reset") and end["server_code"] is None]
    frozen = [end for end in ends if end["how"] == "half_open" or _frozen(end)]
    assert len(cut) + len(frozen) == (
        kinds["fin"]
        + kinds["reset"]
        + kinds["half_open"]
        + client["vanished.fin"]
        + client["vanished.silent"]
    )
    assert len(cut) >= kinds["fin"] + kinds["reset"] + client["vanished.fin"]


def _frozen(end: dict[str, Any]) -> bool:
    """Closed by the server at the session's end, and never answered."""
    return bool(end["server_code"] == 1000 and end["client_code"] is None)


def test_the_sockets(books: Books) -> None:
    client = books.client
    # One a session, one more for every process, tab and look back, and one for every comeback.
    looks = [key for key in client if key.startswith("came_back.") and "refused" not in key]
    expected = client["sessions.started"] + client["sessions.cold_resumes"]
    expected += client["tabs.opened"] + sum(client[key] for key in looks)
    opened = len(books.server("socket_open"))
    assert opened == len(books.server("socket_close"))
    assert opened == expected + client["disconnects.forced"]


def test_the_numbered_events(books: Books) -> None:
    client = books.client
    assert client["disconnects.events_lost"] == client["disconnects.events_duplicated"] == 0
    # No client has seen a gap, so whoever saw the end saw as many as the server has written.
    for end in books.server("session_end"):
        assert end["sequence"] == end["journaled"]


def test_the_frames(books: Books) -> None:
    ends = books.server("socket_close")
    closes = sum(end["client_code"] is not None for end in ends)
    heard = sum(end["received"] for end in ends)
    swallowed = books.frames["sent"] - heard - closes
    # What was written into a socket just before it was cut may never have been read.
    assert 0 <= swallowed <= books.client["chaos.reset"] + books.client["ended.cut_off"]
    assert books.frames["received"] <= sum(end["sent"] for end in ends) + len(ends)
