"""The journal and the cursor."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.simulator.session.channel import SessionLog, parse_cursor


@pytest.mark.parametrize(
    ("text", "cursor"),
    [
        (None, 0),
        ("", 0),
        ("0", 0),
        ("7", 7),
        ("seq:7", 7),
        ("seq:0", 0),
        ("seq:", 0),
        ("seq:seven", 0),
        ("seq:seq:7", 0),
        ("-7", 0),
        ("seq:-7", 0),
        ("7.0", 0),
        ("²", 0),
        ("٣", 0),
        ("9" * 5000, 0),
    ],
)
def test_a_cursor_is_a_number_with_or_without_its_prefix_and_nonsense_is_0(
    text: str | None, cursor: int
) -> None:
    assert parse_cursor(text) == cursor


@settings(max_examples=40)
@given(st.text())
def test_no_cursor_is_ever_an_error(text: str) -> None:
    assert parse_cursor(text) >= 0


@given(st.integers(0, 60), st.integers(0, 80), st.sets(st.integers(1, 60)))
def test_the_replay_is_what_came_after_the_cursor_in_order_whatever_was_skipped(
    length: int, cursor: int, skipped: set[int]
) -> None:
    journal, kept = SessionLog(), list[int]()
    for sequence in range(1, length + 1):
        assert journal.last == sequence - 1
        if sequence in skipped:
            journal.skip()
        else:
            journal.append(b"%d" % sequence)
            kept.append(sequence)
    assert len(journal) == len(kept)
    assert [int(event) for event in journal.after(cursor)] == [n for n in kept if n > cursor]
    seen = journal.up_to(cursor)
    assert (None if seen is None else int(seen)) == max(
        (n for n in kept if n <= cursor), default=None
    )
