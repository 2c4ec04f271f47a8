"""Each fault alone, before a client that counts everything: its own flaw, and nothing else."""

from pathlib import Path

import orjson
import pytest

from loadkit.simulator.app.truth_log import TruthLog
from loadkit.simulator.clock import Clock
from loadkit.simulator.faults.dials import FaultDials
from loadkit.simulator.faults.dice import Faults, rates
from loadkit.simulator.session.session import ServerSession

from .checker import Checker
from .doubles import END, HEARTBEAT, JOIN, Ear, HandClock, World, says

TURNS = 12
NOISE = {
    "language_changed": "LANGUAGE_CHANGED",
    "idle_warning": "SESSION_IDLE_WARNING",
    "receipts": "USER_RECEIVED_MESSAGE",
}
STREAMED = (
    "wrong_chunk_index",
    "repeated_chunk_index",
    "chunk_after_complete",
    "whole_beside_chunks",
)
ANSWER = ("missing_answer", "message_id_reused", "unprompted_message")
EVENT = (
    "duplicate_event",
    "reordered_event",
    "sequence_gap",
    "sequence_not_rising",
    "malformed_json",
    "malformed_envelope",
    "unknown_type",
    "binary_frame",
)
MESSAGE = ("missing_echo", "altered_echo", "high_load")
SESSION = ("event_before_start", "event_after_end", "wrong_close_code", "second_greeting")
RESUME = ("replay_before_cursor", "event_lost_on_resume")
BREAKING = ("reset", "half_open", "mid_stream_drop")
HANDOFF = ("bot_after_left", "handoff_out_of_order")
ELSEWHERE = {
    "token_500",
    "session_500",
    "server_error",
    "rate_limited",
    "refused_upgrade",
    "slow_upgrade",
    "slow_upgrade_delay",
    "silent_drop",
    "conversation_not_found",
    "unasked_streaming",
    "heartbeat_not_echoed",
}


class Visit:
    """A client that lives a whole session, coming back whenever its socket is broken."""

    def __init__(self, folder: Path, *dials: str, streaming: bool = False) -> None:
        self._path = folder / "truth.jsonl"
        self.world = World("seed=3", *dials, truth=self._path)
        self.session: ServerSession = self.world.session(streaming=streaming)
        self.checker = Checker(streaming=streaming)
        self._heard = 0
        self.ear = self.world.connect(self.session)

    def join(self) -> None:
        self.checker.asks()
        self.session.hear(self.ear, JOIN)
        self.wait(10)

    def say(self, text: str) -> None:
        self.checker.asks(text)
        self.session.hear(self.ear, says(text, local_id=text))
        self.wait(20)

    def talk(self) -> None:
        self.join()
        for number in range(TURNS):
            self.say(f"question {number}")

    def wait(self, seconds: float) -> None:
        """Let time pass; if the socket breaks meanwhile, come back a second later."""
        end = self.world.clock.now() + seconds
        while self.world.clock.now() < end:
            self.world.clock.advance(0.25)
            self.checker.listen(self.ear, resumed_at=self._heard)
            if self.ear.broken is not None:
                self.world.clock.advance(1)
                self.come_back()

    def come_back(self) -> None:
        self.checker.listen(self.ear, resumed_at=self._heard)
        self.session.detach(self.ear)
        self._heard = self.checker.cursor
        self.ear = self.world.connect(self.session, self._heard)

    def leave(self) -> dict[str, int]:
        """End the session and say what was wrong with it."""
        self.session.hear(self.ear, END)
        self.checker.listen(self.ear, resumed_at=self._heard)
        self.checker.closed(self.ear.closed)
        self.world.truth.close()
        return self.checker.sum_up()

    def told(self, fault: str) -> int:
        """How often the truth log says that it happened, and that nothing else did."""
        records = [orjson.loads(line) for line in self._path.read_bytes().splitlines()]
        faults = [record for record in records if record["kind"] == "fault"]
        assert {each["fault"] for each in faults} <= {fault}
        assert {each["session_id"] for each in faults} <= {self.session.id}
        assert all(each["at"] >= 100 for each in faults)
        return len(faults)


@pytest.mark.parametrize("streaming", [False, True])
def test_without_faults_a_checking_client_finds_nothing(tmp_path: Path, streaming: bool) -> None:
    visit = Visit(tmp_path, streaming=streaming)
    visit.talk()
    visit.checker.beats()
    visit.session.hear(visit.ear, HEARTBEAT)
    visit.come_back()
    assert visit.leave() == {}
    assert visit.checker.answers == TURNS + 1
    assert visit.told("none") == 0


