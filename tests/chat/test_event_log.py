"""The server's journal as one client sees it, by itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.chat.effects import Effect
from loadkit.chat.socket import event_log
from loadkit.chat.socket.event_log import OVERDUE, RECENT, EventLog
from loadkit.protocol import Event

from .helpers import beat, counts, event, message, start, system, violations


class Reader:
    """Feeds a journal and keeps what it says."""

    def __init__(self, upto: int = 0) -> None:
        """
        Args:
            upto: the highest sequence that was told in order already.
        """
        self.journal, self.out, self.replaying = EventLog(), list[Effect](), True
        self.journal.opened()
        if upto:
            self.tell(start(1))
            self.replaying = False
            self.numbers(*range(2, upto + 1))
        assert self.out == []

    def tell(self, *events: Event) -> list[bool]:
        return [self.journal.take(event, self.replaying, self.out) for event in events]

    def numbers(self, *sequences: int) -> None:
        self.tell(*(event("LANGUAGE_CHANGED", number) for number in sequences))

    def resume(self) -> None:
        self.journal.settle(self.out)
        self.journal.opened()
        self.replaying = True

    @property
    def found(self) -> list[str]:
        return violations(self.out)


# --- in order -------------------------------------------------------------------------------------


def test_numbers_that_rise_one_by_one_move_the_cursor_and_say_nothing() -> None:
    reader = Reader(300)
    assert reader.journal.cursor == 300


@pytest.mark.parametrize("first", [0, 1, 2, 50, 2**53, None])
def test_a_server_may_begin_to_count_wherever_it_likes(first: int | None) -> None:
    reader = Reader()
    reader.tell(start(first))
    reader.numbers(*((first or 0) + step for step in (1, 2, 3)))
    assert (reader.found, reader.journal.cursor) == ([], (first or 0) + 3)


def test_what_bears_no_number_has_no_place_in_the_journal() -> None:
    reader = Reader(4)
    reader.tell(event("POLY_AGENT_THINKING"), beat(), system("Error: Session not found"))
    assert (reader.found, reader.journal.cursor) == ([], 4)


def test_a_history_told_whole_again_was_asked_for() -> None:
    history = [start(None), event("LANGUAGE_CHANGED")]
    reader = Reader()
    reader.tell(*history)
    reader.resume()
    assert reader.journal.cursor == 0
    assert reader.tell(*history) == [False, False]
    assert reader.out == []


# --- ahead of the start ---------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", [None, 1, 7])
def test_an_event_ahead_of_session_start_is_a_violation_and_ignored(sequence: int | None) -> None:
    reader = Reader()
    assert reader.tell(event("POLY_AGENT_THINKING", sequence), start(1)) == [False, True]
    assert (reader.found, reader.journal.cursor) == (["event_before_start"], 1)


def test_what_is_of_the_socket_and_not_of_the_session_may_come_first() -> None:
    reader = Reader()
    assert reader.tell(beat(), system("Error: Session not found"), start(1)) == [True] * 3
    assert reader.found == []


# --- changes of order, gaps -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ([5, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17], ["sequence_not_rising"]),
        ([6, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15], ["sequence_not_rising"]),
        ([7, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16], ["sequence_not_rising"] * 2),
        ([5, 5, 6], ["sequence_not_rising"]),  # another event under the same number
        ([5, 6, 2, 7], ["sequence_not_rising"]),
        ([5, 6, -1, 7], ["sequence_not_rising"]),
    ],
)
def test_a_change_of_order_is_one_violation_for_each_that_was_overtaken_and_no_gap(
    order: list[int], found: list[str]
) -> None:
    reader = Reader(4)
    reader.numbers(*order)
    reader.journal.settle(reader.out)
    assert reader.found == found
    assert reader.journal.cursor == max(order)


def test_a_number_that_stays_away_is_a_gap_after_eight_more() -> None:
    reader = Reader(4)
    reader.numbers(6, *range(7, 7 + OVERDUE - 1))
    assert reader.found == []
    reader.numbers(6 + OVERDUE)
    assert reader.found == ["sequence_gap"]
    reader.numbers(*range(7 + OVERDUE, 40))
    reader.journal.settle(reader.out)
    assert reader.found == ["sequence_gap"], "it is told once"


def test_a_number_that_stays_away_is_a_gap_at_the_end_of_the_socket() -> None:
    reader = Reader(4)
    reader.numbers(6, 7)
    reader.resume()
    reader.numbers(8, 9)
    assert reader.found == ["sequence_gap"]


def test_numbers_that_leap_again_and_again_keep_no_more_holes_open_than_a_few() -> None:
    """Each leap is a numbered event too, so it is a gap's eighth at last."""
    reader = Reader(5)
    reader.numbers(*range(5 + OVERDUE + 1, 5 + 200 * (OVERDUE + 1), OVERDUE + 1))
    assert len(reader.found) >= (199 - OVERDUE) * OVERDUE
    reader.resume()
    assert reader.found == ["sequence_gap"] * 199 * OVERDUE


