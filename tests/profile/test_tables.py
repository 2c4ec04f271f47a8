"""The tables of a profile: defaults and what they refuse."""

from typing import Any

import pytest
from pydantic import ValidationError

from loadkit.profile.tables import (
    MAX_CONCURRENT,
    ConnectionTable,
    ConversationTable,
    Load,
    Results,
    TurnsRange,
)

STAGES = [{"duration": "10s", "users": 5}, {"duration": "1m", "users": 3}]
OPEN = {
    "model": "open",
    "stages": [
        {"duration": "10s", "arrivals_per_second": 5},
        {"duration": "1m", "arrivals_per_second": 2.5},
    ],
}


def test_stages_add_up():
    load = Load.model_validate({"stages": STAGES})
    assert load.duration_s == 70.0
    assert load.peak_users == 5
    assert (load.model, load.warmup, load.seed) == ("closed", 0.0, 1)


def test_an_open_load_has_its_defaults_and_sums():
    load = Load.model_validate(OPEN)
    assert (load.arrivals, load.max_concurrent) == ("poisson", MAX_CONCURRENT)
    assert (load.peak_rate, load.peak_users, load.duration_s) == (5.0, 0, 70.0)
    assert load.expected_arrivals == 10 * 2.5 + 60 * 3.75


@pytest.mark.parametrize("load", [{"stages": STAGES}, OPEN, OPEN | {"arrivals": "uniform"}])
def test_a_load_of_either_model_survives_the_way_to_a_worker(load: dict[str, Any]):
    whole = Load.model_validate(load)
    assert Load.model_validate_json(whole.model_dump_json()) == whole


@pytest.mark.parametrize(
    ("model", "stage", "place", "mend"),
    [
        ("open", {"users": 5}, "users", 'write arrivals_per_second, or model = "closed"'),
        ("closed", {"arrivals_per_second": 5}, "arrivals_per_second", "write users, or model = "),
    ],
)
def test_a_stage_of_the_other_model_is_told_with_its_place_beside_the_rest(
    model: str, stage: dict[str, Any], place: str, mend: str
):
    with pytest.raises(ValidationError) as told:
        Load.model_validate(
            {"model": model, "stages": [{"duration": 1} | stage, {"duration": "x"}]}
        )
    found = {error["loc"]: error["msg"] for error in told.value.errors()}
    assert mend in found["stages", 0, place]
    assert "should be a duration" in found["stages", 1, "duration"]


def test_defaults_are_those_of_the_documentation():
    assert ConversationTable().model_dump() == {
        "turns": {"min": 2, "max": 5},
        "columns": {"text": None, "conversation": None, "intent": None, "speaker": None},
        "dialogues": "builtin",
        "time_scale": 1.0,
        "patience": 60.0,
        "resend": None,
        "cursor": "seq",
        "platform": None,
        "pause": 1.0,
    }
    assert ConnectionTable().model_dump() == {
        "handshake": 10.0,
        "max_reconnect_attempts": None,
        "recycle": 7200.0,
        "deflate": None,
    }


@pytest.mark.parametrize(
    ("load", "complaint"),
    [
        ({"stages": []}, "stages is empty"),
        ({"stages": [{"duration": 0, "users": 5}]}, "last 0 s in all"),
        ({"stages": [{"duration": 9, "users": 0}]}, "never ask for a user"),
        ({"stages": STAGES, "warmup": "70s"}, "leaves nothing to measure"),
        ({"stages": STAGES, "model": "half-open"}, "'closed' or 'open'"),
        ({"stages": STAGES, "arrivals": "poisson"}, "is for the open model"),
        ({"stages": STAGES, "max_concurrent": 10}, "is for the open model"),
        ({"stages": [{"duration": 9}]}, "Field required"),
        ({"stages": [{"duration": 9, "users": None}]}, "Field required"),
        (OPEN | {"arrivals": "bursty"}, "'poisson' or 'uniform'"),
        (OPEN | {"max_concurrent": 0}, "greater than or equal to 1"),
        (OPEN | {"stages": [{"duration": 9, "arrivals_per_second": -1}]}, "greater than or equal"),
        (OPEN | {"stages": [{"duration": 9, "arrivals_per_second": 0}]}, "ask for an arrival"),
        (
            OPEN
            | {
                "stages": [
                    {"duration": 9, "arrivals_per_second": 0},
                    {"duration": 0, "arrivals_per_second": 7},
                ]
            },
            "ask for an arrival",
        ),
        (OPEN | {"stages": []}, "arrivals_per_second = 1"),
        ({"stages": STAGES, "seed": -1}, "greater than or equal to 0"),
        ({"stages": STAGES, "seed": True}, "valid integer"),
        ({"stages": [{"duration": 9, "users": "5"}]}, "valid integer"),
        ({"stages": [{"duration": 9, "users": 1.5}]}, "integer"),
        ({"stages": STAGES, "sed": 1}, "Extra inputs"),
        ({}, "Field required"),
    ],
)
def test_a_load_that_is_none_is_refused(load: dict[str, Any], complaint: str):
    with pytest.raises(ValidationError, match=complaint):
        Load.model_validate(load)


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_scale": 0},
        {"time_scale": float("inf")},
        {"patience": 0},
        {"resend": "always"},
        {"cursor": "number"},
        {"platform": "windows"},
        {"dialogues": ""},
        {"dialogues": "builtin:"},
        {"dialogues": "builtin:space"},
        {"turns": {"min": 0}},
        {"turns": {"min": 6}},
        {"turns": 3},
    ],
)
def test_a_conversation_that_cannot_be_held_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ValidationError):
        ConversationTable.model_validate(wrong)


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        TurnsRange().min = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("written", "seconds"), [("100ms", 0.1), ("1s", 1.0), (2.5, 2.5), ("1m", 60.0)]
)
def test_an_interval_is_a_tenth_of_a_second_to_a_minute(written: object, seconds: float) -> None:
    """Both ends included."""
    assert Results.model_validate({"interval": written}).interval == seconds


@pytest.mark.parametrize("written", ["99ms", "61s", 0, -1, "often"])
def test_any_other_interval_is_refused(written: object) -> None:
    """Shorter ones would be mostly empty, longer ones would hide what happened."""
    with pytest.raises(ValidationError):
        Results.model_validate({"interval": written})


def test_a_row_lasts_a_second_unless_told_otherwise() -> None:
    """It is what the columns of a chart are read in."""
    assert Results().interval == 1.0
