"""What Locust's options may not say beside a profile, wherever they stand."""

import sys
from pathlib import Path

import pytest
from locust import argument_parser, events

from loadkit.errors import UsageError
from loadkit.swarm.contradictions import check_options
from loadkit.swarm.options import add_options
from loadkit.swarm.start import read_no_files


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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
