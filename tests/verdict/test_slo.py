"""Objectives against what was measured."""

import math
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from loadkit.figures import Count, Ending, Phase
from loadkit.measure.ledger import Ledger
from loadkit.measure.recorder import Recorder
from loadkit.measure.scope import Scope
from loadkit.profile.metrics import RATIOS, MetricError
from loadkit.soak.drift import Drift, DriftFigure
from loadkit.stats.distribution import Distribution
from loadkit.stats.histogram import Histogram
from loadkit.verdict.slo import AbortWatch, SloLine, judge


def distribution(milliseconds: Iterable[float]) -> Distribution:
    """The samples as the master holds them."""
    tally = Histogram()
    for value in milliseconds:
        tally.record(value / 1000)
    merged = Distribution()
    merged.merge(tally)
    return merged


def ledger(
    counts: dict[str, int] | None = None, scope: str | None = None, **phases: Iterable[float]
) -> Ledger:
    """A ledger with counts and samples of phases (ms), of all sessions or of one user class."""
    made = Ledger()
    place: Ledger | Scope = made
    if scope is not None:
        place = made.scopes[scope] = Scope()
    place.counts = Counter(counts or {})
    place.latency.update({phase: distribution(values) for phase, values in phases.items()})
    return made


def line(metric: str, limit: float, measured: Ledger) -> SloLine:
    """The one objective, judged."""
    (judged,) = judge([(metric, limit)], measured)
    return judged


def hanging(
    answered_ms: list[float], open_ms: list[float], lost_ms: list[float] | None = None
) -> Ledger:
    """A ledger of responses of which some never came."""
    made, tally = ledger(), Histogram()
    for value in answered_ms:
        tally.record(value / 1000)
    for value in open_ms:
        tally.unfinished(value / 1000, lost=False)
    for value in lost_ms or []:
        tally.unfinished(value / 1000, lost=True)
    made.latency["response"] = Distribution()
    made.latency["response"].merge(tally)
    return made


class TestWaitsWithoutAnEnd:
    """An answer that has not come took at least so long."""

    def test_what_no_end_of_the_open_waits_could_keep_is_broken(self) -> None:
        """Of 100 turns six are open for longer than the limit, 3 s: whatever comes of them."""
        judged = line("response.p95", 2500.0, hanging([800.0] * 94, [3000.0] * 6))
        assert (judged.status, judged.at_least) == ("fail", True)
        assert str(judged) == "response p95 ≥ 2,998 ms > 2,500 ms"

    def test_what_the_open_waits_may_still_keep_is_not_broken(self) -> None:
        """Five of them may be the twentieth that a p95 leaves above it."""
        judged = line("response.p95", 2500.0, hanging([800.0] * 95, [3000.0] * 5))
        assert (judged.status, judged.actual) == ("pass", pytest.approx(800, rel=0.001))

    def test_young_open_waits_leave_it_undecided_where_the_others_are_too_few(self) -> None:
        judged = line("response.p95", 2500.0, hanging([800.0] * 80, [100.0] * 40))
        assert (judged.status, judged.samples, judged.needed) == ("undecided", 80, 90)

    def test_a_percentile_that_nobody_reached_and_that_may_keep_its_limit_is_undecided(
        self,
    ) -> None:
        judged = line("response.p95", 2500.0, hanging([800.0] * 94, [2400.0] * 6))
        assert (judged.status, judged.actual) == ("undecided", pytest.approx(2400, rel=0.001))
        assert "as waits are open" in judged.doubt

    def test_a_third_without_an_answer_breaks_it_however_few_the_samples(self) -> None:
        """The case of a server that never answers: 43 of 67 turns, at 0.6 s each."""
        answers = [float(600 + 7 * number % 200) for number in range(43)]
        opens = [900.0 * number for number in range(1, 25)]
        judged = line("response.p95", 2500.0, hanging(answers, opens))
        assert judged.status == "fail"
        assert judged.at_least

    def test_turns_that_were_given_up_count_as_well(self) -> None:
        """Ten per cent without an answer, or fifteen that take 50 s, is no passing p95."""
        judged = line("response.p95", 2500.0, hanging([800.0] * 180, [], [20_000.0] * 20))
        assert judged.status == "fail"

    def test_a_phase_of_which_nothing_ever_came_is_broken_once_that_is_proved(self) -> None:
        judged = line("response.p95", 2500.0, hanging([], [9000.0] * 10))
        assert (judged.status, judged.at_least) == ("fail", True)

    def test_a_maximum_is_no_less_than_the_oldest_wait(self) -> None:
        judged = line("response.max", 2500.0, hanging([800.0] * 94, [3000.0]))
        assert (judged.status, judged.at_least) == ("fail", True)
        judged = line("response.max", 2500.0, hanging([800.0] * 94, [1000.0]))
        assert judged.status == "undecided"

    @pytest.mark.parametrize("metric", ["turns.lost", "turns.lost_ratio"])
    def test_turns_that_may_be_lost_leave_their_objective_undecided(self, metric: str) -> None:
        """Once they are open for over ten seconds."""
        made = hanging([800.0] * 94, [12_000.0, 9000.0])
        made.counts = Counter({"turns.sent": 96, "turns.answered": 94, "turns.open": 2})
        judged = line(metric, 0.0, made)
        assert (judged.status, judged.actual, judged.stale) == ("undecided", 0, 1)
        assert judged.doubt == "0, with 1 turn open for over 10 s"
        assert line(metric, 2.0, made).status == "pass"

    @settings(max_examples=40)
    @given(
        st.lists(st.integers(1, 5000), min_size=1, max_size=200),
        st.lists(st.integers(1, 5000), max_size=60),
        st.integers(1, 5000),
        st.sampled_from([500, 900, 950]),
    )
    def test_a_broken_objective_stays_broken_whatever_becomes_of_the_open_waits(
        self, answered: list[int], still: list[int], limit: int, per_mille: int
    ) -> None:
        """Were they all to end this instant, which is the best that can come of them."""
        metric = f"response.p{per_mille // 10}"
        now = line(metric, limit, hanging([*map(float, answered)], [*map(float, still)]))
        at_best = line(metric, limit, ledger(response=[*map(float, answered), *map(float, still)]))
        # What lies in the bucket of the limit, a thousandth wide, is not surely above it.
        if at_best.status == "fail" and (at_best.actual or math.inf) > 1.001 * limit:
            assert now.status == "fail"
        if now.status == "pass":
            assert at_best.status != "fail"


