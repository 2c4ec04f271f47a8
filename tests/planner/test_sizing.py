"""A plan's arithmetic, each row computed by hand."""

import json
import math

import pytest

from loadkit.errors import UsageError
from loadkit.planner.inputs import Carried, PlanInput, read_inputs
from loadkit.planner.sizing import Plan, make_plan
from loadkit.stats.queueing import Queue, Service

pytestmark = pytest.mark.usefixtures("small_storms")

UTILISATION = "  their utilisation, %"


def planned(**given: str) -> Plan:
    return make_plan(read_inputs(dict(given)))


def row(plan: Plan, name: str) -> tuple[float, ...]:
    (values,) = (row.values for row in plan.rows if row.name == name)
    return values


def test_sessions_an_hour_become_arrivals_sessions_at_once_and_turns() -> None:
    """7,200 an hour are 2 a second; of 3 minutes each, 360 at once (Little); peak and growth."""
    plan = planned(sessions_per_hour="7200", mean_session="3m", turns="6", growth="10%", years="2")
    assert plan.columns == ("mean", "peak", "+2 years")
    assert row(plan, "sessions an hour") == pytest.approx((7200, 21_600, 26_136))
    assert row(plan, "session arrivals, /s") == pytest.approx((2, 6, 7.26))
    assert row(plan, "sessions at once") == pytest.approx((360, 1080, 1306.8))
    assert row(plan, "turns, /s") == pytest.approx((12, 36, 43.56))


def test_sessions_at_once_go_the_other_way() -> None:
    """Little's law backwards, for the peak alone."""
    plan = planned(concurrent="360", mean_session="3m")
    assert plan.columns == ("peak",)
    assert row(plan, "session arrivals, /s") == pytest.approx((2,))
    assert row(plan, "sessions an hour") == pytest.approx((7200,))


def test_agents_are_the_fewest_that_keep_the_objective() -> None:
    """By the queue's own percentile; one agent fewer breaks it."""
    plan = planned(concurrent="3600", mean_session="3m", turns="5", service="500ms")
    (needed,) = row(plan, "agents needed")
    held = Queue.of(100.0, Service(0.5), int(needed)).percentile("response", 950)
    assert held <= 2.5 < Queue.of(100.0, Service(0.5), int(needed) - 1).percentile("response", 950)
    assert row(plan, "busy agents, erlangs") == pytest.approx((50,))
    assert row(plan, UTILISATION)[0] == pytest.approx(100 * 50 / needed, abs=0.1)


def test_humans_are_sized_by_the_wait_for_them() -> None:
    """Published: 100 calls in half an hour, 3 minutes each, 80 % within 20 s: 14 agents."""
    plan = planned(
        sessions_per_hour="2000",
        peak_to_mean="1",
        handoffs="10%",
        live_service="3m",
        live_slo="handoff_wait.p80=20s",
    )
    assert row(plan, "busy humans, erlangs")[0] == pytest.approx(10)
    assert row(plan, "humans needed")[0] == 14
    assert not any("humans" in row.name for row in planned().rows)


def test_traffic_is_what_sessions_turns_and_heartbeats_add_up_to() -> None:
    """By hand, from the bytes that docs/planning.md has."""
    plan = planned(concurrent="1800", mean_session="3m", turns="5", heartbeat="30s")
    assert row(plan, "heartbeats, /s") == pytest.approx((60,))
    sent = 8 * (10 * 374 + 50 * 650 + 60 * 50) / 1e6
    received = 8 * (10 * 2153 + 50 * 1538 + 60 * 147) / 1e6
    assert row(plan, "to the target, Mbit/s") == pytest.approx((sent,))
    assert row(plan, "from the target, Mbit/s") == pytest.approx((received,))
    assert row(plan, "  heartbeats of both, Mbit/s") == pytest.approx((8 * 60 * 197 / 1e6,))


@pytest.mark.parametrize(
    ("given", "cores"),
    [
        ({"turns": "5"}, math.ceil(1_000_000 / 11_500)),
        ({"turns": "18"}, math.ceil(1_000_000 / 11_500 * 2.6)),
        ({"turns": "18", "sessions_per_core": "10000"}, 100),
    ],
    ids=["people at their pace", "quicker people cost more", "one's own figure is of one's own"],
)
def test_the_generator_has_the_cores_that_were_measured(given: dict[str, str], cores: int) -> None:
    """At a turn every 26 s, and in proportion where turns come oftener."""
    plan = planned(**given)
    assert row(plan, "generator cores") == (cores,)
    assert row(plan, "generator memory, GB") == pytest.approx((40,))
    assert row(plan, "source IP addresses") == (36,)


