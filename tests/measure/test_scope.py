"""The figures of one user class, beside those of all."""

from loadkit.errors import Failure
from loadkit.figures import Count, Ending, Phase
from loadkit.measure.interval import ScopeInterval
from loadkit.measure.open_waits import NOTHING
from loadkit.measure.recorder import Recorder
from loadkit.measure.scope import Scope, Scoped
from tests.answers import answered


def watched(measure_from: float = 0.0) -> tuple[Recorder, Scoped]:
    recorder = Recorder(measure_from, watched=frozenset({"HandoffChat"}))
    scoped = recorder.scoped("HandoffChat")
    assert isinstance(scoped, Scoped)
    return recorder, scoped


def one_of_each(recorder: Recorder | Scoped) -> None:
    recorder.session_started()
    recorder.sample(Phase.RESPONSE, due=10.0, sent=10.5, end=12.0)
    recorder.count(Count.TURNS_SENT, n=2)
    recorder.fail(Failure.UNANSWERED, "text")
    recorder.violate("gap", "text")
    recorder.session_ended(Ending.FAILED)


def test_a_class_is_recorded_for_all_and_apart() -> None:
    """What one class does counts twice, what the others do counts once."""
    recorder, scoped = watched()
    one_of_each(scoped)
    one_of_each(recorder)
    taken = recorder.take(20.0)
    apart = taken.scopes["HandoffChat"]
    assert apart.counts == {
        "sessions.started": 1,
        "turns.sent": 2,
        "errors.unanswered": 1,
        "violations.gap": 1,
        "ended.failed": 1,
    }
    assert taken.counts == {key: 2 * count for key, count in apart.counts.items()}
    assert apart.latency["response"].count == 1
    assert taken.latency["response"].count == 2


def test_the_age_of_its_sessions_counts_with_those_of_all() -> None:
    """A class has no ages of its own."""
    recorder, scoped = watched()
    scoped.sample(Phase.RESPONSE, None, sent=40.0, end=41.0, turn=answered(0.0))
    taken = recorder.take(50.0)
    assert taken.ages[2].count == 1


def test_the_warm_up_is_left_out_of_a_class_too() -> None:
    """Neither its samples nor what began then."""
    recorder, scoped = watched(measure_from=10.0)
    scoped.sample(Phase.RESPONSE, None, sent=9.0, end=11.0)
    scoped.count(Count.TURNS_SENT, since=9.0)
    nothing = ScopeInterval(latency={}, counts={}, waiting=NOTHING)
    assert recorder.take(20.0).scopes == {"HandoffChat": nothing}


def test_a_class_gives_nothing_out_twice() -> None:
    """Who holds on to it records into the next interval."""
    recorder, scoped = watched()
    one_of_each(scoped)
    recorder.take(1.0)
    scoped.count(Count.TURNS_SENT)
    again = recorder.take(2.0).scopes["HandoffChat"]
    assert again == ScopeInterval(latency={}, counts={"turns.sent": 1}, waiting=NOTHING)


def test_the_master_adds_the_intervals_of_a_class_up() -> None:
    """Whoever sent them."""
    scope = Scope()
    for took in (0.5, 1.5):
        recorder, scoped = watched()
        scoped.sample(Phase.RESPONSE, None, 1.0, 1.0 + took)
        scoped.count(Count.TURNS_SENT)
        scope.include(recorder.take(5.0).scopes["HandoffChat"])
    assert scope.counts == {"turns.sent": 2}
    assert scope.latency["response"].stats()["mean"] == 1000.0