class TestPercentiles:
    """Judged where the count supports it."""

    def test_a_supported_percentile_is_held_against_the_limit(self) -> None:
        """The interval, by which one knows how far to trust it, is told with it."""
        response = [float(ms) for ms in range(1, 1001)]  # the p95 of them is the 950th
        for limit, status in ((951.0, "pass"), (949.0, "fail")):
            judged = line("response.p95", limit, ledger(response=response))
            assert judged.actual == pytest.approx(950, rel=0.001)
            assert judged.status == status
            assert (judged.samples, judged.needed) == (1000, 90)
            assert judged.interval is not None
            low, high = judged.interval
            # n p ± 1.96 √(n p q): 950 ± 13.5
            assert (low, high) == (pytest.approx(936.5, abs=2), pytest.approx(964, abs=2))

    @pytest.mark.parametrize(
        ("statistic", "least"), [("p50", 7), ("p90", 44), ("p95", 90), ("p99", 459), ("p999", 4603)]
    )
    def test_one_sample_too_few_leaves_it_undecided(self, statistic: str, least: int) -> None:
        """It is neither met nor broken, and no figure is told that does not hold."""
        metric = f"response.{statistic}"
        judged = line(metric, 500, ledger(response=[100.0] * (least - 1)))
        assert judged == SloLine(metric, 500, None, "undecided", least - 1, least)
        assert not judged.ok
        assert line(metric, 500, ledger(response=[100.0] * least)).ok

    @settings(max_examples=40)
    @given(st.integers(1, 89), st.data())
    def test_few_samples_prove_a_breach_where_the_binomial_test_does(
        self, count: int, data: st.DataObject
    ) -> None:
        """Against scipy's own test: as many above the limit hardly come by chance."""
        above = data.draw(st.integers(0, count))
        samples = [9000.0] * above + [10.0] * (count - above)
        judged = line("response.p95", 1000, ledger(response=samples))
        chance = binomtest(above, count, 0.05, alternative="greater").pvalue
        assert judged.status == ("fail" if chance <= 0.01 else "undecided")
        if judged.status == "fail":
            assert judged.actual is not None
            assert judged.actual > 1000

    def test_a_percentile_that_was_never_measured_fails(self) -> None:
        """Nobody shows that an objective holds by not trying."""
        assert line("response.p99", 500, ledger()) == SloLine(
            "response.p99", 500, None, "fail", 0, 459
        )

    @settings(max_examples=40)
    @given(
        st.lists(st.floats(0.001, 600_000), min_size=90, max_size=400), st.sampled_from([750, 950])
    )
    def test_what_is_told_is_the_percentile_of_the_samples(
        self, samples: list[float], per_mille: int
    ) -> None:
        """Within the three digits of the histogram, by numpy's own percentile."""
        judged = line(f"response.p{per_mille // 10}", 1, ledger(response=samples))
        truth = float(np.percentile(samples, per_mille / 10, method="inverted_cdf"))
        assert judged.actual == pytest.approx(truth, rel=0.001, abs=0.001)

    def test_time_from_the_schedule_has_objectives_of_its_own(self) -> None:
        """It may be broken while the time from the send holds."""
        measured = ledger(response=[100.0] * 90)
        measured.from_schedule[Phase.RESPONSE] = distribution([700.0] * 90)
        assert line("response.p95", 500, measured).ok
        late = line("from_schedule.response.p95", 500, measured)
        assert late.status == "fail"
        assert late.actual == pytest.approx(700, rel=0.001)


