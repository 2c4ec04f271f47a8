"""Whole conversations with the simulated service: a correct server breaks no rule on any path.

Both ends are the real ones, the clock is not, and there is no socket: thousands of turns a second.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import pytest

from loadkit.actions import Cue
from loadkit.chat.effects import YourTurn
from loadkit.chat.inputs import VANISHED, Leave, Say, Typing
from loadkit.chat.personas import Policy
from loadkit.figures import Phase

from .world import LATENCY, Act, Visit, World

VISITS = 10
SOON = (0.0, 0.005, 0.015, 0.1, 0.5)  # seconds: before, at and after what a message sets off
MOMENTS = (
    *("connect", "replay", "join", "between_turns"),
    *("before_echo", "mid_stream", "queue", "human"),
)


class Visitor:
    """A person who does what a path asks for, with the chances given."""

    def __init__(
        self,
        rng: Random,
        *,
        human: bool = False,
        double: float = 0.3,
        leaves: float = 0.0,
        vanishes: float = 0.0,
        ends: float = 0.0,
        restarts: float = 0.0,
    ) -> None:
        """
        Args:
            human: asks for one, now and then.
            double: says something more before the answer.
            leaves, vanishes: goes while an answer is owed.
            ends: says the words after which the agent ends the session.
            restarts: starts the app anew after an answer.
        """
        self.rng, self.human = rng, human
        self.double, self.leaves, self.vanishes = double, leaves, vanishes
        self.ends, self.restarts = ends, restarts
        self.turns, self.refused = rng.randint(2, 6), 0
        self.line, self.live = "", False

    def __call__(self, turn: YourTurn) -> Iterable[Act]:
        rng = self.rng
        if turn.cue is Cue.OVERLOADED and self.line:
            self.refused += 1
            return [(1.0, Say(self.line, 0.0) if self.refused < 4 else Leave(0.0))]
        self.refused = 0
        if turn.cue is Cue.HUMAN_JOINED and not self.live:
            self.live, self.turns = True, 2
        if self.turns == 0:
            return [] if self.live and rng.random() < 0.5 else [(rng.uniform(0, 2), Leave(0.0))]
        if turn.cue is Cue.ANSWERED and rng.random() < self.restarts:
            return [(0.0, "restart")]
        self.turns -= 1
        return self.speaks(rng.uniform(0.01, 4))

    def speaks(self, at: float) -> Iterable[Act]:
        rng = self.rng
        self.line = f"line {self.turns}"
        if self.human and not self.live and rng.random() < 0.4:
            self.line = "agent please"
        elif rng.random() < self.ends:
            self.line = "end the convo"
        acts: list[Act] = [(at / 2, Typing(True)), (at, Say(self.line, 0.0))]
        for chance, act in (
            (self.double, Say("and another thing", 0.0)),
            (self.leaves, Leave(0.0)),
            (self.vanishes, VANISHED),
        ):
            if rng.random() < chance:
                acts.append((at + rng.choice(SOON), act))
        return acts


class Outcome:
    """What became of the visits of one path."""

    def __init__(self) -> None:
        self.counts, self.violations = Counter[str](), Counter[str]()
        self.endings, self.failures = Counter[str](), Counter[str]()

    def add(self, visit: Visit) -> None:
        assert visit.finished is not None, (
            f"{visit.session.state} and {visit.session.connection.state} for ever"
        )
        assert visit.open == visit.counts["turns.open"] + len(visit.session.open_turns())
        self.counts += visit.counts
        self.violations += visit.violations
        self.failures += visit.failures
        self.endings[str(visit.ending)] += 1


def visits(
    *settings: str,
    number: int = VISITS,
    policy: Policy | None = None,
    cuts: Callable[[str], float] = lambda moment: 0.0,
    settle: float = LATENCY,
    **visitor: Any,
) -> Outcome:
    """Let people come one after the other, every second one with a streaming session."""
    outcome = Outcome()
    for seed in range(number):
        # A service of its own for each: what befalls one must not move the next one's dice.
        world, rng = World(*settings, seed=seed + 1), Random(seed)
        visit = Visit(
            world,
            Visitor(rng, **visitor),
            streaming=seed % 2 == 1,
            policy=policy,
            strikes=lambda moment, rng=rng: rng.random() < cuts(moment),  # type: ignore[misc]
            seed=seed,
            settle=settle,
        )
        world.run(10_000.0)
        outcome.add(visit)
    return outcome


def everywhere(moment: str) -> float:
    return 0.15


# --- a correct server -----------------------------------------------------------------------------

PATHS: dict[str, dict[str, Any]] = {
    "one after the other": {"double": 0.0},
    "two at once": {"double": 0.7},
    "left early": {"leaves": 0.3},
    "vanished": {"vanishes": 0.3},
    "ended by the agent": {"ends": 0.3},
    "handed over": {"human": True},
    "handed over, left early": {"human": True, "leaves": 0.2},
    "started anew": {"restarts": 0.4},
    "started anew, handed over": {"restarts": 0.4, "human": True},
}
SERVERS: dict[str, tuple[str, ...]] = {
    "server": (),
    "client": ("handoff.mode=client",),
    "fail": ("handoff.mode=fail",),
    "timeout": ("handoff.mode=timeout",),
    "fail first": ("handoff.fail_first=1",),
    "a line": ("handoff.agents=1", "handoff.queue_interval=0.3"),
    "quick to fail, slow to answer": (
        *("handoff.mode=fail", "handoff.wait=100ms", "agent.first_response=1s"),
    ),
    "refuses joins": ("agent.slots=1", "agent.queue_limit=0"),
    "says much": ("faults.language_changed=0.3", "faults.idle_warning=0.3", "faults.receipts=0.3"),
    "beats fast": ("heartbeat_interval_seconds=0.3",),
    "beats never": ("heartbeat_interval_seconds=0",),
    "sends no empty batch": ("history.empty_batch=false",),
    "sends small batches": ("history.batch_size=3",),
    "keys by type": ("history.typed_payload_keys=true",),
    "last chunk empty": ("agent.empty_last_chunk=true",),
    "lingers": ("ended_session_linger_seconds=60",),
}


@pytest.mark.parametrize("cuts", [None, everywhere], ids=["steady", "cut everywhere"])
@pytest.mark.parametrize("path", PATHS)
def test_on_no_path_is_there_a_violation(path: str, cuts: Any) -> None:
    outcome = visits(cuts=cuts or (lambda moment: 0.0), **PATHS[path])
    assert outcome.violations == {}
    assert outcome.counts["turns.sent"] > VISITS
    assert outcome.failures.keys() <= {"session_lost", "unanswered", "unacknowledged", "gave_up"}
    if cuts is None and path in ("one after the other", "two at once"):
        assert outcome.endings == {"user_end": VISITS}
        assert outcome.failures == {}


@pytest.mark.parametrize("server", SERVERS)
def test_no_correct_server_is_told_of_a_violation(server: str) -> None:
    outcome = visits(*SERVERS[server], human=True, cuts=everywhere, restarts=0.1)
    assert outcome.violations == {}


@pytest.mark.parametrize("settle", [0.0, LATENCY, 30.0], ids=["lost", "told", "half-open"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_whenever_a_socket_is_cut_a_resume_is_right(moment: str, settle: float) -> None:
    """`settle`: what is in flight is lost, or arrives, or the server goes on for half a minute."""
    cuts = {moment: 0.5}
    outcome = visits(number=16, cuts=lambda now: cuts.get(now, 0.0), human=True, settle=settle)
    assert outcome.violations == {}
    assert outcome.counts["disconnects.forced"] > 3
    assert outcome.counts["disconnects.events_lost"] == 0
    assert outcome.counts["disconnects.events_duplicated"] == 0


@pytest.mark.parametrize("path", ["one after the other", "two at once", "started anew"])
def test_a_socket_that_is_replaced_for_its_age_costs_nothing(path: str) -> None:
    """In whatever moment it comes: nothing is lost, said twice or taken for a fault."""
    outcome = visits(policy=Policy(recycle=0.7), **PATHS[path])
    assert outcome.violations == {}
    assert outcome.failures == {}
    assert outcome.endings == {"user_end": VISITS}
    recycled = outcome.counts["disconnects.recycled"]
    assert recycled > 2 * VISITS
    assert outcome.counts["disconnects.unexpected"] == 0
    assert outcome.counts["disconnects.events_lost"] == 0
    # Elsewhere people say two things, and may leave after the answer to one of them.
    assert outcome.counts["turns.lost"] == 0 or path != "one after the other"


@pytest.mark.parametrize("resend", ["never", "reference"])
def test_a_server_that_drops_messages_over_a_limit_breaks_no_rule(resend: Any) -> None:
    outcome = visits("rate_limit.messages_per_second=1", double=0.8, policy=Policy(resend=resend))
    assert outcome.violations == {}
    assert outcome.failures.keys() == ({"unacknowledged"} if resend == "never" else set())


@pytest.mark.parametrize("cuts", [None, everywhere])
@pytest.mark.parametrize("fault", ["high_load", "conversation_not_found"])
def test_a_server_that_says_what_it_cannot_do_breaks_no_rule(fault: str, cuts: Any) -> None:
    outcome = visits(f"faults.{fault}=0.3", cuts=cuts or (lambda moment: 0.0))
    assert outcome.violations == {}
    assert outcome.failures.total() > VISITS / 3
    assert outcome.endings["user_end"] > 0.8 * VISITS


def test_a_server_that_loses_sockets_breaks_no_rule() -> None:
    outcome = visits("faults.reset=0.1", "faults.mid_stream_drop=0.2", "faults.half_open=0.05")
    assert outcome.violations == {}
    assert outcome.counts["disconnects.reconnected"] > VISITS / 3


# --- the figures ----------------------------------------------------------------------------------

CONSTANT = (
    *("agent.thinking=100ms", "agent.first_response=1s", "agent.gap=50ms"),
    *("agent.chunks={min=4,max=4}", "agent.join=200ms", "agent.greeting=300ms"),
    *("handoff.wait=3s", "handoff.live_response=2s"),
)
WAY = 2 * LATENCY


@pytest.mark.parametrize("streaming", [False, True])
def test_every_phase_is_as_long_as_the_server_made_it(streaming: bool) -> None:
    found: dict[Phase, set[float]] = {}
    for seed in range(8):
        world = World(*CONSTANT, "heartbeat_interval_seconds=1", seed=seed + 1)
        person = Visitor(Random(seed), human=True, double=0.0)
        visit = Visit(world, person, streaming=streaming)
        world.run(1_000.0)
        for phase in Phase:
            lasted = {round(duration, 6) for duration in visit.durations(phase)}
            found[phase] = found.get(phase, set()) | lasted
    stream = 3 * 0.05 if streaming else 0.0
    expected = {
        Phase.HISTORY: {LATENCY},
        Phase.JOIN: {0.2 + WAY},
        Phase.GREETING: {0.5 + WAY + stream},
        Phase.ECHO: {WAY},
        Phase.THINKING: {0.1 + WAY},
        Phase.FIRST_CHUNK: {1.0 + WAY} if streaming else set(),
        Phase.CHUNK_GAP: {0.05} if streaming else set(),
        Phase.RESPONSE: {1.0 + WAY + stream},
        Phase.HANDOFF_WAIT: {3.0},
        Phase.LIVE_RESPONSE: {2.0 + WAY},
        Phase.HEARTBEAT: {WAY},
        Phase.HEARTBEAT_LATENESS: {0.0},
        Phase.END: {WAY},
    }
    for phase, lasted in expected.items():
        assert sorted(found[phase]) == pytest.approx(sorted(lasted), abs=1e-6), phase


def test_what_a_session_holds_does_not_grow_with_its_length() -> None:
    held = {}
    for turns in (20, 200):
        world = World("agent.first_response=100ms")
        person = Visitor(Random(1), restarts=0.0)
        person.turns = turns
        visit = Visit(world, person, streaming=True)
        world.run(100_000.0)
        session = visit.session
        journal = session.connection.journal
        held[turns] = [
            *(len(session.following), len(session.pending)),
            *(len(journal._recent) // 8, len(journal._message_ids) // 8),
            len(journal._holes or ()),
        ]
    assert all(most <= 64 for most in held[200])
