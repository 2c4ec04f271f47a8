"""What is said of a change once it is judged."""

from loadkit.compare.comparison import Change
from loadkit.compare.unjudged import Unjudged, judge


def test_a_large_change_that_nothing_is_known_about_says_why_it_is_noise() -> None:
    """Some samples more, and it may be none: five times as long, of a few."""
    large = Change("connect.p90", "latency", 1.0, 4.68, 3.68)
    known = Change("connect.p50", "latency", 1.0, 1.1, 0.1, (-0.2, 0.4))
    (first, second), judged = judge([Unjudged(large, 0.4), Unjudged(known, 0.4)])
    assert (first.verdict, second.verdict, judged) == ("noise", "noise", 2)
    assert first.why == "too few samples to tell what the change lies between"
    assert not second.why
