"""Which workers take part, and who was lost."""

import json
from pathlib import Path

import pytest
from locust.runners import STATE_MISSING, STATE_RUNNING

from loadkit.profile.profile import Profile, load_profile
from loadkit.swarm.messages import VERSION, WorkerHello, decode
from loadkit.swarm.workers.membership import Membership, objection
from loadkit.verdict.run_facts import Loss

FRESH = 3  # heartbeats left of a worker that was just heard of


def there(*workers: str, missing: tuple[str, ...] = (), late: tuple[str, ...] = ()) -> dict:
    """Locust's view: state and heartbeats left."""
    return {
        **dict.fromkeys(workers, (STATE_RUNNING, FRESH)),
        **dict.fromkeys(missing, (STATE_MISSING, -1)),
        **dict.fromkeys(late, (STATE_RUNNING, 1)),
    }


def no_sessions(_: str) -> int:
    return 0


def test_whoever_is_there_takes_part_in_the_order_of_coming() -> None:
    membership = Membership()
    assert membership.update(0, there("b", "a"), no_sessions)
    assert not membership.update(1, there("b", "a"), no_sessions)
    assert membership.update(2, there("a", "b", "c"), no_sessions)
    assert membership.present == ["b", "a", "c"]


def test_a_worker_that_went_away_is_a_loss_with_its_last_sessions() -> None:
    membership = Membership()
    membership.update(0, there("a", "b"), no_sessions)
    assert membership.update(7.26, there("a", missing=("b",)), {"b": 12}.__getitem__)
    assert membership.present == ["a"]
    assert list(membership.lost.values()) == [Loss("b", 7.3, 12)]


def test_a_worker_that_locust_has_forgotten_is_a_loss_too() -> None:
    membership = Membership()
    membership.update(0, there("a", "b"), no_sessions)
    membership.update(5, there("a"), no_sessions)
    assert list(membership.lost) == ["b"]


def test_a_worker_that_handed_over_all_it_had_may_go() -> None:
    membership = Membership()
    membership.update(0, there("a", "b"), no_sessions)
    assert membership.update(5, there("a"), no_sessions, finished={"b"})
    assert (membership.present, membership.lost) == (["a"], {})


def test_a_worker_that_comes_back_is_no_loss() -> None:
    """It was out of reach, and hands over what it measured meanwhile."""
    membership = Membership()
    membership.update(0, there("a", "b"), no_sessions)
    membership.update(6, there("a", missing=("b",)), no_sessions)
    assert membership.update(9, there("a", "b"), no_sessions)
    assert (membership.present, membership.lost) == (["a", "b"], {})


def test_who_was_refused_neither_takes_part_nor_is_lost() -> None:
    membership = Membership()
    membership.update(0, there("a", "b"), no_sessions)
    membership.refuse("b", "b runs another version")
    assert membership.update(1, there("a", "b"), no_sessions)
    assert not membership.update(2, there("a", "b"), no_sessions)
    assert (membership.present, membership.lost) == (["a"], {})
    assert membership.refused == {"b": "b runs another version"}


def test_every_second_without_a_heartbeat_counts() -> None:
    membership = Membership()
    membership.update(0, there("a", "b"), no_sessions)
    for second in (1, 2):
        membership.update(second, there("a", late=("b",)), no_sessions)
    membership.update(3, there("a", missing=("b",)), no_sessions)  # a loss by now, not lateness
    assert membership.heartbeats_lost == 2


TEXT = """# Does it work?
[load]
stages = [{ duration = "10s", users = 5 }]
[mix]
CompleteChat = 1
StreamingChat = 1
HandoffChat = 0
"""
CLASSES = ("CompleteChat", "StreamingChat")


def a_profile(folder: Path, text: str = TEXT, name: str = "tiny") -> Profile:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return load_profile(str(path))


def a_hello(classes: tuple[str, ...] = CLASSES, profile: str | None = None) -> WorkerHello:
    return WorkerHello("1.0", classes, profile, VERSION)


def test_one_that_runs_the_same_is_let_in(tmp_path: Path) -> None:
    asked = a_profile(tmp_path)
    for own in (None, json.dumps(asked.outline)):
        assert objection("w1", a_hello(CLASSES, own), "1.0", asked) is None


def test_one_that_says_nothing_does_not_run_this_tool(tmp_path: Path) -> None:
    said = objection("w1", None, "1.0", a_profile(tmp_path))
    assert said is not None
    assert said.startswith("w1 does not run loadkit's locustfile: start it with")


@pytest.mark.parametrize("messages", [0, VERSION + 1])
def test_one_that_speaks_otherwise_is_told_so(tmp_path: Path, messages: int) -> None:
    """Two checkouts may call themselves the same version."""
    said = objection("w1", WorkerHello("1.0", CLASSES, None, messages), "1.0", a_profile(tmp_path))
    assert said is not None
    assert f"w1 speaks version {messages} of the messages" in said
    assert "install the same loadkit on both" in said


@pytest.mark.parametrize("there", ["0.9", "1.1"])
def test_another_version_is_named_with_both_numbers(tmp_path: Path, there: str) -> None:
    said = objection("w1", WorkerHello(there, CLASSES), "1.0", a_profile(tmp_path))
    assert said == f"w1 runs loadkit {there}, the master 1.0: install the same version on both"


def test_another_profile_is_named(tmp_path: Path) -> None:
    own = json.dumps(a_profile(tmp_path, name="other").outline)
    said = objection("w1", a_hello(CLASSES, own), "1.0", a_profile(tmp_path))
    assert said is not None
    assert "w1 was started with the profile 'other', this run's is 'tiny': start it without" in said


def test_a_profile_that_was_edited_is_named_with_what_differs(tmp_path: Path) -> None:
    asked = a_profile(tmp_path)
    own = a_profile(tmp_path, TEXT.replace("users = 5", "users = 6") + "[human]\ndrafts = 0.5")
    said = objection("w1", a_hello(CLASSES, json.dumps(own.outline)), "1.0", asked)
    assert said is not None
    assert "another 'tiny' (it differs in human.drafts, load.stages)" in said


def test_a_missing_user_class_is_named_if_somebody_is_to_be_of_it(tmp_path: Path) -> None:
    """HandoffChat has no weight, so nobody needs it."""
    said = objection("w1", a_hello(("CompleteChat",)), "1.0", a_profile(tmp_path))
    assert said == "w1 has no user class StreamingChat: start it with the master's locustfile"


def test_what_another_version_says_is_understood_as_far_as_it_goes(tmp_path: Path) -> None:
    hello = decode(WorkerHello, {"version": "7.0", "and": "more"})
    assert objection("w1", hello, "1.0", a_profile(tmp_path)) is not None
