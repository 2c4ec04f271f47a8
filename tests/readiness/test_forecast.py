"""How many samples a run brings: reckoned by hand where all sessions are alike."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.figures import Count, Phase
from loadkit.profile.scenario import Errand, SessionKind
from loadkit.profile.stages import users_at
from loadkit.profile.tables import Load, Stage
from loadkit.readiness.forecast import Forecast, present
from loadkit.readiness.rehearsal import Pace

from .test_rehearsal import people

IDLE = SessionKind("IdleChat", Errand.IDLE)
OUTINGS = {"CompleteChat": SessionKind("CompleteChat"), "IdleChat": IDLE}
PACE = Pace(entry=1, join=2, greeting=4, answer=10)
STAYS = {"duration": {"median": 14.0, "sigma": 0.0}}  # in all 19 s, and 1 s until the next one

Wanted = tuple[str, ...]


def closed(*stages: tuple[float, int], **more: Any) -> Load:
    return Load(stages=[Stage(duration=length, users=users) for length, users in stages], **more)


def opened(*stages: tuple[float, float], **more: Any) -> Load:
    legs = [Stage(duration=length, arrivals_per_second=rate) for length, rate in stages]
    return Load(model="open", stages=legs, **more)


def idlers(load: Load, wanted: Wanted = (Phase.GREETING,), **tables: Any) -> dict[str, float]:
    """What those bring who are greeted after 5 s, leave after 19 s and begin again after 20 s."""
    tables = {"mix": {"IdleChat": 1.0}, "idle": STAYS, "conversation": {"pause": 1.0}} | tables
    profile = people(load=load.model_dump(), **tables)
    return dict(Forecast(profile, OUTINGS, PACE, wanted).samples(load)["IdleChat"])


@pytest.mark.parametrize(
    ("load", "greetings"),
    [
        (closed((0, 3), (100, 3)), 15),  # five sessions each
        (closed((0, 3), (104, 3)), 15),  # the sixth are not greeted before the end
        (closed((0, 3), (106, 3)), 18),
        (closed((0, 3), (100, 3), warmup=10), 12),  # the first of each lie in the warm-up
        (closed((0, 3), (100, 3), warmup=30), 9),
        (closed((0, 3), (50, 3), (0, 1), (50, 1)), 9 + 2),  # two go, and one stays
        (closed((0, 3), (50, 3), (0, 0), (30, 0), (0, 3), (50, 3)), 18),  # all go and come back
        (closed((0, 1000), (100, 1000)), 5000),
        (closed((0, 3), (20_000, 3)), 3000),  # more than is followed session by session
        (closed((0, 3), (40_000, 3), warmup=20_000), 3000),
    ],
)
def test_a_closed_load_brings_what_its_users_live_one_after_the_other(
    load: Load, greetings: int
) -> None:
    assert idlers(load)[Phase.GREETING] == pytest.approx(greetings, rel=1e-3)


def test_users_of_a_ramp_begin_as_they_come() -> None:
    """200 users in 100 s, each greeted 5 s after coming and every 20 s: the sum of a triangle."""
    found = idlers(closed((100, 200)))
    assert found[Phase.GREETING] == pytest.approx(200 * (100 - 5 + 10) / 2 / 20, rel=0.05)


@pytest.mark.parametrize(
    ("load", "greetings"),
    [
        (opened((0, 2), (100, 2)), 2 * 95),  # whoever comes in the last 5 s is not greeted
        (opened((0, 2), (100, 2), warmup=41), 2 * (95 - 40)),  # the join is asked for a second in
        (opened((100, 4)), 2 * 95**2 / 100),
        # Ten find room where thirty-eight would be: at most ten in each 19 s.
        (opened((0, 2), (1900, 2), max_concurrent=10), 10 * 1900 / 19),
    ],
)
def test_an_open_load_brings_what_its_arrivals_live(load: Load, greetings: float) -> None:
    assert idlers(load)[Phase.GREETING] == pytest.approx(greetings, rel=0.03)


def test_a_class_brings_its_share_of_the_mix() -> None:
    load = closed((0, 40), (100, 40))
    profile = people(mix={"IdleChat": 3.0, "CompleteChat": 1.0}, idle=STAYS)
    found = Forecast(profile, OUTINGS, PACE, [Phase.GREETING]).samples(load)
    assert found["IdleChat"][Phase.GREETING] > 2 * found["CompleteChat"][Phase.GREETING] > 0


def test_a_class_that_lives_no_sessions_brings_nothing_and_keeps_its_share() -> None:
    """A plain user of Locust's, beside ours."""
    load = closed((0, 40), (100, 40))
    alone = idlers(load)[Phase.GREETING]
    shared = idlers(load, mix={"IdleChat": 1.0, "Other": 1.0})[Phase.GREETING]
    assert shared == pytest.approx(alone / 2)


def test_a_storm_cuts_off_its_share_of_those_who_are_there() -> None:
    """Nineteen in twenty of the users have a session at any moment but the first."""
    storm = {"at": 50.0, "share": 0.5}
    chaos = {"storms": [storm, {"at": 2.0, "share": 1.0}]}  # the second one lies in the warm-up
    load = closed((0, 100), (100, 100), warmup=10)
    found = idlers(load, (Phase.RECONNECT,), chaos=chaos)
    assert found[Phase.RECONNECT] == pytest.approx(50)


def test_sessions_that_are_found_under_way_end_sooner() -> None:
    """Half of what is left on average is over before a first whole one would be."""
    whole, rest = (
        idlers(closed((0, 100), (15, 100), stagger=stagger), (Phase.END,))[Phase.END]
        for stagger in (False, True)
    )
    assert whole == 0
    assert rest == pytest.approx(100 * (15 - 5) / 14, rel=0.2)


def test_twice_the_users_bring_twice_the_samples() -> None:
    wanted = Phase.RESPONSE, Count.TURNS_SENT
    of = Forecast(people(3), OUTINGS, PACE, wanted).samples
    once, twice = (of(closed((10, users), (300, users)))["CompleteChat"] for users in (50, 100))
    assert once[Phase.RESPONSE] > 100
    assert all(twice[what] == pytest.approx(2 * once[what], rel=0.02) for what in wanted)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=6),
    st.integers(0, 4),
)
@settings(max_examples=40)
def test_users_are_there_whenever_the_stages_have_as_many(
    legs: list[tuple[int, int]], level: int
) -> None:
    """Held against the number of users that the run itself asks for, at moments in between."""
    stages = [Stage(duration=float(length), users=users) for length, users in legs]
    spans = list(present(stages, level + 0.5))
    assert all(begin <= end for begin, end in spans)
    for tick in range(10 * sum(length for length, _ in legs)):
        at = tick / 10 + 0.0123
        asked = users_at(stages, at)
        assert asked is not None
        assert any(begin <= at < end for begin, end in spans) is (asked > level)