@pytest.mark.parametrize(
    ("statistic", "actual"), [("min", 100.0), ("mean", 200.5), ("max", 301.0), ("count", 2)]
)
def test_one_sample_is_enough_for_what_is_no_percentile(statistic: str, actual: float) -> None:
    """These are exact figures of the samples themselves."""
    judged = line(f"echo.{statistic}", actual, ledger(echo=[100.0, 301.0]))
    assert (judged.actual, judged.status, judged.samples) == (actual, "pass", 2)
    assert line(f"echo.{statistic}", actual - 0.5, ledger(echo=[100.0, 301.0])).status == "fail"
    assert judged.needed is None


class TestCounts:
    """Judged whatever happened: what never happened is 0."""

    COUNTS: dict[str, int] = {  # noqa: RUF012
        Count.SESSIONS_STARTED: 40,
        Count.TURNS_SENT: 200,
        Count.TURNS_LOST: 3,
        "ended.user_end": 20,
        "ended.natural_end": 6,
        "ended.client_handoff": 2,
        "ended.abandoned": 5,
        "ended.failed": 4,
        "errors.unanswered": 3,
        "errors.connect_refused": 4,
        "violations.sequence_gap": 2,
        "violations.echo_missing": 1,
    }

    @pytest.mark.parametrize(
        ("metric", "actual"),
        [
            ("sessions.started", 40),
            ("sessions.completed", 28),
            ("sessions.failed", 4),
            ("sessions.cut_off", 0),
            ("turns.lost", 3),
            ("turns.resent", 0),
            ("errors", 7),
            ("errors.unanswered", 3),
            ("errors.gave_up", 0),
            ("violations", 3),
            ("violations.echo_missing", 1),
            ("violations.twice", 0),
            ("echo.count", 0),
            ("turns.lost_ratio", 0.015),
            ("sessions.failed_ratio", 0.1),
            ("sessions.abandoned_ratio", 0.125),
            ("disconnects.unexpected_ratio", 0.0),
        ],
    )
    @pytest.mark.parametrize("scope", [None, "HandoffChat"])
    def test_a_count_holds_up_to_its_limit(
        self, metric: str, actual: float, scope: str | None
    ) -> None:
        """Of all sessions and of one user class alike."""
        measured = ledger(self.COUNTS, scope)
        metric = metric if scope is None else f"{scope}.{metric}"
        judged = line(metric, actual, measured)
        assert (judged.actual, judged.status) == (actual, "pass")
        if actual:
            assert line(metric, actual * 0.9, measured).status == "fail"

    @pytest.mark.parametrize("metric", list(RATIOS))
    def test_a_share_of_nothing_fails(self, metric: str) -> None:
        """It was never measured, whatever the share of it would have been."""
        assert line(metric, 1.0, ledger()) == SloLine(metric, 1.0, None, "fail")

    def test_the_peak_is_the_ledger_s(self) -> None:
        """It is known of the run as a whole only."""
        recorder = Recorder()
        recorder.take(0.0)
        recorder.session_started()
        recorder.session_started()
        recorder.session_ended(Ending.USER_END)
        measured = Ledger()
        measured.add("w", 1, recorder.take(1.0), at=1.0)
        assert line("sessions.peak_concurrent", 2, measured).actual == 2


