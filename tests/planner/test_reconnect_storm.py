"""Reconnect storms, against the back-off's own rule and what arithmetic says of them."""

import random

import pytest

from loadkit.chat.socket.reconnect import backoff
from loadkit.planner import reconnect_storm as storms
from loadkit.planner.reconnect_storm import ATTEMPTS, BIN, POLICIES, simulate

SDK, REFERENCE, FULL = POLICIES
ENDLESS = 1e12  # upgrades a second


@pytest.mark.parametrize(("policy", "sdk"), [(SDK, True), (REFERENCE, False)])
def test_the_rules_are_those_of_the_virtual_users(policy: object, sdk: bool) -> None:
    """A thousand draws of each attempt lie within the rule's bounds, and fill them."""
    rng = random.Random(1)
    for attempt in range(1, ATTEMPTS + 1):
        low, high = policy.wait(attempt)  # type: ignore[attr-defined]
        draws = [backoff(attempt, rng.random(), sdk=sdk) for _ in range(1000)]
        assert low <= min(draws) <= low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) <= max(draws) <= high


def test_full_jitter_has_the_references_base_and_ceiling() -> None:
    """Brooker's rule: anywhere from 0 to 1, 2, 4, 8, 16, 30, 30 … s."""
    assert [FULL.wait(n) for n in (1, 2, 5, 6, 10)] == [
        (0.0, 1.0),
        (0.0, 2.0),
        (0.0, 16.0),
        (0.0, 30.0),
        (0.0, 30.0),
    ]


@pytest.mark.parametrize(("policy", "window"), [(SDK, 0.4), (REFERENCE, 0.4), (FULL, 1.0)])
def test_a_target_without_a_limit_sees_one_even_wave(policy: object, window: float) -> None:
    """Everyone is back by the first attempt, at sessions ÷ the width of its jitter a second."""
    storm = simulate(policy, 1_000_000, ENDLESS)  # type: ignore[arg-type]
    assert storm.attempts_each == pytest.approx(1)
    assert storm.gave_up == 0
    assert storm.peak == pytest.approx(1_000_000 / window, rel=0.02)
    low, high = storm.policy.wait(1)
    assert storm.back_after == pytest.approx(low + 0.99 * (high - low), abs=0.02)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
@pytest.mark.parametrize("sessions", [1, 50_000])
def test_nobody_is_lost_or_let_in_twice(
    policy: object, sessions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each session is back or has given up, and no more come in than the target takes."""
    monkeypatch.setattr(storms, "_MOST_CLIENTS", 1_000)
    takes = max(1.0, sessions / 60)
    storm = simulate(policy, sessions, takes)  # type: ignore[arg-type]
    assert sum(storm.accepted) + storm.gave_up == pytest.approx(sessions)
    assert len(storm.attempts) == len(storm.accepted)
    grain = max(1.0, sessions / 1_000)  # of one client that is simulated
    assert max(storm.accepted) <= takes * BIN + 2 * grain
    assert all(a >= b for a, b in zip(storm.attempts, storm.accepted, strict=True))
    assert storm.attempts_each <= ATTEMPTS


def test_a_target_that_lets_hardly_anyone_in_is_tried_ten_times_by_all() -> None:
    """Then they give up, which is never "99 % are back"."""
    storm = simulate(SDK, 1000, 1e-9)
    assert sum(storm.attempts) == 10_000
    assert storm.gave_up == 1000
    assert storm.back_after is None


def test_a_flat_poll_keeps_the_crowd_together_and_jitter_scatters_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The SDKs' attempts after the first are 10 s apart: within 0.4 s, each time, all of them."""
    monkeypatch.setattr(storms, "_MOST_CLIENTS", 2_000)
    sdk, full = (simulate(policy, 20_000, 20_000 / 60) for policy in (SDK, FULL))
    silent = sum(count == 0 for count in sdk.attempts)
    assert silent > 0.9 * len(sdk.attempts)
    assert sdk.gave_up > 0.9 * sdk.sessions
    assert full.gave_up < 0.01 * full.sessions
    assert full.back_after is not None
    assert full.back_after >= 0.99 * 60  # the target's own limit


def test_a_storm_is_the_same_every_time_and_at_every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded; and with ten times the sessions and the target, ten times the attempts."""
    monkeypatch.setattr(storms, "_MOST_CLIENTS", 500)
    small = simulate(FULL, 500, 100)
    assert simulate(FULL, 500, 100) == small
    large = simulate(FULL, 5_000, 1_000)
    assert large.back_after == small.back_after
    assert large.peak == pytest.approx(10 * small.peak)


@pytest.mark.parametrize(("sessions", "takes"), [(0, 1.0), (1, 0.0), (1, -1.0), (1, float("nan"))])
def test_no_storm_without_sessions_or_without_a_target(sessions: int, takes: float) -> None:
    """It would have no end, or no beginning."""
    with pytest.raises(ValueError, match="storm"):
        simulate(SDK, sessions, takes)
