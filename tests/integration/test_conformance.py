"""Every fault that a server can have is found as just that, and a correct server has none."""

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gevent
import pytest
from fleet import (
    FLAKY,
    HUMAN,
    IDLE,
    RESUMING,
    STREAMED,
    TABS,
    WHOLE,
    SessionKind,
    drive,
    profile,
    under,
)
from simulator_client import HOST, TOKEN, simulator

from loadkit.measure.interval import Interval
from loadkit.protocol.system_texts import family
from loadkit.simulator.faults.dials import FaultDials

FAST = (
    "agent.join=2ms",
    "agent.greeting=3ms",
    "agent.thinking=1ms",
    "agent.first_response=4ms",
    "agent.gap=1ms",
    "handoff.wait=20ms",
    "handoff.live_response=5ms",
    "handoff.queue_interval=5ms",
    "handoff.live_idle=300ms",
    "ended_session_linger_seconds=30",
)
TALKERS = [WHOLE] * 6 + [STREAMED] * 6 + [HUMAN] * 3
DROPS = {"per_minute": 0.0, "per_turn": 1.0, "how": {"reset": 1.0, "fin": 1.0}}

# The fault, the violations that it is found as, and what else it does to a session.
FOUND: dict[str, tuple[set[str], set[str]]] = {
    "token_500": (set(), set()),  # retried
    "session_500": (set(), set()),
    "server_error": (set(), set()),
    "rate_limited": (set(), set()),
    "refused_upgrade": (set(), {"upgrade_refused"}),
    "slow_upgrade": (set(), set()),
    "silent_drop": (set(), {"unacknowledged"}),
    "missing_echo": ({"echo_missing"}, set()),
    "altered_echo": ({"echo_altered"}, set()),
    "reset": (set(), set()),  # resumed
    "half_open": (set(), {"heartbeat_unanswered", "unanswered", "unacknowledged"}),
    "high_load": (set(), {"overloaded"}),
    "conversation_not_found": (set(), {"no_conversation"}),
    "language_changed": (set(), set()),
    "idle_warning": (set(), set()),
    "receipts": (set(), set()),
    "missing_answer": ({"thinking_without_answer"}, {"unanswered"}),
    "message_id_reused": ({"message_id_reused"}, set()),
    "unprompted_message": (set(), set()),  # a follow-up
    "unasked_streaming": ({"unasked_streaming"}, set()),
    "wrong_chunk_index": ({"chunk_index_gap"}, set()),
    "repeated_chunk_index": ({"chunk_index_repeated"}, set()),
    "chunk_after_complete": ({"chunk_after_complete"}, set()),
    "whole_beside_chunks": ({"whole_beside_chunks"}, set()),
    "mid_stream_drop": (set(), set()),
    "second_greeting": ({"second_greeting"}, set()),
    "duplicate_event": ({"event_repeated"}, set()),
    "reordered_event": ({"sequence_not_rising"}, set()),
    "sequence_gap": ({"sequence_gap"}, set()),
    "sequence_not_rising": ({"sequence_not_rising"}, set()),
    "malformed_json": ({"malformed_json"}, set()),
    "malformed_envelope": ({"malformed_envelope"}, set()),
    "unknown_type": ({"unknown_type"}, set()),
    "binary_frame": ({"binary_frame"}, set()),
    "event_before_start": ({"event_before_start"}, set()),
    "event_after_end": ({"event_after_end"}, set()),
    "wrong_close_code": ({"wrong_close_code"}, set()),
    "replay_before_cursor": ({"replay_before_cursor"}, set()),
    "event_lost_on_resume": ({"event_lost"}, set()),
    # two in a row, and nothing else heard: the socket is taken for half-open
    "heartbeat_not_echoed": ({"heartbeat_not_echoed"}, {"heartbeat_unanswered"}),
    "bot_after_left": ({"bot_after_left"}, set()),
    "handoff_out_of_order": ({"handoff_out_of_order", "queue_position_rose"}, set()),
}
# What is no violation, and counted.
COUNTED = {
    "language_changed": "language_changed",
    "idle_warning": "session_idle_warning",
    "receipts": "receipt",
    "unprompted_message": "follow_up",
}
RATES = {
    "mid_stream_drop": 0.3,
    "heartbeat_not_echoed": 0.1,
    "replay_before_cursor": 1.0,
    "event_lost_on_resume": 1.0,
    "bot_after_left": 0.7,
    "handoff_out_of_order": 0.7,
    "second_greeting": 0.4,
    "event_before_start": 0.4,
    "event_after_end": 0.4,
    "wrong_close_code": 0.4,
    "chunk_after_complete": 0.4,
    "whole_beside_chunks": 0.4,
}


