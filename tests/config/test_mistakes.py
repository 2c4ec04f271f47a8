"""What pydantic finds wrong, in sentences that mend it."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError, field_validator

from loadkit.config.mistakes import ConfigError, did_you_mean, flaws
from loadkit.config.table import Duration, Ratio, Table


class Fixed(Table):
    kind: Literal["fixed"] = "fixed"
    value: Duration


class Other(Table):
    kind: Literal["other"] = "other"
    value: Duration


class Drawn(Table):
    kind: Literal["drawn", "drawn2"] = "drawn"
    median: Duration
    slow: Annotated[Fixed | Other, Field(discriminator="kind")] | None = None


class Leg(Table):
    users: Annotated[int, Field(ge=0)]
    model: Literal["open", "closed"] = "open"


class Settings(Table):
    name: str = "x"
    on: bool = True
    share: Ratio = 0.5
    seed: int = 1
    legs: Annotated[tuple[Leg, ...], Field(strict=False)] = ()
    wait: Annotated[Fixed | Drawn, Field(discriminator="kind")] = Fixed(value=1)
    leg: Leg | None = None
    mix: dict[Literal["cat", "dog"], Annotated[float, Field(ge=0)]] = Field(default={})

    @field_validator("name")
    @classmethod
    def _short(cls, name: str) -> str:
        if len(name) > 3:
            raise ValueError("should be short")
        return name


def told(settings: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(settings)
    return [f"{'.'.join(map(str, key))}: {said}" for key, said in flaws(caught.value, Settings)]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"nmae": 1}, "nmae: unknown key 'nmae'; did you mean 'name'?"),
        ({"leg": {"user": 1, "users": 1}}, "leg.user: unknown key 'user'; did you mean 'users'?"),
        ({"leg": {}}, "leg.users: is missing"),
        ({"leg": 5}, "leg: should be a table, not 5"),
        ({"legs": 5}, "legs: should be a list, not 5"),
        ({"legs": [{"users": -1}]}, "legs.0.users: should be greater than or equal to 0, not -1"),
        (
            {"legs": [{"users": 1}, {"users": 1, "model": "opne"}]},
            "legs.1.model: should be 'open' or 'closed', not 'opne'; did you mean 'open'?",
        ),
        ({"seed": "8"}, "seed: should be a whole number, not '8'"),
        ({"on": 1}, "on: should be true or false, not 1"),
        ({"name": 1}, "name: should be a text, not 1"),
        ({"name": "long"}, "name: should be short"),
        (
            {"share": "2%%"},
            "share: should be a ratio from 0 to 1, or a text such as \"1%\", not '2%%'",
        ),
        ({"wait": {"kind": "drawn"}}, "wait.median: is missing"),
        (
            {"wait": {"kind": "drawn2", "median": 1, "medain": 1}},
            "wait.medain: unknown key 'medain'; did you mean 'median'?",
        ),
        (
            {"wait": {"kind": "drwan", "median": 1}},
            "wait.kind: should be 'fixed', 'drawn' or 'drawn2', not 'drwan'; did you mean 'drawn'?",
        ),
        (
            {"wait": {"median": 1}},
            "wait.kind: is missing; should be 'fixed', 'drawn' or 'drawn2'",
        ),
        ({"wait": 5}, "wait: should be a table, not 5"),
        (
            {
                "wait": {
                    "kind": "drawn",
                    "median": 1,
                    "slow": {"kind": "fixed", "value": 1, "valeu": 1},
                }
            },
            "wait.slow.valeu: unknown key 'valeu'; did you mean 'value'?",
        ),
        ({"mix": {"cat": -1.0}}, "mix.cat: should be greater than or equal to 0, not -1.0"),
        ({"mix": {"cow": 1.0}}, "mix.cow: should be 'cat' or 'dog', not 'cow'"),
        ({"wait": {"kind": "fixed", "value": float("inf")}}, "wait.value: should be a duration of"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_its_mend(settings: dict[str, Any], said: str) -> None:
    """And with no word of pydantic's own."""
    assert told(settings)[0].startswith(said)


def test_every_mistake_is_told() -> None:
    """In the order of the fields, and what is unknown behind them."""
    assert [line.partition(":")[0] for line in told({"x": 1, "seed": "8", "leg": {}})] == [
        "seed",
        "leg.users",
        "x",
    ]


def test_all_mistakes_are_one_error() -> None:
    """A line each."""
    error = ConfigError(["one", "two"])
    assert (str(error), error.mistakes) == ("one\ntwo", ["one", "two"])


# --- mends for misspelt names ---


def test_a_near_miss_is_mended_whatever_its_case():
    assert did_you_mean("completechta", ["CompleteChat", "Other"]) == (
        "; did you mean 'CompleteChat'?"
    )


def test_a_short_list_is_shown_where_nothing_is_near():
    assert did_you_mean("zzz", ["b", "a"]) == "; known: a, b"


def test_a_long_list_is_not_shown():
    assert did_you_mean("zzz", [f"name{n}" for n in range(50)]) == ""


def test_nothing_is_said_where_nothing_is_known():
    assert did_you_mean("zzz", []) == ""


def test_the_list_is_left_out_where_the_complaint_has_it():
    assert did_you_mean("zzz", ["b", "a"], listed=False) == ""
