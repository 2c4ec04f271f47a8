"""What a run will hardly be able to tell is told before it, with what it would take."""

import re
from collections.abc import Sequence
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.figures import Count, Phase
from loadkit.profile.profile import Profile
from loadkit.profile.scenario import Errand, SessionKind
from loadkit.readiness import forecast
from loadkit.readiness.forecast import Forecast
from loadkit.readiness.foresight import Doubt, foresee
from loadkit.readiness.rehearsal import Pace

OUTINGS = {
    session_kind.name: session_kind
    for session_kind in (
        SessionKind("CompleteChat"),
        SessionKind("StreamingChat", streaming=True),
        SessionKind("HandoffChat", Errand.HUMAN),
        SessionKind("IdleChat", Errand.IDLE),
    )
}
STAGES = ({"duration": 0.0, "users": 50}, {"duration": 40.0, "users": 50})


def a_profile(
    slo: dict[str, float] | None = None,
    *,
    stages: Sequence[dict[str, float]] = STAGES,
    load: dict[str, Any] | None = None,
    **tables: Any,
) -> Profile:
    """Fifty users for 40 s, the first ten of them warm-up; limits in the units of a profile."""
    talk = {"time_scale": 0.1, "patience": 5.0} | tables.pop("conversation", {})
    return Profile.model_validate(
        {
            "name": "some",
            "load": {"stages": stages, "warmup": 10.0} | (load or {}),
            "mix": {"CompleteChat": 1.0},
            "conversation": talk,
            "slo": tuple({"metric": name, "limit": most} for name, most in (slo or {}).items()),
            **tables,
        }
    )


def doubts(profile: Profile) -> list[Doubt]:
    return list(foresee(profile, OUTINGS))


def the_doubt(profile: Profile) -> Doubt:
    (doubt,) = doubts(profile)
    return doubt


