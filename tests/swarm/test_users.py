"""What the user classes live, and that the profiles which come with them can be judged."""

import re
from pathlib import Path

import pytest
from locust import User

import loadkit.swarm.worker.users as module
from loadkit.capacity.controller import for_search, of_a_step
from loadkit.profile.profile import Profile, load_profile
from loadkit.profile.scenario import Errand, SessionKind
from loadkit.readiness.foresight import foresee
from loadkit.swarm.worker.users import ChatUser, session_kinds

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "profiles").glob("*.toml"))
CLASSES = [value for name, value in sorted(vars(module).items()) if name.endswith("Chat")]
SHOWN = {
    f"{path.name}-{number}": text
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for number, text in enumerate(
        re.findall(r"^```toml\n(.*?)^```$", path.read_text(), re.S | re.M)
    )
    if "[load]" in text and "[mix]" in text
}
"""The whole profiles that the documentation shows."""


class Kiosk(ChatUser):
    errand, tabs = Errand.IDLE, 1


class Plain(User):
    pass


def test_a_class_lives_what_its_attributes_say() -> None:
    """And one that is none of ours lives no session."""
    assert session_kinds([Kiosk, Plain]) == {"Kiosk": SessionKind("Kiosk", Errand.IDLE, tabs=1)}


def test_every_class_that_comes_with_the_tool_lives_sessions() -> None:
    assert len(session_kinds(CLASSES)) == len(CLASSES) == 8


def doubts(profile: Profile) -> list[str]:
    return list(map(str, foresee(profile, session_kinds([*CLASSES, Kiosk]))))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_profile_reaches_the_samples_of_its_objectives(path: Path) -> None:
    """And its people's patience ends within it."""
    assert doubts(load_profile(str(path))) == []


@pytest.mark.parametrize("name", SHOWN)
def test_a_profile_that_the_documentation_shows_does_as_well(name: str, tmp_path: Path) -> None:
    path = tmp_path / "shown.toml"
    path.write_text(SHOWN[name])
    assert doubts(load_profile(str(path))) == []


def test_the_documentation_shows_some() -> None:
    assert {"README.md-0", "profiles.md-0", "user-classes.md-0"} <= SHOWN.keys()


def test_the_first_step_of_the_shipped_search_reaches_its_samples() -> None:
    profile = for_search(load_profile(str(ROOT / "profiles" / "capacity.toml")))
    assert list(of_a_step(profile, session_kinds(CLASSES))) == []


def test_a_step_that_is_too_short_is_told(tmp_path: Path) -> None:
    """What it lacks to be judged, and a patience that outlasts it."""
    sets = ["capacity.measure=2s", "capacity.start=10"]
    profile = for_search(load_profile(str(ROOT / "profiles" / "capacity.toml"), overrides=sets))
    patience, *objectives = of_a_step(profile, session_kinds(CLASSES))
    assert "conversation.patience (10s) is no shorter than those 2s" in patience.why
    assert [doubt.metric for doubt in objectives] == ["response.p95", "first_chunk.p95"]
    assert all("in the 6s measured" in doubt.why for doubt in objectives)  # at most thrice as long
    assert all("capacity.measure" in doubt.fix for doubt in objectives)
