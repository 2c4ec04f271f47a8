"""Dataclasses as plain types, and what is refused as they are read again."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgpack
import pytest

from loadkit.codec import AS_LIST, OPTIONAL, Codec, Count, Flag, Name, Seconds, known, whole


@dataclass(frozen=True, slots=True)
class Place:
    at: Seconds
    names: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class Box:
    many: Count
    is_open: Flag
    colour: Annotated[Name, known({"red", "blue"}, "colour")]
    places: Mapping[Name, Annotated[Place, AS_LIST]]
    note: Annotated[Name, OPTIONAL] = ""


@dataclass(slots=True)
class Sum:
    total: Count = 0
    parts: tuple[Count, ...] = field(default_factory=tuple)


BOX = Codec[Box](Box)
SUM = Codec[Sum](Annotated[Sum, whole("total")])
GOOD = {"many": 3, "is_open": True, "colour": "red", "places": {"a": [1.5, ["x", "y"]]}}
MADE = Box(3, True, "red", {"a": Place(1.5, ("x", "y"))})


def test_plain_types_are_those_of_msgpack_and_json_alike() -> None:
    """Tuples are lists there; what is empty and may be left out is left out."""
    assert BOX.encode(MADE) == GOOD
    assert json.loads(BOX.json(MADE)) == GOOD
    assert BOX.encode(Box(0, False, "blue", {}, "why"))["note"] == "why"


def test_what_was_written_is_read_again() -> None:
    assert BOX.decode(json.loads(json.dumps(GOOD))) == MADE
    assert BOX.decode(msgpack.unpackb(msgpack.packb(GOOD))) == MADE


def test_a_key_of_a_later_version_is_passed_over() -> None:
    assert BOX.decode(GOOD | {"new": 1}) == MADE


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"many": "3"}, 'many: should be a valid integer, not "3"'),
        ({"many": True}, "many: should be a valid integer, not true"),
        ({"many": 0.5}, "many: should be a valid integer"),
        ({"many": -1}, "many: should be greater than or equal to 0, not -1"),
        ({"many": 10**16}, "many: should be less than"),
        ({"is_open": 1}, "is_open: should be a valid boolean"),
        ({"colour": "green"}, "colour: no colour is called so"),
        ({"colour": 3}, "colour: should be a valid string"),
        ({"colour": b"red"}, "colour: should be a valid string"),
        ({"places": []}, "places: should be"),
        ({"places": {"a": {"at": 1.0, "names": []}}}, "places.a: should be a list of 2"),
        ({"places": {"a": [1.0]}}, "places.a: should be a list of 2"),
        ({"places": {"a": [float("nan"), []]}}, "places.a.at: should be a finite number"),
        ({"places": {"a": [1.0, "xy"]}}, "places.a.names: should be"),
        ({"places": {"a" * 1_001: [1.0, []]}}, "should have at most 1000 characters"),
        ({"many": -1, "is_open": 1}, "many: should be greater than or equal to 0, not -1; and 1"),
    ],
)
def test_what_it_may_not_be_is_named_with_its_place(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        BOX.decode(GOOD | change)


@pytest.mark.parametrize("name", ["many", "is_open", "colour", "places"])
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} is missing$"):
        BOX.decode({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize("plain", [None, 3, "x", [], [1, 2]])
def test_what_is_no_such_thing_at_all_is_refused(plain: object) -> None:
    with pytest.raises(ValueError, match="should be"):
        BOX.decode(plain)


def test_what_can_begin_empty_says_all_of_itself_where_it_is_read() -> None:
    assert SUM.decode({"total": 3}) == Sum(3)
    with pytest.raises(ValueError, match="total is missing"):
        SUM.decode({"parts": [1]})
