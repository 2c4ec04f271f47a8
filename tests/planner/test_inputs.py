"""What a plan reckons with: read, named by where it is from, or refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from loadkit.commands.preparing import PLAN_FLAGS
from loadkit.errors import UsageError
from loadkit.planner.inputs import INPUTS, Carried, read_capacity, read_inputs
from loadkit.readiness.doctor import SESSIONS_A_CORE
from loadkit.readiness.room import SESSION_BYTES
from loadkit.stats.queueing import Objective

from .searches import result


def test_every_input_is_a_flag_of_the_command_and_the_reverse() -> None:
    """In the same order, so that help and table agree."""
    assert [name for name, *_ in PLAN_FLAGS] == list(INPUTS)


def test_the_help_tells_the_defaults() -> None:
    """Each default stands in the help text of its flag, but for the two of the doctor."""
    for name, _, text in PLAN_FLAGS:
        default = INPUTS[name][1]
        if default is None or name in ("sessions_per_core", "session_kb", "growth"):
            continue
        assert f"({default})" in text.replace("%%", "%")


def test_without_a_flag_a_plan_is_of_the_internets_scale() -> None:
    """A million sessions at once, assumed; the generator's figures are the doctor's, measured."""
    inputs = read_inputs({})
    assert inputs["concurrent"].value == 1_000_000
    assert inputs["sessions_per_core"].value == SESSIONS_A_CORE
    assert inputs["session_kb"].value * 1000 == SESSION_BYTES
    assert {n for n, f in inputs.items() if f.origin == "measured"} == {
        "sessions_per_core",
        "session_kb",
    }
    assert "sessions_per_hour" not in inputs


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("sessions_per_hour", "12,000", 12_000.0),
        ("mean_session", "2m30s", 150.0),
        ("growth", "20%/year", 1.2),
        ("growth", "-5%", 0.95),
        ("growth", "2%/month", 1.02**12),
        ("handoffs", "5%", 0.05),
        ("handoffs", "0.05", 0.05),
        ("slo", "response.p99=2.5s", Objective("response", 990, 2.5)),
        ("live_slo", "handoff_wait.p80=20s", Objective("wait", 800, 20.0)),
    ],
)
def test_what_is_given_is_read_and_called_given(name: str, text: str, value: Any) -> None:
    """With the units that people write."""
    figure = read_inputs({name: text})[name]
    expected = pytest.approx(value) if isinstance(value, float) else value
    assert figure.value == expected
    assert (figure.text, figure.origin) == (text, "given")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sessions_per_hour": "many"}, "--sessions-per-hour many: should be a number"),
        ({"turns": "0"}, "--turns 0: should be above 0"),
        ({"turns": "inf"}, "--turns inf: should be above 0"),
        ({"turns": "nan"}, "--turns nan: should be above 0"),
        ({"mean_session": "3 parsecs"}, "--mean-session 3 parsecs: should be a duration"),
        ({"service": "0s"}, "--service 0s: should be above 0 s"),
        ({"peak_to_mean": "0.5"}, "1 or more"),
        ({"growth": "20"}, '"20%/year"'),
        ({"growth": "-100%"}, "above -100 %"),
        ({"years": "3"}, "add --growth"),
        ({"handoffs": "120%"}, "--handoffs 120%: should be a ratio"),
        ({"slo": "response.p95"}, '"response.p95=2.5s"'),
        ({"slo": "echo.p95=1s"}, '"response.p95=2.5s"'),
        ({"slo": "response.mean=1s"}, '"response.p95=2.5s"'),
        ({"slo": "respnse.p95=1s"}, "respnse"),
        ({"slo": "response.p95=soon"}, "should be a duration"),
        ({"sessions_per_hour": "9", "concurrent": "9"}, "give one"),
        ({"peak_to_mean": "2", "concurrent": "9"}, "leave it out"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_flag(given: dict[str, str], words: str) -> None:
    """With the place and the mend."""
    with pytest.raises(UsageError) as refused:
        read_inputs(dict(given))
    assert words in str(refused.value)


def test_all_mistakes_are_told_at_once() -> None:
    """One round is enough to mend them."""
    with pytest.raises(UsageError) as refused:
        read_inputs({"turns": "x", "service": "y", "growth": "z"})
    assert len(str(refused.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("document", "source"),
    [
        (result(), "capacity.json: 60 sessions at once"),
        (result(time_scale=0.1), "capacity.json: 60 sessions at once at time scale 0.1"),
        (result(verdict="at_least"), "capacity.json, at least: 60 sessions at once"),
        (result("open", load=2.5), "capacity.json: 60 sessions at once"),
    ],
)
def test_a_capacity_result_is_read_as_turns_and_called_measured(
    tmp_path: Path, document: dict[str, Any], source: str
) -> None:
    """Those of the hold that confirmed it; a bound that is not the capacity itself says so."""
    path = tmp_path / "capacity.json"
    path.write_text(json.dumps(document))
    figure = read_inputs({}, path)["capacity"]
    assert figure.value == Carried(20.5, 60.4)
    assert (figure.origin, figure.source) == ("measured", source)
    assert figure.text == "20.5 turns/s"


@pytest.mark.parametrize(
    ("clients", "deflate", "share"),
    [
        ({"reference": 1.0}, None, 0.0),
        ({"android": 3.0, "ios": 1.0, "web": 0.0}, None, 0.75),
        ({"android": 1.0}, False, 0.0),
        ({"ios": 1.0}, True, 1.0),
    ],
)
def test_a_searchs_clients_say_how_many_sessions_were_compressed(
    tmp_path: Path, clients: dict[str, float], deflate: bool | None, share: float
) -> None:
    """Unless somebody says it."""
    path, found = tmp_path / "capacity.json", result()
    found["subject"]["profile"] |= {"clients": clients, "connection": {"deflate": deflate}}
    path.write_text(json.dumps(found))
    figure = read_inputs({}, path)["compressed"]
    assert (figure.value, figure.origin) == (share, "measured")
    assert figure.source == "capacity.json: its clients"
    assert read_inputs({"compressed": "10%"}, path)["compressed"].value == 0.1


@pytest.mark.parametrize(
    "profile",
    [
        {},
        {"clients": []},
        {"clients": {"nokia": 1.0}, "connection": {}},
        {"clients": {"web": "much"}, "connection": {}},
        {"clients": {"web": -1.0}, "connection": {}},
        {"clients": {"web": 1.0}, "connection": 7},
    ],
)
def test_a_search_that_does_not_say_it_is_taken_for_one_without(
    tmp_path: Path, profile: dict[str, Any]
) -> None:
    path, found = tmp_path / "capacity.json", result()
    found["subject"]["profile"] |= profile
    path.write_text(json.dumps(found))
    assert read_inputs({}, path)["compressed"].origin == "assumed"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("{}", "no result of a capacity search"),
        (json.dumps(result(load=None, verdict="below_start")), "(below_start); give one by"),
        (json.dumps(result() | {"capacity": None}), "(interrupted); give one by --capacity"),
    ],
)
def test_a_result_without_a_capacity_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """By the name of its file."""
    path = tmp_path / "capacity.json"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_capacity(path)
    assert words in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_result_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """As is one beside a capacity that was given."""
    with pytest.raises(UsageError, match="cannot be read"):
        read_capacity(tmp_path / "none.json")
    with pytest.raises(UsageError, match="give one"):
        read_inputs({"capacity": "5"}, tmp_path / "none.json")