def figure(percent: float, low: float, high: float) -> DriftFigure:
    """A figure that drifts by so many percent an hour, and what else does not matter here."""
    return DriftFigure(
        "ms", 100, percent, percent, (low, high), 0.5, "no", None, None, None,
        100, 100, 100, 100, 0, None, 1, 96,
    )  # fmt: skip


class TestDrifts:
    """Judged by their interval, at the end of the run alone."""

    @pytest.mark.parametrize(
        ("interval", "status"),
        [
            ((2.6, 3.7), "pass"),
            ((2.6, 5.0), "pass"),
            ((4.0, 5.1), "undecided"),
            ((5.1, 9.0), "fail"),
            ((-9.0, -5.5), "pass"),
            ((-1.0, 20.0), "undecided"),
        ],
    )
    def test_the_whole_interval_has_to_keep_to_the_limit(
        self, interval: tuple[float, float], status: str
    ) -> None:
        """Below it for a pass, above it for a fail, and neither where it holds the limit."""
        drift = Drift(windows=96, figures={"response.p95": figure(3.1, *interval)})
        (judged,) = judge([("drift.response.p95", 5.0)], ledger(), drift)
        assert (judged.status, judged.actual, judged.interval) == (status, 3.1, interval)
        assert (judged.samples, judged.needed) == (96, 20)

    def test_throughput_has_a_limit_to_its_fall(self) -> None:
        """All else is bad when it grows."""
        drift = Drift(windows=96, figures={"throughput": figure(-8.0, -9.0, -7.0)})
        (judged,) = judge([("drift.throughput", 5.0)], ledger(), drift)
        assert (judged.status, judged.actual, judged.interval) == ("fail", 8.0, (7.0, 9.0))
        risen = Drift(windows=96, figures={"throughput": figure(8.0, 7.0, 9.0)})
        assert judge([("drift.throughput", 5.0)], ledger(), risen)[0].ok

    def test_a_run_too_short_for_drift_leaves_it_undecided(self) -> None:
        """Before the end of the run nothing is known of it either: `[abort]` never ends one so."""
        (judged,) = judge([("drift.memory", 1.0)], ledger(), Drift(windows=12))
        assert (judged.status, judged.samples, judged.needed) == ("undecided", 12, 20)
        assert judge([("drift.memory", 1.0)], ledger())[0].status == "undecided"

    def test_a_figure_without_the_samples_leaves_it_undecided(self) -> None:
        """However many windows the others had."""
        drift = Drift(windows=96, figures={"response.p95": figure(0, 0, 0)})
        (judged,) = judge([("drift.first_chunk.p95", 1.0)], ledger(), drift)
        assert (judged.status, judged.samples) == ("undecided", 0)


class TestUserClasses:
    """An objective of one user class sees its sessions alone."""

    def test_the_others_do_not_count(self) -> None:
        """A slow class is found behind a fast crowd."""
        watched = Recorder(watched=frozenset({"HandoffChat"}))
        for name, seconds, times in (("CompleteChat", 0.1, 5000), ("HandoffChat", 2.0, 100)):
            of_class = watched.scoped(name)
            for _ in range(times):
                of_class.sample(Phase.RESPONSE, None, 10.0, 10.0 + seconds)
                of_class.count(Count.TURNS_SENT)
        watched.scoped("HandoffChat").count(Count.TURNS_LOST)
        measured = Ledger()
        measured.add("w", 1, watched.take(20.0), at=20.0)
        assert line("response.p95", 500, measured).ok
        slow = line("HandoffChat.response.p95", 500, measured)
        assert (slow.status, slow.samples) == ("fail", 100)
        assert slow.actual == pytest.approx(2000, rel=0.001)
        assert line("turns.lost_ratio", 1, measured).actual == pytest.approx(1 / 5100, abs=1e-6)
        assert line("HandoffChat.turns.lost_ratio", 1, measured).actual == 0.01

    def test_a_class_of_which_nobody_came_was_never_measured(self) -> None:
        """Its latencies fail, its counts are 0."""
        assert line("HandoffChat.response.p95", 500, ledger()).status == "fail"
        assert line("HandoffChat.errors", 0, ledger()).ok


