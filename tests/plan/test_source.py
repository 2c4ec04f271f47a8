"""A profile's text: where its values stand and what overrides do to them."""

import pytest

from loadkit.plan.source import Key, Source, opening_comment, parse_override

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
    override = parse_override(text)
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
    assert Source(TEXT, "p.toml").place(key) == place


def test_a_value_that_was_overridden_stands_on_the_command_line():
    source = Source(TEXT, "p.toml", [parse_override("load.seed=8")])
    assert source.data["load"]["seed"] == 8
    assert source.place(("load", "seed")) == "--set load.seed=8"
    assert source.place(("load",)) == "p.toml:2 with --set load.seed=8"
    assert source.place(("human",)) == "p.toml:9"


def test_of_two_overrides_of_one_key_the_later_one_wins():
    overrides = [parse_override("load.seed=8"), parse_override("load.seed=9")]
    source = Source(TEXT, "p.toml", overrides)
    assert source.data["load"]["seed"] == 9
    assert source.place(("load", "seed")) == "--set load.seed=9"


def test_an_override_reaches_into_lists_and_makes_missing_tables():
    overrides = [parse_override("load.stages.1.users=7"), parse_override("connection.handshake=5s")]
    source = Source(TEXT, "p.toml", overrides)
    assert source.data["load"]["stages"][1]["users"] == 7
    assert source.data["connection"] == {"handshake": "5s"}


def test_an_override_of_a_list_element_as_a_whole_replaces_it():
    source = Source(TEXT, "p.toml", [parse_override("load.stages.0={duration=1,users=9}")])
    assert source.data["load"]["stages"][0] == {"duration": 1, "users": 9}


@pytest.mark.parametrize("text", ["load.seed.deeper=1", "load.stages.5.users=1", "load.stages.5=1"])
def test_an_override_that_fits_nowhere_is_a_mistake(text: str):
    source = Source(TEXT, "p.toml", [parse_override(text)])
    assert source.mistakes == [f"--set {text}: the profile has no such place"]


def test_metrics_are_the_same_with_and_without_quotes():
    overrides = [parse_override("slo.turns.lost=5")]
    source = Source(TEXT, "p.toml", overrides)
    assert source.data["slo"] == {"response.p95": 1, "turns.lost": 5}


def test_all_limits_can_be_overridden_at_once():
    source = Source(TEXT, "p.toml", [parse_override("slo={errors=0}")])
    assert source.data["slo"] == {"errors": 0}


def test_it_knows_the_line_of_each_key_of_a_table() -> None:
    """For whoever shows a broken objective beside its line."""
    text = '[load]\nseed = 1\n[slo]\n"response.p95" = "2s"\nHandoffChat.response.p95 = "3s"\n'
    lines = Source(text, "a.toml", [parse_override("slo.errors=0")]).lines_of("slo")
    assert lines == {"response.p95": 4, "HandoffChat.response.p95": 5}
