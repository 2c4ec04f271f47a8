"""A file of settings: where its values stand and what overrides do to them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from loadkit.config.mistakes import ConfigError, Key
from loadkit.config.source import (
    Source,
    laid_over,
    opening_comment,
    parse_override,
    read_settings,
)

TEXT = """\
# Is it fast?
[load]
stages = [
    { duration = "1s", users = 1 },  # { a brace in a comment
    { duration = "2s", users = 2 },
]
seed = 1

[human]
typing_wpm.median = 40

[slo]
"response.p95" = 1
turns.lost = 2
"""


def profile(overrides: Sequence[str] = ()) -> Source:
    return Source(TEXT, "p.toml", overrides, flat="slo")


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("# One?\n[load]", "One?"),
        ("# One\n#two?\n\n# not this\n[load]", "One two?"),
        ("[load]\n# late", ""),
        ("", ""),
        ("#\n# One?", "One?"),
    ],
)
def test_the_question_is_the_comment_that_opens_the_file(text: str, question: str):
    assert opening_comment(text) == question


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("load.seed=8", ("load", "seed"), 8),
        ("load.seed = 8", ("load", "seed"), 8),
        ("conversation.patience=30s", ("conversation", "patience"), "30s"),
        ("conversation.dialogues=builtin:retail", ("conversation", "dialogues"), "builtin:retail"),
        ("a.b=x=y", ("a", "b"), "x=y"),
        ("a.b=", ("a", "b"), ""),
        ('a.b="quoted"', ("a", "b"), "quoted"),
        ("a.b=true", ("a", "b"), True),
        ("a.b=1\nc=2", ("a", "b"), "1\nc=2"),  # one value, not two keys
        ("load.stages.0.users=3", ("load", "stages", 0, "users"), 3),
        ('load.stages=[{duration="5s",users=3}]', ("load", "stages"), None),
        ("slo.response.p95=3s", ("slo", "response.p95"), "3s"),
        ('slo."response.p95"=3s', ("slo", "response.p95"), "3s"),
    ],
)
def test_an_override_is_a_dotted_key_and_a_toml_value_or_a_text(text: str, key: Key, value: object):
    override = parse_override(text, flat="slo")
    assert override.key == key
    assert override.value == (value if value is not None else [{"duration": "5s", "users": 3}])


@pytest.mark.parametrize("text", ["", "load.seed", "=8", "load..seed=8", "load seed=8", ".a=1"])
def test_an_override_without_a_key_or_a_value_is_refused(text: str):
    with pytest.raises(ValueError, match="should be KEY=VALUE"):
        parse_override(text)


@pytest.mark.parametrize("text", ["load.stages=[{", "a.b={x=}", 'a.b="open'])
def test_an_override_that_opens_a_bracket_or_a_quote_must_close_it(text: str):
    with pytest.raises(ValueError, match="the value is not TOML"):
        parse_override(text)


@pytest.mark.parametrize(
    ("key", "place"),
    [
        (("load",), "p.toml:2"),
        (("load", "stages"), "p.toml:3"),
        (("load", "stages", 0, "users"), "p.toml:4"),
        (("load", "stages", 1, "users"), "p.toml:5"),
        (("load", "stages", 9), "p.toml:3"),
        (("load", "seed"), "p.toml:7"),
        (("load", "missing"), "p.toml:2"),
        (("human", "typing_wpm"), "p.toml:10"),
        (("human", "typing_wpm", "median"), "p.toml:10"),
        (("slo", "response.p95"), "p.toml:13"),
        (("slo", "turns.lost"), "p.toml:14"),
        (("mix",), "p.toml"),
    ],
)
def test_a_value_has_a_place_in_the_file(key: Key, place: str):
    assert profile().place(key) == place


def test_a_value_that_was_overridden_stands_on_the_command_line():
    source = profile(["load.seed=8"])
    assert source.data["load"]["seed"] == 8
    assert source.place(("load", "seed")) == "--set load.seed=8"
    assert source.place(("load",)) == "p.toml:2 with --set load.seed=8"
    assert source.place(("human",)) == "p.toml:9"


def test_of_two_overrides_of_one_key_the_later_one_wins():
    overrides = ["load.seed=8", "load.seed=9"]
    source = profile(overrides)
    assert source.data["load"]["seed"] == 9
    assert source.place(("load", "seed")) == "--set load.seed=9"


def test_an_override_reaches_into_lists_and_makes_missing_tables():
    overrides = ["load.stages.1.users=7", "connection.handshake=5s"]
    source = profile(overrides)
    assert source.data["load"]["stages"][1]["users"] == 7
    assert source.data["connection"] == {"handshake": "5s"}


def test_an_override_of_a_list_element_as_a_whole_replaces_it():
    source = profile(["load.stages.0={duration=1,users=9}"])
    assert source.data["load"]["stages"][0] == {"duration": 1, "users": 9}


@pytest.mark.parametrize("text", ["load.seed.deeper=1", "load.stages.5.users=1", "load.stages.5=1"])
def test_an_override_that_fits_nowhere_is_a_mistake(text: str):
    source = profile([text])
    assert source.mistakes == [f"--set {text}: there is no such place"]


def test_metrics_are_the_same_with_and_without_quotes():
    overrides = ["slo.turns.lost=5"]
    source = profile(overrides)
    assert source.data["slo"] == {"response.p95": 1, "turns.lost": 5}


def test_all_limits_can_be_overridden_at_once():
    source = profile(["slo={errors=0}"])
    assert source.data["slo"] == {"errors": 0}


def test_it_knows_the_line_of_each_key_of_a_table() -> None:
    """For whoever shows a broken objective beside its line."""
    text = '[load]\nseed = 1\n[slo]\n"response.p95" = "2s"\nHandoffChat.response.p95 = "3s"\n'
    lines = Source(text, "a.toml", ["slo.errors=0"], flat="slo").lines_of("slo")
    assert lines == {"response.p95": 4, "HandoffChat.response.p95": 5}


LISTED = """\
[[incidents]]
at = "1m"
[[incidents]]
at = "2m"
kind = "x"
[incidents.more]
why = 1
[agent]
at = 5
"""


@pytest.mark.parametrize(
    ("key", "place"),
    [
        (("incidents",), "d.toml:1"),
        (("incidents", 0, "at"), "d.toml:2"),
        (("incidents", 1), "d.toml:3"),
        (("incidents", 1, "kind"), "d.toml:5"),
        (("incidents", 0, "kind"), "d.toml:1"),
        (("incidents", 1, "more", "why"), "d.toml:7"),
        (("agent", "at"), "d.toml:9"),
    ],
)
def test_each_table_of_a_list_has_a_place_of_its_own(key: Key, place: str) -> None:
    """Also where each has a header, as TOML likes it."""
    assert Source(LISTED, "d.toml").place(key) == place


def test_an_override_reaches_into_a_list_whose_tables_have_headers() -> None:
    """And is its place."""
    source = Source(LISTED, "d.toml", ["incidents.1.at=3m"])
    assert source.data["incidents"][1]["at"] == "3m"
    assert (
        source.told(("incidents", 1, "at"), "no") == "--set incidents.1.at=3m: incidents.1.at: no"
    )


UNDER: dict[str, Any] = {"a": {"b": 1, "c": {"kind": "x", "d": 2}}, "e": [1]}


class TestOverDefaults:
    """Values that are laid over others, each of which is always there."""

    @pytest.mark.parametrize(
        ("text", "overrides", "data"),
        [
            ("", [], {"b": 1, "c": {"kind": "x", "d": 2}}),
            ("[a]\nb = 5", [], {"b": 5, "c": {"kind": "x", "d": 2}}),
            ("[a]\nb = 5", ["a={c={d=3}}"], {"b": 5, "c": {"kind": "x", "d": 3}}),
            ("a.c = 7", [], {"b": 1, "c": 7}),
            ("", ["a.c.d=3"], {"b": 1, "c": {"kind": "x", "d": 3}}),
            ("", ["a.c={kind='y'}"], {"b": 1, "c": {"kind": "y"}}),
            ("a.c = {kind='y', f=1}", ["a.c.f=2"], {"b": 1, "c": {"kind": "y", "f": 2}}),
        ],
    )
    def test_a_table_keeps_what_is_not_named(
        self, text: str, overrides: list[str], data: object
    ) -> None:
        """But one that names its kind is of another kind, and whole."""
        source = Source(text, "", overrides, under=UNDER)
        assert source.mistakes == []
        assert source.data == {"a": data, "e": [1]}

    def test_the_defaults_stay_as_they_were(self) -> None:
        """They are laid under many."""
        before = repr(UNDER)
        Source("a.b = 5", "", ["a.c.d=9", "e.0=2"], under=UNDER)
        laid_over(UNDER, {"a": {"c": {"d": 9}}})
        assert repr(UNDER) == before

    def test_without_a_file_the_place_is_the_override_alone(self) -> None:
        """Even of the table around it, which no line names."""
        source = Source("", "", ["a.b=5"], under=UNDER)
        assert source.told(("a",), "too much") == "--set a.b=5: a: too much"


def test_text_that_is_not_toml_is_told_beside_overrides_that_cannot_be_read() -> None:
    """All at once."""
    with pytest.raises(ConfigError) as caught:
        Source("a = = 1", "p.toml", ["nonsense"])
    first, second = caught.value.mistakes
    assert first.startswith("p.toml: is not TOML: ")
    assert second.startswith("--set nonsense: should be KEY=VALUE")


def test_a_file_that_cannot_be_read_is_told_by_its_name(tmp_path: Path) -> None:
    """As a mistake like any other."""
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        read_settings(tmp_path / "none.toml")