def test_objectives_keep_the_order_of_the_profile() -> None:
    """A reader finds them where the profile has them."""
    lines = judge([("violations", 5), ("response.p95", 1), ("errors", 0)], ledger())
    assert [judged.metric for judged in lines] == ["violations", "response.p95", "errors"]


def test_a_metric_that_nobody_measures_is_refused() -> None:
    """A misspelt objective would hold for ever."""
    with pytest.raises(MetricError, match=r"no metric is called 'responce\.p95'"):
        judge([("responce.p95", 1.0)], ledger())


@pytest.mark.parametrize(
    ("judged", "text"),
    [
        (SloLine("echo.max", 2500.0, 812.3, "pass", 4), "echo max 812 ms ≤ 2,500 ms"),
        (
            SloLine("response.p95", 2500.0, 812.3, "pass", 400, 90, (790.2, 840.4)),
            "response p95 812 ms ≤ 2,500 ms (95 % CI 790–840)",
        ),
        (
            SloLine("HandoffChat.response.p99.9", 900, 2812.3, "fail", 5000, 4603, (2790.0, 2840)),
            "HandoffChat response p99.9 2,812 ms > 900 ms (95 % CI 2,790–2,840)",
        ),
        (
            SloLine("response.p10", 2500.0, 81.2, "pass", 2, 2, None),
            "response p10 81.2 ms ≤ 2,500 ms",
        ),
        (
            SloLine("response.p99", 2500, None, "undecided", 353, 459),
            "response p99: too few samples (353 of 459)",
        ),
        (
            SloLine("response.p999", 1000, 9100.0, "fail", 1200, 4603),
            "response p999 > 1,000 ms (proved by 1,200 of 4,603 samples)",
        ),
        (SloLine("violations", 0, 3, "fail"), "violations 3 > 0"),
        (
            SloLine("echo.p50", 9, None, "fail", 0, 7),
            "echo p50 never measured, limit 9 ms",
        ),
        (
            SloLine("drift.response.p95", 5, 3.1, "pass", 96, 20, (2.6, 3.7)),
            "drift response p95 3.10 %/h ≤ 5 %/h (95 % CI 2.60–3.70)",
        ),
        (
            SloLine("drift.memory", 1, 0.8, "undecided", 96, 20, (-0.4, 2)),
            "drift memory: 0.8 %/h, too near to the limit (95 % CI -0.4 to 2)",
        ),
        (
            SloLine("drift.memory", 1, None, "undecided", 12, 20),
            "drift memory: too few windows of steady load (12 of 20)",
        ),
        (
            SloLine("turns.lost_ratio", 0, None, "fail"),
            "turns lost_ratio never measured, limit 0",
        ),
    ],
)
def test_a_line_reads_as_a_sentence(judged: SloLine, text: str) -> None:
    """The same words serve the verdict line and the reasons."""
    assert str(judged) == text


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ("response.p95", "ms"),
        ("HandoffChat.echo.mean", "ms"),
        ("response.count", ""),
        ("errors", ""),
        ("turns.lost_ratio", ""),
        ("drift.memory", "%/h"),
    ],
)
def test_a_line_knows_its_unit(metric: str, unit: str) -> None:
    """Whoever renders it need not know the grammar."""
    assert SloLine(metric, 1, 1, "pass").unit == unit


@pytest.mark.parametrize(
    "judged",
    [
        SloLine("response.p95", 2500, None, "fail", 0, 90),
        SloLine("response.p95", 2500, 812.3, "pass", 400, 90, (790.2, 840.4)),
        SloLine("response.p99", 2500, None, "undecided", 353, 459),
        SloLine("violations", 0, 3, "fail"),
    ],
)
def test_a_line_survives_json(judged: SloLine) -> None:
    """What `summary.json` holds is enough to render it again."""
    told = judged.to_dict()
    assert told.keys() == {*SloLine.__dataclass_fields__, "pass"}
    assert told["pass"] is judged.ok
    assert SloLine.from_dict(told) == judged