def test_two_gaps_are_two_violations() -> None:
    reader = Reader(4)
    reader.numbers(6, 8, 9)
    reader.journal.settle(reader.out)
    assert reader.found == ["sequence_gap"] * 2


@pytest.mark.parametrize("sequence", [100, 2**31, 2**53, 2**64 - 1])
def test_a_wide_gap_is_one_violation_and_eats_no_memory(sequence: int) -> None:
    reader = Reader(4)
    reader.numbers(sequence)
    reader.journal.settle(reader.out)
    assert (reader.found, reader.journal.cursor) == (["sequence_gap"], sequence)


@given(st.lists(st.integers(-2, 40), max_size=60), st.sets(st.integers(0, 60)))
def test_the_cursor_is_the_highest_number_and_never_falls(
    sequences: list[int], resumes: set[int]
) -> None:
    reader, highest = Reader(4), 4
    for step, sequence in enumerate(sequences):
        if step in resumes:
            reader.resume()
        reader.numbers(sequence)
        highest = max(highest, sequence)
        assert reader.journal.cursor == highest


@given(st.permutations(range(5, 13)))
def test_numbers_in_any_order_leave_no_gap(order: list[int]) -> None:
    reader = Reader(4)
    reader.numbers(*order)
    reader.journal.settle(reader.out)
    assert set(reader.found) <= {"sequence_not_rising"}


# --- a resume ------------------------------------------------------------------------------------


def test_a_replay_that_goes_on_after_the_cursor_is_right() -> None:
    reader = Reader(4)
    reader.resume()
    reader.numbers(5, 6, 7)
    assert reader.out == []


def test_what_a_replay_leaves_out_is_lost() -> None:
    reader = Reader(4)
    reader.resume()
    reader.numbers(8, 9)
    assert (reader.found, counts(reader.out)) == (["event_lost"], {"disconnects.events_lost": 3})


@pytest.mark.parametrize("sequence", [2**31, 2**53, 2**64 - 1])
def test_an_absurd_number_in_a_replay_does_not_eat_the_memory(sequence: int) -> None:
    reader = Reader(4)
    reader.resume()
    reader.numbers(sequence)
    assert (reader.found, reader.journal.cursor) == (["event_lost"], sequence)
    assert len(reader.out) <= 10_001


def test_a_gap_after_the_replay_is_no_loss_of_it() -> None:
    reader = Reader(4)
    reader.resume()
    reader.numbers(5)
    reader.replaying = False
    reader.numbers(7, 8)
    reader.journal.settle(reader.out)
    assert (reader.found, counts(reader.out)) == (["sequence_gap"], {})


def test_what_was_seen_already_is_a_replay_before_the_cursor_and_ignored() -> None:
    seen, older = event("LANGUAGE_CHANGED", 4), event("LANGUAGE_CHANGED", 2)
    reader = Reader(3)
    reader.tell(seen)
    reader.resume()
    assert reader.tell(seen, older) == [False, False], "by its id, and by its number"
    assert reader.found == ["replay_before_cursor"] * 2


# --- the same once more --------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", [5, None])
def test_the_same_event_twice_is_a_violation_and_taken_once(sequence: int | None) -> None:
    reader, twice = Reader(4), event("LANGUAGE_CHANGED", sequence)
    assert reader.tell(twice, twice) == [True, False]
    assert (reader.found, counts(reader.out)) == (
        ["event_repeated"],
        {"disconnects.events_duplicated": 1},
    )


def test_the_same_event_twice_inside_a_replay_is_no_replay_before_the_cursor() -> None:
    reader, twice = Reader(4), event("LANGUAGE_CHANGED", 5)
    reader.resume()
    reader.tell(twice, twice)
    assert reader.found == ["event_repeated"]


def test_heartbeats_may_all_bear_one_id() -> None:
    reader = Reader(4)
    reader.tell(event("HEARTBEAT", id=""), event("HEARTBEAT", id=""))
    assert reader.out == []


def test_a_message_id_that_is_used_again_is_a_violation() -> None:
    reader = Reader(4)
    for message_id in ("a", "b", "a"):
        reader.journal.message(message_id, reader.out)
    assert reader.found == ["message_id_reused"]


@pytest.mark.parametrize("message_id", [None, 5, [], {"a": []}])
def test_what_is_no_message_id_cannot_be_used_again(message_id: object) -> None:
    reader = Reader(4)
    reader.journal.message(message_id, reader.out)
    reader.journal.message(message_id, reader.out)
    assert reader.out == []


def test_an_id_that_lies_across_two_others_is_not_known() -> None:
    """Only whole hashes are compared."""
    one = bytes(range(8))
    assert not event_log._holds(bytes(4) + one + bytes(4), one)
    assert event_log._holds(bytes(4) + one + bytes(4) + one, one)


def test_what_is_remembered_does_not_grow_with_the_length_of_a_session() -> None:
    reader = Reader(4)
    for sequence in range(5, 5000):
        reader.tell(message("Yes?", sequence))
        reader.journal.message(f"m-{sequence}", reader.out)
    journal = reader.journal
    assert len(journal._recent) == len(journal._message_ids) == 8 * RECENT
    assert reader.out == []