@pytest.mark.parametrize(
    ("given", "cores", "gigabytes"),
    [
        ({"compressed": "100%"}, math.ceil(1_000_000 / 11_500 * 1.28), 103),
        ({"compressed": "25%"}, math.ceil(1_000_000 / 11_500 * 1.07), 55.75),
        ({"compressed": "50%", "session_kb": "60", "sessions_per_core": "10000"}, 100, 60),
    ],
    ids=["all of them", "a quarter", "one's own figures are of one's own"],
)
def test_what_is_compressed_takes_more_of_the_generator(
    given: dict[str, str], cores: int, gigabytes: float
) -> None:
    """By docs/benchmarks.md: 1.28 times the work, and zlib's 63 KB."""
    plan = planned(**given)
    assert row(plan, "generator cores") == (cores,)
    assert row(plan, "generator memory, GB") == pytest.approx((gigabytes,))


def test_a_capacity_says_how_many_deployments_and_for_how_long() -> None:
    """1,000 where 360 are the peak: 278 % of it; at 20 % a year, 5.6 years."""
    plan = planned(
        sessions_per_hour="2400", capacity="1000", growth="20%/year", years="10", mean_session="3m"
    )
    assert row(plan, "deployments needed") == (1, 1, 3)
    assert row(plan, "one deployment carries, %")[1] == pytest.approx(100 * 1000 / 360)
    assert any("for 5.6 years" in remark for remark in plan.remarks)
    small = planned(concurrent="2000", capacity="1000")
    assert "One deployment does not hold today's peak." in small.remarks


def test_deployments_are_reckoned_by_turns_where_a_search_counted_them() -> None:
    """60 people at a tenth of the time say as much as ten times as many: 2 carry 1,000, not 17."""
    inputs = read_inputs({"concurrent": "1000", "mean_session": "3m", "turns": "5"})
    measured = PlanInput(Carried(20.0, 60.0), "20.0 turns/s", "measured", "capacity.json")
    plan = make_plan({**inputs, "capacity": measured})
    assert row(plan, "turns, /s") == pytest.approx((1000 / 180 * 5,))
    assert row(plan, "deployments needed") == (2,)
    assert row(plan, "one deployment carries, %") == pytest.approx((100 * 20 / (1000 / 36),))
    assert any("up to 500 sessions at once then; the search had 60" in it for it in plan.remarks)
    enough = PlanInput(Carried(20.0, 600.0), "20.0 turns/s", "measured", "capacity.json")
    remarks = make_plan({**inputs, "capacity": enough}).remarks
    assert not any("sockets" in remark for remark in remarks)


def test_a_plan_without_a_margin_says_so() -> None:
    """At a million sessions Erlang C has every agent busy nearly always."""
    (said,) = planned(concurrent="1,000,000", service="720ms").remarks
    # 20,000 erlangs and 3 to 30 agents more
    assert "no margin" in said
    assert "0.0" in said
    assert planned(concurrent="100").remarks == ()


def test_the_storm_is_of_the_last_column_and_takes_a_minute_unless_told() -> None:
    """All three rules meet the same target."""
    plan = planned(sessions_per_hour="7200")
    assert {storm.sessions for storm in plan.storms} == {1080}
    assert {storm.upgrades_per_second for storm in plan.storms} == {18}
    told = planned(concurrent="1000", upgrades_per_second="500")
    assert told.storms[0].upgrades_per_second == 500


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"service": "1s"}, "3 s; raise the limit or shorten --service"),
        ({"concurrent": "1e9", "turns": "100"}, "too large"),
    ],
)
def test_what_cannot_be_kept_is_refused(given: dict[str, str], words: str) -> None:
    """With what stands against it."""
    with pytest.raises(UsageError) as refused:
        planned(**given)
    assert words in str(refused.value)


def test_every_row_has_its_formula_and_a_value_a_column() -> None:
    """Nothing is printed that a reader could not reckon again."""
    plan = planned(sessions_per_hour="7200", growth="5%", handoffs="5%", capacity="900")
    assert all(row.formula and len(row.values) == 3 for row in plan.rows)


def test_a_plan_is_json() -> None:
    """Strictly so: no infinities, no objects of ours."""
    text = json.dumps(planned(handoffs="5%").to_dict(), allow_nan=False)
    document = json.loads(text)
    assert document["schema"] == "loadkit.plan/1"
    assert document["inputs"]["slo"]["value"] == {
        "kind": "response",
        "per_mille": 950,
        "limit_s": 2.5,
    }
    assert [storm["policy"] for storm in document["storms"]] == ["sdk", "reference", "full jitter"]
    assert document["storms"][0]["back_after_s"] is None