@pytest.mark.parametrize(("ok", "status"), [(True, "pass"), (False, "fail")])
def test_a_line_of_an_earlier_version_is_read(ok: bool, status: str) -> None:
    """Results of last month can still be rendered and compared."""
    told = {"metric": "response.p95", "limit": 2500, "actual": 812.3, "pass": ok}
    judged = SloLine.from_dict(told)
    assert (judged.status, judged.samples, judged.interval) == (status, None, None)


GOOD = SloLine("response.p95", 500, 400.0, "pass", 1000, 90)
BROKEN = SloLine("response.p95", 500, 900.0, "fail", 1000, 90)
UNDECIDED = SloLine("response.p95", 500, None, "undecided", 10, 90)
UNMEASURED = SloLine("response.p95", 500, None, "fail", 0, 90)
ERRORS = SloLine("errors", 0, 4, "fail")


@pytest.mark.parametrize(
    ("looks", "ends_at"),
    [
        ([(0, BROKEN), (29, BROKEN)], None),  # not for long enough yet
        ([(0, BROKEN), (29, BROKEN), (30, BROKEN)], 30),
        ([(0, BROKEN), (70, BROKEN)], 70),  # a look may come late
        ([(0, GOOD), (100, BROKEN), (129, BROKEN), (130, BROKEN)], 130),
        ([(0, BROKEN), (29, GOOD), (30, BROKEN), (59, BROKEN)], None),  # recovered: anew
        ([(0, BROKEN), (29, UNDECIDED), (30, BROKEN), (60, BROKEN)], 60),
        ([(t, UNDECIDED) for t in range(100)], None),
        ([(t, UNMEASURED) for t in range(100)], None),  # the first answer may be on its way
    ],
)
def test_an_objective_ends_the_run_once_broken_for_the_whole_grace(
    looks: list[tuple[float, SloLine]], ends_at: float | None
) -> None:
    """One row a case: looks at a clock in seconds, with a grace of 30 s."""
    watch = AbortWatch(30)
    found = [(now, watch.lasting_breach(now, [line])) for now, line in looks]
    ends = [(now, line) for now, line in found if line is not None]
    assert ends[:1] == ([] if ends_at is None else [(ends_at, BROKEN)])


def test_objectives_are_watched_apart() -> None:
    """Two that take turns at being broken are never broken for long."""
    watch = AbortWatch(10)
    fine = SloLine("errors", 0, 0, "pass")
    for now in range(0, 100, 5):
        turn = [BROKEN, fine] if now % 10 else [GOOD, ERRORS]
        assert watch.lasting_breach(now, turn) is None


def test_of_several_the_one_that_broke_first_is_named() -> None:
    """It is likely to be the cause of the others."""
    watch = AbortWatch(10)
    assert watch.lasting_breach(0, [GOOD, ERRORS]) is None
    assert watch.lasting_breach(5, [BROKEN, ERRORS]) is None
    assert watch.lasting_breach(20, [BROKEN, ERRORS]) is ERRORS


def test_the_line_is_told_as_it_stands_now() -> None:
    """The reader wants the figure that ended the run, not that of half a minute before."""
    watch = AbortWatch(10)
    assert watch.lasting_breach(0, [BROKEN]) is None
    worse = SloLine("response.p95", 500, 9000.0, "fail", 2000, 90)
    assert watch.lasting_breach(10, [worse]) is worse


def test_only_the_objectives_that_were_named_can_end_a_run() -> None:
    """The others are for the verdict."""
    watch = AbortWatch(10, ["errors"])
    assert watch.lasting_breach(0, [BROKEN]) is None
    assert watch.lasting_breach(50, [BROKEN]) is None
    assert watch.lasting_breach(60, [BROKEN, ERRORS]) is None
    assert watch.lasting_breach(70, [BROKEN, ERRORS]) is ERRORS


@settings(max_examples=40)
@given(st.lists(st.sampled_from([GOOD, BROKEN, UNDECIDED, UNMEASURED]), max_size=60))
def test_it_ends_at_the_first_look_after_a_grace_of_nothing_but_broken(
    lines: list[SloLine],
) -> None:
    """By a plain reading of the whole past: eleven looks in a row, a second apart."""
    watch = AbortWatch(10)
    for now, line in enumerate(lines):
        unbroken = now >= 10 and all(past is BROKEN for past in lines[now - 10 : now + 1])
        assert (watch.lasting_breach(now, [line]) is not None) is unbroken
