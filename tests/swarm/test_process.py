"""How a process ends that leads, or was to, where Python would end it with 1."""

import pytest

from loadkit.swarm.process import uncaught

LONG = "a" * 5_000


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (AssertionError("oh"), 70, "a fault of loadkit itself"),
        (OSError(36, "File name too long", LONG), 2, "…"),
        (ValueError("oh"), 70, "ValueError: oh"),
    ],
)
def test_what_locust_trips_over_ends_with_a_code_of_ours(
    error: Exception, code: int, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """By Locust's own command, too: a file that an option names is the user's, all else is ours."""
    with pytest.raises(SystemExit) as ended:
        uncaught(type(error), error, None)
    assert ended.value.code == code
    said = capfd.readouterr().err
    assert told in said
    assert len(said) < 1_000
