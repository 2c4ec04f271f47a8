"""The tables of a profile: defaults and what they refuse."""

from typing import Any

import pytest
from pydantic import ValidationError

from loadkit.plan.settings import Connection, Conversation, Load, Turns

STAGES = [{"duration": "10s", "users": 5}, {"duration": "1m", "users": 3}]


def test_stages_add_up():
    load = Load.model_validate({"stages": STAGES})
    assert load.duration_s == 70.0
    assert load.peak_users == 5
    assert (load.model, load.warmup, load.seed) == ("closed", 0.0, 1)


def test_defaults_are_those_of_the_documentation():
    assert Conversation().model_dump() == {
        "turns": {"min": 2, "max": 5},
        "dialogues": "builtin",
        "time_scale": 1.0,
        "patience": 60.0,
        "resend": "never",
        "cursor": "seq",
        "platform": "web",
        "pause": 1.0,
    }
    assert Connection().model_dump() == {"handshake": 10.0, "max_reconnect_attempts": None}


@pytest.mark.parametrize(
    ("load", "complaint"),
    [
        ({"stages": []}, "stages is empty"),
        ({"stages": [{"duration": 0, "users": 5}]}, "last 0 s in all"),
        ({"stages": [{"duration": 9, "users": 0}]}, "never ask for a user"),
        ({"stages": STAGES, "warmup": "70s"}, "leaves nothing to measure"),
        ({"stages": STAGES, "model": "open"}, "'closed'"),
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
        Conversation.model_validate(wrong)


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Turns().min = 3  # type: ignore[misc]
