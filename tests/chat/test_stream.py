"""The chunks of one message."""

from itertools import permutations
from typing import Any

import pytest

from loadkit.chat.turns.stream import LONGEST, MOST_CHUNKS, StreamedAnswer


def stream_of(*payloads: dict[str, Any]) -> tuple[str, list[str]]:
    """The text of some chunks and the violations they made."""
    stream = StreamedAnswer(1, 0.0)
    found = [stream.add(payload) for payload in payloads]
    return stream.text, [kind for kind in found if kind is not None]


def chunk(index: Any, text: Any = "") -> dict[str, Any]:
    return {"chunk_index": index, "text": text}


def test_texts_are_put_together_as_they_are() -> None:
    assert stream_of(chunk(1, "a "), chunk(2, " b"), chunk(3)) == ("a  b", [])


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])))
def test_texts_stand_in_the_order_of_their_index_in_whichever_they_came(
    order: tuple[int, ...],
) -> None:
    text, _ = stream_of(*(chunk(index, str(index)) for index in order))
    assert text == "123"


@pytest.mark.parametrize("index", [0, -1, None, True, "1", 1.0, [], {}])
def test_an_index_that_is_no_integer_from_one_up_is_a_violation_and_adds_nothing(
    index: Any,
) -> None:
    assert stream_of(chunk(index, "x")) == ("", ["chunk_index_missing"])


def test_a_chunk_without_an_index_is_the_same_violation() -> None:
    assert stream_of({"text": "x"}) == ("", ["chunk_index_missing"])


def test_a_repeated_index_is_a_violation_and_the_first_text_stays() -> None:
    assert stream_of(chunk(1, "a"), chunk(1, "b")) == ("a", ["chunk_index_repeated"])


def test_a_missing_chunk_is_one_violation_however_many_chunks_follow() -> None:
    text, found = stream_of(*(chunk(index, str(index)) for index in (1, 3, 4, 5)))
    assert (text, found) == ("1345", ["chunk_index_gap"])


def test_two_chunks_that_changed_places_are_one_violation() -> None:
    _, found = stream_of(chunk(1), chunk(3), chunk(2), chunk(4))
    assert found == ["chunk_index_gap"]


def test_a_stream_that_does_not_begin_at_one_has_a_gap() -> None:
    assert stream_of(chunk(2, "b"), chunk(3, "c")) == ("bc", ["chunk_index_gap"])


@pytest.mark.parametrize("text", [None, 5, True, [], {}])
def test_a_text_that_is_no_text_is_an_empty_one(text: Any) -> None:
    assert stream_of(chunk(1, "a"), chunk(2, text)) == ("a", [])


@pytest.mark.parametrize("index", [None, 1], ids=["in order", "all of them the first"])
def test_a_stream_of_too_many_chunks_is_too_big(index: int | None) -> None:
    stream = StreamedAnswer(1, 0.0)
    for number in range(1, MOST_CHUNKS + 1):
        stream.add(chunk(index or number))
    assert not stream.is_too_big
    stream.add(chunk(index or MOST_CHUNKS + 1))
    assert stream.is_too_big


def test_a_stream_of_too_long_a_text_is_too_big() -> None:
    stream = StreamedAnswer(1, 0.0)
    stream.add(chunk(1, "x" * LONGEST))
    assert not stream.is_too_big
    stream.add(chunk(2, "x"))
    assert stream.is_too_big