AT_ONCE = 7  # fleets, each with a server of its own


def faults(truth: Path) -> Counter[str]:
    records = map(json.loads, truth.read_text().splitlines())
    return Counter(record["fault"] for record in records if record["kind"] == "fault")


def outcome(
    truth: Path, session_kinds: Sequence[SessionKind], *settings: str, **tables: Any
) -> Interval:
    with simulator(*FAST, *settings, truth=truth) as server:
        return drive(server.url, TOKEN, HOST, session_kinds, profile(**tables))


def test_each_dial_is_tried() -> None:
    assert set(FOUND) == set(FaultDials.model_fields) - {"slow_upgrade_delay"}


def tried(fault: str, truth: Path, stack: ExitStack) -> gevent.Greenlet:
    """Some sessions with a server that has this one fault, under way."""
    settings = [f"faults.{fault}={RATES.get(fault, 0.15)}", "faults.slow_upgrade_delay=300ms"]
    session_kinds, tables = list(TALKERS), dict[str, Any]()
    if fault in ("replay_before_cursor", "event_lost_on_resume"):
        session_kinds, tables = [FLAKY] * 12, {"chaos": DROPS}
    elif fault in ("bot_after_left", "handoff_out_of_order"):
        session_kinds = [HUMAN] * 12
        settings.append("optional_fields=0")  # a place that is not told is not seen to rise
    elif fault == "half_open":
        # An echo that a busy machine keeps back for a whole interval would count as missing.
        settings.append("heartbeat_interval_seconds=1")
    elif fault == "heartbeat_not_echoed":
        settings.append("heartbeat_interval_seconds=0.2")
        session_kinds = [IDLE] * 12
        tables = {"idle": {"duration": {"median": 4000.0, "sigma": 0.0}}}
    # Seconds until an answer counts as lost: a busy machine is no fault, and few have to wait.
    patience = {"patience": 3.0 if FOUND[fault][1] else 20.0}
    server = stack.enter_context(simulator(*FAST, *settings, truth=truth))
    plan = profile(conversation=patience, **tables)
    return gevent.spawn(drive, server.url, TOKEN, HOST, session_kinds, plan)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[gevent.Greenlet, Path]]:
    """By fault, what its sessions counted and the server's log: some at once, as they wait."""
    folder = tmp_path_factory.mktemp("faults")
    # An echo that is late by a fifth of a second is missing there: nobody is to keep it from that.
    alone = [fault for fault in FOUND if fault == "heartbeat_not_echoed"]
    others = [fault for fault in FOUND if fault not in alone]
    groups = [alone, *(others[at : at + AT_ONCE] for at in range(0, len(others), AT_ONCE))]
    outcomes = {}
    for group in groups:
        with ExitStack() as stack:
            for fault in group:
                outcomes[fault] = tried(fault, folder / fault, stack), folder / fault
            gevent.joinall([outcomes[fault][0] for fault in group])
    return outcomes


@pytest.mark.parametrize("fault", FOUND)
def test_a_fault_is_found_as_just_that_about_as_often(
    fault: str, found: dict[str, tuple[gevent.Greenlet, Path]]
) -> None:
    kinds, failures = FOUND[fault]
    outcome, truth = found[fault]
    interval: Interval = outcome.get()
    made, violations = faults(truth), under(interval, "violations")
    assert set(made) == {fault}, "the test would prove nothing"
    assert set(violations) <= kinds
    assert set(under(interval, "errors")) <= failures
    if fault == "heartbeat_not_echoed":
        violations["(half-open)"] = 2 * under(interval, "errors").get("heartbeat_unanswered", 0)
    if fault in COUNTED:
        kinds, violations = {COUNTED[fault]}, under(interval, "events")
        violations = {COUNTED[fault]: violations.get(COUNTED[fault], 0)}
    if kinds:
        # A fault may hit a socket that is gone, or come with the last event of a session.
        assert sum(violations.values()) == pytest.approx(made[fault], rel=0.25, abs=2)
        assert violations
    assert not set(under(interval, "ended")) - {"user_end", "natural_end"}