class TestAnObjective:
    def test_that_gets_its_samples_is_not_told(self) -> None:
        assert doubts(a_profile({"response.p95": 2500, "turns.lost_ratio": 0, "errors": 0})) == []

    def test_that_does_not_is_told_with_how_many_and_what_it_would_take(self) -> None:
        doubt = the_doubt(a_profile({"response.p99": 2500}))
        found = re.fullmatch(
            r"response p99: about (\d+) samples in the 30s measured, and it takes 459; "
            r"let stage 2 last (.+) instead of 40s or have (\d+) users instead of 50",
            str(doubt),
        )
        assert found is not None, str(doubt)
        assert 300 < int(found[1]) < 450
        assert found[2] in ("50s", "55s", "1m", "1m5s")
        assert 50 < int(found[3]) < 80

    @pytest.mark.parametrize(
        "metric",
        ["response.p99.9", "CompleteChat.join.p95", "from_schedule.token.p99", "end.p90"],
    )
    def test_is_judged_once_the_run_is_as_long_or_has_as_many_users_as_was_proposed(
        self, metric: str
    ) -> None:
        slo = {metric: 2500.0}
        few = ({"duration": 0.0, "users": 9}, {"duration": 40.0, "users": 9})
        doubt = the_doubt(a_profile(slo, stages=few))
        longer = re.search(r"let stage 2 last (\S+) ", doubt.fix)
        assert longer is not None
        held = ({"duration": 0.0, "users": 9}, {"duration": longer[1], "users": 9})
        assert doubts(a_profile(slo, stages=held)) == []
        if more := re.search(r"have ([\d,]+) users", doubt.fix):
            crowd = int(more[1].replace(",", ""))
            full = ({"duration": 0.0, "users": crowd}, {"duration": 40.0, "users": crowd})
            assert doubts(a_profile(slo, stages=full)) == []

    def test_of_people_at_their_own_pace_may_take_faster_ones(self) -> None:
        talk = {"time_scale": 1.0}
        doubt = the_doubt(a_profile({"response.p95": 2500}, conversation=talk))
        found = re.search(r"time_scale to (\S+) \(people (\d+) times as busy\)", doubt.fix)
        assert found is not None
        assert float(found[1]) * float(found[2]) == pytest.approx(1)
        talk = {"time_scale": float(found[1])}
        assert doubts(a_profile({"response.p95": 2500}, conversation=talk)) == []

    def test_of_an_open_load_takes_more_arrivals(self) -> None:
        stages = ({"duration": 40.0, "arrivals_per_second": 2.0},)
        open_model = {"model": "open", "warmup": 10.0}
        doubt = the_doubt(a_profile({"join.p95": 2500}, stages=stages, load=open_model))
        found = re.search(r"have ([\d.]+) arrivals/s instead of 2$", doubt.fix)
        assert found is not None
        stages = ({"duration": 40.0, "arrivals_per_second": float(found[1])},)
        assert doubts(a_profile({"join.p95": 2500}, stages=stages, load=open_model)) == []

    def test_of_a_user_class_counts_the_samples_of_that_class_alone(self) -> None:
        mix = {"CompleteChat": 0.99, "StreamingChat": 0.01}
        slo = {"response.p95": 2500.0, "StreamingChat.response.p95": 2500.0}
        assert the_doubt(a_profile(slo, mix=mix)).metric == "StreamingChat.response.p95"

    @pytest.mark.parametrize(
        "metric",
        [
            "first_chunk.p95",  # nobody streams
            "handoff_wait.max",  # nor asks for a human
            "handoffs.failed_ratio",
            "from_schedule.echo.p95",  # no echo has a moment at which it is due
            "IdleChat.turns.lost_ratio",
        ],
    )
    def test_that_nobody_would_ever_come_to_is_told_so(self, metric: str) -> None:
        doubt = the_doubt(a_profile({metric: 1.0}, mix={"CompleteChat": 1.0, "IdleChat": 1.0}))
        assert doubt.why.startswith("hardly any samples in the 30s measured, and it takes ")
        assert doubt.fix == "nobody in [mix] comes to that: add a class that does, or take it out"

    def test_of_users_that_live_no_sessions_is_none_that_anybody_comes_to(self) -> None:
        """A plain user of Locust's alone."""
        profile = a_profile({"response.p95": 2500}, mix={"Other": 1.0})
        assert "nobody in [mix]" in the_doubt(profile).fix

    @pytest.mark.parametrize("metric", ["errors", "turns.lost", "response.count", "violations"])
    def test_that_is_a_number_needs_no_samples(self, metric: str) -> None:
        short = ({"duration": 1.0, "users": 1},)
        profile = a_profile({metric: 0}, stages=short, load={"warmup": 0.0}, mix={"Other": 1.0})
        assert [each for each in doubts(profile) if each.metric is not None] == []


class TestADrift:
    def test_takes_steady_load_behind_the_warm_up(self) -> None:
        stages = ({"duration": 300.0, "users": 50}, {"duration": 60.0, "users": 50})
        doubt = the_doubt(a_profile({"drift.memory": 1}, stages=stages))
        assert doubt.why == "1m of steady load, and it takes 1m40s"
        stages = ({"duration": 300.0, "users": 50}, {"duration": 120.0, "users": 50})
        assert doubts(a_profile({"drift.memory": 1}, stages=stages)) == []
        late = {"warmup": 350.0}
        assert the_doubt(a_profile({"drift.memory": 1}, stages=stages, load=late)).why[:4] == "1m10"

    def test_of_a_percentile_takes_its_samples_in_each_of_twenty_windows(self) -> None:
        stages = ({"duration": 0.0, "users": 10}, {"duration": 200.0, "users": 10})
        doubt = the_doubt(a_profile({"drift.response.p95": 5}, stages=stages))
        assert doubt.why.endswith("and it takes 1,800")  # twenty times ninety