@pytest.mark.parametrize("rate", [1, 0.4])
@pytest.mark.parametrize(
    ("fault", "streaming"),
    [(fault, streaming) for fault in (*ANSWER, *EVENT, *MESSAGE) for streaming in (False, True)]
    + [(fault, True) for fault in STREAMED]
    + [("unasked_streaming", False)],
)
def test_a_flaw_is_found_as_often_as_the_truth_tells_and_nothing_else_is(
    tmp_path: Path, fault: str, streaming: bool, rate: float
) -> None:
    visit = Visit(tmp_path, f"faults.{fault}={rate}", streaming=streaming)
    visit.talk()
    flaws = visit.leave()
    told = visit.told(fault)
    assert flaws == {fault: told}
    assert told > 0
    if fault not in EVENT:
        assert told == TURNS if rate == 1 else 0 < told < TURNS


@pytest.mark.parametrize("fault", NOISE)
def test_events_that_mean_nothing_are_no_flaw(tmp_path: Path, fault: str) -> None:
    visit = Visit(tmp_path, f"faults.{fault}=1")
    visit.talk()
    assert visit.leave() == {}
    assert visit.checker.tolerated == {NOISE[fault]: TURNS}
    assert visit.told(fault) == TURNS


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("fault", SESSION)
def test_a_session_begins_or_ends_wrongly_just_once(
    tmp_path: Path, fault: str, streaming: bool
) -> None:
    visit = Visit(tmp_path, f"faults.{fault}=1", streaming=streaming)
    visit.talk()
    visit.come_back()
    assert visit.leave() == {fault: 1}
    assert visit.told(fault) == 1


@pytest.mark.parametrize("fault", RESUME)
def test_a_replay_is_flawed_once_a_resume(tmp_path: Path, fault: str) -> None:
    visit = Visit(tmp_path, f"faults.{fault}=1", streaming=True)
    visit.talk()
    for _ in range(3):
        visit.session.hear(visit.ear, says("anyone?"))
        visit.checker.asks("anyone?")
        visit.come_back()
        visit.wait(10)
    assert visit.leave() == {fault: 3}
    assert visit.told(fault) == 3


def test_what_is_lost_on_one_resume_is_not_lost_on_the_sockets_that_stayed() -> None:
    world = World("faults.event_lost_on_resume=1")
    session, ear = world.greeted()
    world.connect(session, 3)
    sequences = [event["sequence"] for event in ear.events if event["sequence"]]
    assert sequences == list(range(1, len(sequences) + 1))


@pytest.mark.parametrize("fault", RESUME)
def test_no_replay_goes_on_behind_the_end(fault: str) -> None:
    """That would be a fault of another kind."""
    world = World(f"faults.{fault}=1")
    session, ear = world.greeted()
    session.hear(ear, END)
    back = world.connect(session, 3)
    assert back.events[0]["sequence"] == 4
    assert back.types[-1] == "SESSION_END"


@pytest.mark.parametrize("fault", BREAKING)
def test_a_broken_socket_resumes_without_a_trace(tmp_path: Path, fault: str) -> None:
    visit = Visit(tmp_path, f"faults.{fault}=0.5", streaming=True)
    visit.talk()
    assert visit.leave() == {}
    assert 0 < visit.told(fault) < TURNS
    assert visit.checker.answers == TURNS + 1


def test_a_socket_that_breaks_in_mid_stream_has_heard_a_part_of_the_reply() -> None:
    world = World("faults.mid_stream_drop=1")
    session, ear = world.greeted(streaming=True)
    session.hear(ear, says("question"))
    world.clock.advance(20)
    assert ear.types[-1] == "POLY_AGENT_MESSAGE_CHUNK"
    assert not ear.events[-1]["payload"]["is_complete"]
    assert ear.broken == "cut"


@pytest.mark.parametrize(("fault", "how"), [("reset", "reset"), ("half_open", "half_open")])
def test_only_the_socket_that_spoke_is_broken(fault: str, how: str) -> None:
    world = World(f"faults.{fault}=1")
    session, ear = world.greeted()
    other = world.connect(session)
    session.hear(ear, says("question"))
    world.clock.advance(20)
    assert (ear.broken, other.broken) == (how, None)
    assert ear.types[-1] == "USER_MESSAGE"
    assert other.types[-1] == "POLY_AGENT_MESSAGE"
    assert session.connections == 1


def test_a_session_that_ended_behind_a_broken_socket_is_kept_until_the_client_was_back() -> None:
    world = World("faults.reset=1")
    session, ear = world.greeted()
    session.hear(ear, says("end the convo"))
    world.clock.advance(20)
    assert world.registry.find(session.id) is session
    later = world.connect(session, 4)
    assert later.types[-1] == "SESSION_END"
    assert later.closed == 1000
    world.clock.advance(600)
    assert world.registry.find(session.id) is None