@pytest.mark.parametrize(
    "turns", [pytest.param(3, id="300"), pytest.param(104, id="10,000", marks=pytest.mark.slow)]
)
def test_a_correct_server_has_no_violation_in_so_many_turns(turns: int, tmp_path: Path) -> None:
    mix = [WHOLE] * 45 + [STREAMED] * 25 + [HUMAN] * 10 + [RESUMING] * 8 + [TABS] * 2
    interval = outcome(
        tmp_path / "truth.jsonl",
        mix + [FLAKY] * 10,
        "agent.chunks={ min = 2, max = 5 }",
        conversation={"turns": {"min": turns, "max": turns + 2}},
        chaos=DROPS | {"per_turn": 0.2},
    )
    assert interval.counts["turns.sent"] >= 95 * turns  # some end with a farewell before
    assert under(interval, "violations") == {}
    assert set(under(interval, "ended")) <= {"user_end", "natural_end"}
    disconnects = under(interval, "disconnects")
    assert disconnects["forced"] == disconnects["reconnected"] > 0.2 * turns


# All that a right server may do besides, at a rate. Sockets grow old as fast as people talk.
HABITS = (
    "agent.follow_up={ share = 0.3, delay = '2ms' }",
    "agent.nudge=20ms",
    "agent.end_conversation_rate=0.06",
    "agent.chunk_spaces=stripped",
    "agent.call_action_rate=0.05",
    "receipts=0.3",
    "survey=0.5",
    "end_without_event=0.9",
    "stream_error=0.05",
    "errors={ rate = 0.06, ends = 0.3 }",
    "handoff.fail_first=1",
    "max_connection_seconds=0.7",
    "ping_interval_seconds=0.2",
    "pong_timeout_seconds=30",
    "heartbeat_interval_seconds=1",
)
LONG_LIVED = ("agent.end_conversation_rate=0.01", "errors={ rate = 0.03, ends = 0.1 }")
FLEET = dict.fromkeys(("reference", "android", "ios", "web", "web-context"), 1.0)
EVERYBODY = (
    [WHOLE] * 8 + [STREAMED] * 8 + [HUMAN] * 6 + [FLAKY] * 3 + [RESUMING] * 3 + [TABS] * 2 + [IDLE]
)


NOTICED = 1.0  # seconds in which even a busy server sees that a client has given up a socket


def right_server(
    truth: Path, after: str, size: int, turns: int, within: float, *settings: str
) -> Interval:
    with simulator(*FAST, *HABITS, f"handoff.after={after}", *settings, truth=truth) as server:
        plan = profile(
            clients=FLEET,
            conversation={"turns": {"min": turns, "max": turns + 2}, "patience": 5.0},
            connection={"handshake": 4.0},  # as long a wait is there for a greeting after a human
            handoff={"on_failure": "retry"},
            chaos=DROPS | {"per_turn": 0.05},
            idle={"duration": {"median": 300.0, "sigma": 0.0}},
        )
        return drive(server.url, TOKEN, HOST, EVERYBODY * size, plan, within=within)


def assert_not_blamed(interval: Interval, truth: Path) -> None:
    counts = interval.counts
    assert under(interval, "violations") == {}
    assert set(under(interval, "ended")) == {"user_end", "natural_end"}
    errors, disconnects = under(interval, "errors"), under(interval, "disconnects")
    errors.pop("connect_timeout", 0)  # of a machine that is full
    # A client that does not send again loses what it says into a socket that is going.
    assert errors.pop("unacknowledged", 0) <= disconnects["unexpected"] + disconnects["forced"]
    assert disconnects["unexpected"] > 0
    records = [json.loads(line) for line in truth.read_text().splitlines()]
    # The text about it is in no replay: who cuts its own socket then waits for it in vain.
    assert errors.pop("unanswered", 0) <= disconnects["forced"]
    texts = Counter(
        family(event["text"])
        for record in records
        for event in record.get("events", ())
        if event["type"] == "SYSTEM_MESSAGE"
    )
    assert set(errors) == set(texts) >= {"agent_error", "session_error"}
    for kind, made in texts.items():
        assert errors[kind] == pytest.approx(made, rel=0.25, abs=2), kind
    said = sum(record["kind"] in ("follow_up", "nudge") for record in records)
    # A person who hangs up does not hear what crosses that.
    assert counts["events.follow_up"] == pytest.approx(said, rel=0.25)
    ends = [record for record in records if record["kind"] == "session_end"]
    surveys = sum(end["surveys"] for end in ends)
    assert 0.5 * surveys < counts["events.survey"]
    assert {end["sequence"] is None for end in ends} == {True, False}
    assert min(counts["events.receipt"], counts["events.survey"]) > 0


