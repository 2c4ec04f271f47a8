"""The options on Locust's command line, and what its own may not say beside a profile."""

import argparse
import sys
from pathlib import Path

import pytest
from locust import argument_parser, events

from loadkit.errors import UsageError
from loadkit.swarm.locust_internals.start import read_no_files
from loadkit.swarm.options import add_options, check_options, default_profile, read_profile

PROFILE = """[load]
stages = [{ duration = "3s", users = 2 }]
[mix]
CompleteChat = 1
"""


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile")  # Locust's own
    add_options(parser)
    return parser.parse_args(words)


def test_overrides_come_in_the_order_in_which_they_were_given() -> None:
    options = parsed("--set", "load.seed=1", "--set", "load.seed=2", "--out", "here")
    assert options.profile_overrides == ["load.seed=1", "load.seed=2"]
    assert options.results_parent == "here"


def test_the_defaults_are_no_override_and_the_folder_results() -> None:
    options = parsed()
    assert (options.profile_overrides, options.results_parent) == ([], "results")


def test_each_parser_has_its_own_overrides() -> None:
    parsed("--set", "load.seed=1")  # Locust makes a new parser on every load of its page
    assert parsed().profile_overrides == []


def test_a_profile_is_read_with_its_overrides(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(PROFILE)
    options = parsed("--profile", str(path), "--set", "load.seed=8")
    profile = read_profile(options, {"CompleteChat"})
    assert (profile.name, profile.load.seed) == ("mine", 8)


def test_a_user_class_that_locust_does_not_know_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(PROFILE)
    with pytest.raises(UsageError, match="no user class is called 'CompleteChat'"):
        read_profile(parsed("--profile", str(path)), {"StreamingChat"})


def test_no_profile_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="add --profile NAME"):
        read_profile(parsed(), {"CompleteChat"})


def test_the_page_starts_with_a_profile_that_comes_with_the_tool() -> None:
    assert (Path(__file__).parents[2] / "profiles" / f"{default_profile()}.toml").is_file()


# --- what Locust's own may not say ---------------------------------------------------------------


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No file of options of whoever runs the tests is read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    events.init_command_line_parser.add_listener(add_options)


def check(monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    """What is told of a command line; empty if it is taken."""
    monkeypatch.setattr(sys, "argv", ["locust", "--profile", "smoke", *words])
    try:
        check_options(argument_parser.get_parser().parse_args())
    except UsageError as error:
        return str(error)
    return ""


def test_a_profile_and_its_overrides_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """As are options that say nothing about the load."""
    assert check(monkeypatch, "--headless", "--set", "load.seed=8", "--html", "there.html") == ""


@pytest.mark.parametrize(
    "words",
    [
        "-u 5",
        "-r 2",
        "-t 10m",
        '--config-users [{"user_class_name":"X"}]',
        "--equal-weights",
        "--class-picker",
        "--tags a b",
        "--exclude-tags a",
    ],
)
def test_another_load_than_the_profiles_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """With what there is in its place."""
    told = check(monkeypatch, *words.split())
    assert told.count("contradicts the profile: leave it out; ") == 1
    assert "\n" not in told


def test_user_classes_on_the_command_line_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """They would be half of a mix."""
    told = check(monkeypatch, "CompleteChat", "IdleChat")
    assert told.startswith("user classes CompleteChat IdleChat contradicts the profile")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("LOCUST_USERS", "5", "--users 5 (LOCUST_USERS in the environment) contradicts"),
        ("LOCUST_RUN_TIME", "9s", "--run-time 9 (LOCUST_RUN_TIME in the environment)"),
        ("LOCUST_USER_CLASSES", "A B", "user classes A B (LOCUST_USER_CLASSES in the environment)"),
    ],
)
def test_a_variable_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    assert check(monkeypatch).startswith(told)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("locust.conf", "users = 7\nset = load.seed=9\n"),
        ("home/.locust.conf", "users = 7\nset = load.seed=9\n"),
        ("pyproject.toml", '[tool.locust]\nusers = 7\nset = ["load.seed=9"]\n'),
    ],
)
def test_a_file_of_options_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, text: str
) -> None:
    """And cannot change the profile either; `loadkit` does not even look for it."""
    (tmp_path / "home").mkdir()
    (tmp_path / file).write_text(text)
    users, changed = check(monkeypatch).splitlines()
    assert users.startswith("--users 7 (in ")
    assert f"{Path(file).name}) contradicts the profile" in users
    assert changed.startswith("set load.seed=9 (in ")
    assert changed.endswith("would change the profile unseen: use --set, or the profile itself")
    before = [
        (function, function.__defaults__)
        for function in (argument_parser.get_parser, argument_parser.get_empty_argument_parser)
    ]
    try:
        read_no_files()
        assert check(monkeypatch) == ""
        assert argument_parser.parse_locustfile_option([]).locustfile == "locustfile.py"
    finally:
        for function, defaults in before:
            function.__defaults__ = defaults


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--fail-on", "response.p95 > 10%"], "add --baseline DIR"),
        (["--baseline", "nowhere"], "nowhere/summary.json cannot be read"),
        (["--baseline", "nowhere", "--capacity"], "--baseline is of a run"),
    ],
)
def test_a_baseline_that_nothing_could_be_compared_with_is_refused(
    monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    """Before any load."""
    assert told in check(monkeypatch, *words)
