"""What a capacity search is of."""

from pathlib import Path
from typing import Any

import pytest

from loadkit.capacity.controller import for_search
from loadkit.capacity.resume import differences, subject
from loadkit.profile.profile import Profile, load_profile

TEXT = """# How many does it hold?
[load]
stages = [{ duration = "5s", users = 3 }]
[mix]
CompleteChat = 1
[slo]
"response.p95" = "2s"
"""
TOLD = {"announced": {"streaming": True}}


def profile(folder: Path, *overrides: str) -> Profile:
    path = folder / "shop.toml"
    path.write_text(TEXT)
    return for_search(load_profile(str(path), overrides=overrides))


def changes(folder: Path, *overrides: str) -> list[str]:
    """What tells a search with other settings from one without."""
    one, other = (subject(profile(folder, *each), "http://a", TOLD) for each in ((), overrides))
    return [text.split(" was ")[0] for text in differences(one, other)]


@pytest.mark.parametrize(
    ("override", "place"),
    [
        ("conversation.time_scale=0.1", "profile.conversation.time_scale"),
        ("mix.StreamingChat=1", "profile.mix.StreamingChat"),
        ("load.seed=9", "profile.load.seed"),
        ("slo.violations=0", "slo.violations"),
        ("chaos.per_minute=3", "profile.chaos.per_minute"),
    ],
)
def test_whatever_a_step_hangs_on_is_part_of_it(tmp_path: Path, override: str, place: str) -> None:
    assert changes(tmp_path, override) == [place]


@pytest.mark.parametrize(
    "override",
    ["capacity.budget=3h", "load.stages=[{duration='9s', users=9}]", "results.interval=0.5"],
)
def test_what_changes_no_step_is_not(tmp_path: Path, override: str) -> None:
    """The loads of `[capacity]` are compared step by step."""
    assert changes(tmp_path, override) == []


def test_other_words_are_another_search(tmp_path: Path) -> None:
    """Though their file has the same name."""
    words = tmp_path / "words.jsonl"
    found: list[dict[str, Any]] = []
    for line in ("Hello", "Good evening"):
        words.write_text(f'{{"intent": "greet", "lines": ["{line}"]}}\n')
        found.append(
            subject(profile(tmp_path, f"conversation.dialogues={words}"), "http://a", TOLD)
        )
    (difference,) = differences(*found)
    assert difference.startswith("profile.dialogues_sha256 was ")


def test_a_simulator_is_told_by_its_dials_and_not_by_its_port(tmp_path: Path) -> None:
    made = profile(tmp_path)
    one, other = (
        subject(made, f"http://127.0.0.1:{port}", TOLD | {"simulator": {"seed": 2}})
        for port in (1, 2)
    )
    assert one == other