@pytest.mark.parametrize(("after", "count"), [("bot", "handed_back"), ("transfer", "transferred")])
def test_whatever_a_right_server_does_no_client_blames_it(
    after: str, count: str, tmp_path: Path
) -> None:
    truth = tmp_path / "truth.jsonl"
    interval = right_server(truth, after, size=2, turns=4, within=60.0)
    assert_not_blamed(interval, truth)
    assert interval.counts["turns.sent"] > 200
    assert interval.counts[f"handoffs.{count}"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("after", ["bot", "transfer"])
def test_no_client_blames_a_right_server_in_ten_thousand_turns(after: str, tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    interval = right_server(truth, after, 14, 48, 300.0, *LONG_LIVED)
    assert_not_blamed(interval, truth)
    assert interval.counts["turns.sent"] >= 10_000


# Faults that a client counts to the last one, whatever else goes on, and the share of what each
# befalls. Others are found less exactly beside follow-ups, errors and sockets that are replaced.
EXACT = {
    **dict.fromkeys(("altered_echo", "unasked_streaming", "wrong_chunk_index"), 0.01),
    **dict.fromkeys(("repeated_chunk_index", "chunk_after_complete", "whole_beside_chunks"), 0.01),
    **dict.fromkeys(("duplicate_event", "sequence_not_rising", "sequence_gap"), 0.002),
    **dict.fromkeys(("malformed_json", "malformed_envelope", "unknown_type"), 0.002),
    **dict.fromkeys(("second_greeting", "event_before_start"), 0.05),
    "bot_after_left": 0.1,
}


def to_be_found(truth: Path) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """By kind of violation, from the server's log: how many are sure, may be missed, come twice."""
    records = [json.loads(line) for line in truth.read_text().splitlines()]
    lost: dict[str, list[float]] = {}
    whole: Counter[str] = Counter()
    for record in records:
        if record["kind"] == "socket_close" and record["how"] != "server":
            lost.setdefault(record["session_id"], []).append(record["at"])
        elif record["kind"] == "socket_open" and not record["cursor"]:
            whole[record["session_id"]] += 1
    sure, missed, again = Counter[str](), Counter[str](), Counter[str]()
    for fault in (record for record in records if record["kind"] == "fault"):
        (kind,) = FOUND[fault["fault"]][0]
        session_id = fault["session_id"]
        # What is on its way to a socket that its client has given up is heard by nobody.
        gone = any(0 <= at - fault["at"] < NOTICED for at in lost.get(session_id, ()))
        (missed if gone else sure)[kind] += 1
        again[kind] += whole[session_id] - 1  # an app that starts anew, or another tab
    return sure, missed, again


@pytest.mark.slow
def test_in_ten_thousand_turns_violations_are_the_faults_that_were_made(tmp_path: Path) -> None:
    """All that a right server does, the whole mix and fleet, and besides these faults at a rate."""
    truth = tmp_path / "truth.jsonl"
    rates = [f"faults.{fault}={rate}" for fault, rate in EXACT.items()]
    interval = right_server(truth, "bot", 10, 48, 300.0, *LONG_LIVED, *rates)
    assert interval.counts["turns.sent"] >= 10_000
    found = under(interval, "violations")
    sure, missed, again = to_be_found(truth)
    rows = {kind: (sure[kind], missed[kind], again[kind], found.get(kind, 0)) for kind in sure}
    assert set(faults(truth)) == set(EXACT)
    # A number that is left out while a client is away looks to it like an event that is lost.
    assert found.pop("event_lost", 0) <= missed["sequence_gap"] + again["sequence_gap"]
    assert set(found) == set(sure), (rows, found, interval.counts["turns.sent"])
    for kind, (least, doubtful, twice, number) in rows.items():
        assert least <= number <= least + doubtful + twice, (kind, rows)