class TestPatience:
    def test_that_outlasts_the_run_is_told_and_what_is_proposed_does_not(self) -> None:
        doubt = the_doubt(a_profile(conversation={"patience": 60.0}))
        assert doubt.metric is None
        assert str(doubt) == (
            "a turn that hangs cannot be lost in the time measured, as conversation.patience (1m) "
            "is no shorter than those 30s; set conversation.patience to 5s or less"
        )
        assert doubts(a_profile(conversation={"patience": 5.0})) == []

    def test_is_no_shorter_than_twice_what_an_answer_may_take(self) -> None:
        slow = {"response.p95": 6000.0}
        assert "to 10s or less" in the_doubt(a_profile(slow, conversation={"patience": 60.0})).fix

    def test_is_compared_with_the_run_less_its_warm_up(self) -> None:
        assert doubts(a_profile(conversation={"patience": 29.9})) == []
        assert doubts(a_profile(conversation={"patience": 30.0}))

    def test_may_be_longer_where_people_are_more_impatient(self) -> None:
        """Whoever leaves before the answer has lost the turn."""
        leaving = {"impatience": {"median": 8.0, "sigma": 0.2}}
        assert doubts(a_profile(conversation={"patience": 60.0}, human=leaving)) == []

    def test_with_humans_matters_where_somebody_asks_for_one(self) -> None:
        late = {"patience": 600.0}
        assert doubts(a_profile(handoff=late)) == []
        doubt = the_doubt(a_profile(handoff=late, mix={"HandoffChat": 1.0}))
        assert "handoff.patience (10m) is no shorter than those 30s" in doubt.why
        assert doubts(a_profile(handoff=late, mix={"CompleteChat": 1.0, "HandoffChat": 0.0})) == []

    def test_of_objectives_that_are_longer_than_the_run_takes_a_longer_run(self) -> None:
        slow = {"response.max": 20_000.0}
        doubt = the_doubt(a_profile(slow, conversation={"patience": 60.0}))
        assert doubt.fix.startswith("let the run measure for longer, e.g. ")


def test_the_server_is_taken_to_need_half_of_what_it_may() -> None:
    """Slower answers make fewer turns; a limit for the slowest of all says nothing of the usual."""

    def about(**slo: float) -> int:
        limits = {name.replace("_", "."): limit for name, limit in slo.items()}
        (doubt,) = (d for d in doubts(a_profile(limits)) if d.metric == "response.p99.9")
        found = re.search(r"about ([\d,]+) samples", doubt.why)
        assert found is not None
        return int(found[1].replace(",", ""))

    strict, usual, lax = (
        about(**{"response.p99.9": 60_000, **more})
        for more in ({"response.p95": 100}, {}, {"response.p95": 20_000})
    )
    assert strict > usual > 2 * lax
    by_hand = Forecast(a_profile(), OUTINGS, Pace(answer=10.0), [Phase.RESPONSE])
    found = by_hand.samples(a_profile().load)["CompleteChat"][Phase.RESPONSE]
    assert lax == round(found)


@settings(max_examples=25)
@given(
    users=st.integers(0, 3000),
    lasts=st.sampled_from([0.5, 30.0, 90_000.0]),
    scale=st.sampled_from([0.001, 0.1, 1.0, 100.0]),
    weights=st.lists(st.floats(0, 9), min_size=4, max_size=4).filter(any),
    metrics=st.sets(
        st.sampled_from(
            [
                *(f"{phase}.p95" for phase in Phase),
                "response.p99.9",
                "drift.response.p50",
                "drift.throughput",
                "HandoffChat.live_response.mean",
                *(f"{count}_ratio" for count in (Count.TURNS_LOST, Count.HANDOFFS_FAILED)),
            ]
        ),
        max_size=4,
    ),
    stagger=st.booleans(),
)
def test_it_has_a_word_for_any_profile(
    users: int,
    lasts: float,
    scale: float,
    weights: list[float],
    metrics: set[str],
    stagger: bool,
) -> None:
    """For it stands at the start of each run, and must not be what ends it."""
    stages = ({"duration": lasts, "users": users}, {"duration": lasts, "users": 1})
    profile = a_profile(
        dict.fromkeys(metrics, 1.0),
        stages=stages,
        load={"warmup": lasts / 2, "stagger": stagger},
        mix=dict(zip(OUTINGS, weights, strict=True)),
        conversation={"time_scale": scale},
    )
    with mock.patch.multiple(forecast, _LIVES=5, _SESSIONS=10, _POOL=8, _ARRIVALS=20):
        found = doubts(profile)
    for doubt in found:
        assert str(doubt)
        assert "nan" not in str(doubt)
        assert "inf" not in str(doubt)
