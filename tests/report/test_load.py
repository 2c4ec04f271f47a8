"""The chart of the two loads, read back from its characters."""

from dataclasses import replace
from typing import Any

from loadkit.report.load import HEIGHT, WIDTH, drawn
from loadkit.report.markdown import document

Point = tuple[float, float, float, float]


def chart(make: Any, points: list[Point], *, model: str = "closed", **more: Any) -> list[str]:
    return list(drawn(replace(make(), load={"model": model, "points": points}, **more)))


def steady(
    number: int, asked: float = 100.0, delivered: float = 100.0, since: int = 0
) -> list[Point]:
    return [(float(since + at), 1.0, asked, delivered) for at in range(number)]


def canvas(lines: list[str]) -> list[str]:
    """What stands right of the axis, from the top."""
    found = [line.partition("│")[2] for line in lines[1 : 1 + HEIGHT]]
    width = lines[1 + HEIGHT].count("─")
    return [line.ljust(width) for line in found]


def test_a_load_that_is_delivered_fills_the_chart(make: Any) -> None:
    """The line of what was asked for hides behind the blocks."""
    assert canvas(chart(make, steady(40))) == ["█" * 40] * HEIGHT


def test_a_load_that_is_missing_shows_what_was_asked_for_above(make: Any) -> None:
    """From the tenth second on half is missing."""
    lines = canvas(chart(make, [*steady(10), *steady(10, delivered=50, since=10)]))
    assert lines[0] == "█" * 10 + "─" * 10
    assert lines[HEIGHT // 2 - 1] == "█" * 10 + " " * 10
    assert lines[HEIGHT // 2] == lines[-1] == "█" * 20


def test_a_height_is_true_to_an_eighth_of_a_line(make: Any) -> None:
    """As the blocks of the character set allow."""
    for percent in range(0, 101, 5):
        points = [(0.0, 1.0, 100.0, 100.0), (1.0, 1.0, 0.0, float(percent))]
        column = [line[1] for line in canvas(chart(make, points))]
        eighths = sum(" ▁▂▃▄▅▆▇█".index(char) for char in column)
        assert abs(eighths - percent / 100 * 8 * HEIGHT) <= 0.5


def test_more_load_than_was_asked_for_is_drawn_too(make: Any) -> None:
    """The scale is that of the larger one."""
    lines = chart(make, steady(10, asked=50))
    assert lines[1].startswith("100 ")
    assert set("".join(canvas(lines))) == {"█"}


def test_incidents_are_marked_below_the_time_at_which_they_were(make: Any) -> None:
    """One from 10 to 14 s of 40, one from 30 s to the end."""
    incidents = ({"begin_s": 10.0, "end_s": 14.0}, {"begin_s": 30.0, "end_s": None})
    # Only where they lie is of interest here.
    last = chart(make, steady(40), incidents=incidents)[-1]
    start = len("100 ") + 1
    assert last[start:] == " " * 10 + "▲" * 5 + " " * 15 + "▲" * 10 + " incidents"


def test_a_long_run_fits_into_80_columns(make: Any) -> None:
    """With its labels, however high the numbers."""
    day = [(720.0 * at, 720.0, 123_456.0, 120_000.0 - at) for at in range(120)]
    lines = chart(make, day, incidents=({"begin_s": 80_000.0, "end_s": None},))
    assert max(map(len, lines)) <= 80
    assert max(map(len, canvas(lines))) == WIDTH
    assert any(line.rstrip().endswith("86,400 s") for line in lines)


def test_each_model_has_its_unit(make: Any) -> None:
    """Users are not arrivals."""
    assert chart(make, steady(5))[0].startswith("sessions with an open socket")
    assert chart(make, steady(5), model="open")[0].startswith("sessions begun")


def test_a_run_without_a_load_has_no_chart(make: Any) -> None:
    """Nor one of which nothing is known, as of an older version."""
    assert chart(make, steady(5, asked=0, delivered=0)) == []
    assert list(drawn(make())) == []


def test_the_page_has_it_as_it_is(make: Any) -> None:
    """In a block where no character is markup."""
    summary = replace(make(), load={"model": "closed", "points": steady(40)})
    assert "\n```\n" + "\n".join(drawn(summary)) + "\n```\n" in document(summary)