def test_a_message_that_is_silently_dropped_is_heard_when_it_is_sent_again(tmp_path: Path) -> None:
    visit = Visit(tmp_path, "faults.silent_drop=0.5")
    visit.join()
    for number in range(TURNS):
        before = len(visit.ear.events)
        visit.checker.asks(f"question {number}")
        while len(visit.ear.events) == before:
            visit.session.hear(visit.ear, says(f"question {number}"))
            visit.wait(5)
    assert visit.leave() == {}
    assert visit.told("silent_drop") > 0


def test_a_conversation_that_is_not_found_is_found_after_another_join(tmp_path: Path) -> None:
    visit = Visit(tmp_path, "faults.conversation_not_found=0.4")
    visit.join()
    for number in range(TURNS):
        visit.say(f"question {number}")
        if visit.ear.types[-1] == "SYSTEM_MESSAGE":
            assert visit.ear.events[-1]["metadata"]["custom"]["local_id"] == f"question {number}"
            visit.join()
    flaws = visit.leave()
    told = visit.told("conversation_not_found")
    assert flaws == {"conversation_not_found": told}
    assert 0 < told < TURNS


def test_a_heartbeat_that_is_not_echoed_is_still_a_sign_of_life(tmp_path: Path) -> None:
    visit = Visit(tmp_path, "faults.heartbeat_not_echoed=1", "idle_timeout_seconds=20")
    for _ in range(5):
        visit.wait(15)
        visit.checker.beats()
        visit.session.hear(visit.ear, HEARTBEAT)
    assert visit.leave() == {"heartbeat_not_echoed": 5}
    assert visit.told("heartbeat_not_echoed") == 5


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("fault", HANDOFF)
def test_a_hand_off_goes_wrong_once(tmp_path: Path, fault: str, seed: int, streaming: bool) -> None:
    visit = Visit(tmp_path, f"faults.{fault}=1", f"seed={seed}", streaming=streaming)
    visit.join()
    visit.say("agent please")
    visit.wait(60)
    assert visit.leave() == {fault: 1}
    assert visit.told(fault) == 1


def test_the_last_words_of_a_session_are_sound(tmp_path: Path) -> None:
    dials = [f"faults.{fault}=1" for fault in (*STREAMED, *ANSWER, "mid_stream_drop")]
    visit = Visit(tmp_path, *dials, streaming=True)
    visit.join()
    visit.say("end the convo")
    assert visit.leave() == {}
    assert visit.ear.closed == 1000


def test_nothing_bears_two_faults_of_a_kind(tmp_path: Path) -> None:
    world = World(*(f"faults.{fault}=1" for fault in EVENT), truth=tmp_path / "truth")
    world.greeted(streaming=True)
    world.truth.close()
    lines = (tmp_path / "truth").read_bytes().splitlines()
    assert {r["fault"] for r in map(orjson.loads, lines) if r["kind"] == "fault"} == {EVENT[0]}


def test_a_fault_changes_nothing_of_what_an_agent_says_and_when() -> None:
    def heard(*dials: str) -> list[tuple[str, float]]:
        world = World("agent.gap={kind='lognormal',median='1s'}", *dials)
        session, ear = world.greeted(streaming=True)
        told = []
        for number in range(5):
            session.hear(ear, says(f"question {number}"))
            for _ in range(300):
                world.clock.advance(0.1)
                new = [e for e in ear.events if e["type"].endswith("CHUNK")][len(told) :]
                told += [(event["payload"]["text"], world.clock.now()) for event in new]
        return told

    assert heard() == heard("faults.sequence_gap=0.5", "faults.idle_warning=0.5")


def test_every_fault_has_a_test_here_or_on_a_real_socket() -> None:
    tested = {*ANSWER, *EVENT, *MESSAGE, *STREAMED, *SESSION, *RESUME, *BREAKING, *HANDOFF, *NOISE}
    assert tested | ELSEWHERE == set(FaultDials.model_fields)


def test_rates_come_true() -> None:
    clock: Clock = HandClock()
    faults = Faults(rates(FaultDials(reset=0.2)), "seed", TruthLog(None), clock)
    struck = sum(faults.strikes("reset") for _ in range(5000))
    assert 900 < struck < 1100
    assert not any(faults.strikes("half_open") for _ in range(100))


def test_the_same_seed_draws_the_same_faults() -> None:
    def draws(seed: str) -> list[bool]:
        faults = Faults(rates(FaultDials(reset=0.5)), seed, TruthLog(None), HandClock())
        return [faults.strikes("reset") for _ in range(50)]

    assert draws("1/1") == draws("1/1") != draws("1/2")


def test_an_event_that_nobody_hears_bears_no_fault() -> None:
    world = World("faults.sequence_gap=1")
    session = world.session()
    ear: Ear = world.connect(session)
    session.hear(ear, JOIN)
    session.detach(ear)
    world.clock.advance(20)
    later = world.connect(session)
    assert [event["sequence"] for event in later.events] == [1, 3, 4, 5]
