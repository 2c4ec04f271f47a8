"""The options on Locust's command line."""

import argparse
from pathlib import Path

import pytest

from loadkit.errors import UsageError
from loadkit.swarm.options import add_options, default_profile, read_profile

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
