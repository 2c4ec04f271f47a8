"""The table's script: what a tool may do no less of, and no more, and loadkit's profile of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.processes import BenchError
from bench.script import AT_ONCE, Script, people
from bench.truth import Seen
from loadkit.profile.profile import load_profile

TALK_S = 106 * 20.0  # of a hundred sessions
PACED = people(100, 1.0, quiet=2.0)
FAITHFUL = Seen(
    turns=50,
    sessions=100,
    greeted=100,
    turns_begun=100,
    typing=500,
    heartbeats=200,
    talk_s=TALK_S,
    lives=[25.0] * 100,
)


def test_a_turn_at_peoples_pace_takes_what_its_parts_take() -> None:
    """Ten seconds of thinking, four keys, and the answer: a hundred turns of a hundred sessions."""
    assert PACED.spread == pytest.approx(10 + 4 * 2.625 + 0.7)
    assert TALK_S / PACED.spread == pytest.approx(100)
    PACED.check(FAITHFUL)


@pytest.mark.parametrize(
    ("field", "count", "told"),
    [
        ("sessions", 99, "99 sessions, the script asks for 100"),
        ("greeted", 98, "98 sessions greeted"),
        ("turns_begun", 92, "92 turns"),
        ("turns_begun", 110, "110 turns"),
        ("typing", 460, "460 typing events"),
        ("typing", 540, "540 typing events"),
        ("heartbeats", 100, "100 heartbeats, the script asks for 200"),
        ("heartbeats", 300, "300 heartbeats"),
        ("refused", 1, "1 refused"),
        ("nonsense", 1, "1 without sense"),
    ],
)
def test_a_tool_that_does_another_thing_gets_no_figure(field: str, count: int, told: str) -> None:
    """Less would be cheaper, and more dearer, than what the others did."""
    with pytest.raises(BenchError, match=told):
        PACED.check(replace(FAITHFUL, **{field: count}))


def test_a_beat_that_falls_on_the_end_may_have_been_sent_or_not() -> None:
    """Sessions of 10.2 s have beaten once, or not yet."""
    brief = replace(FAITHFUL, lives=[10.2] * 100)
    for beats in (0, 100):
        PACED.check(replace(brief, heartbeats=beats))
    with pytest.raises(BenchError, match="heartbeats"):
        PACED.check(replace(brief, heartbeats=120))


def test_in_closed_loop_each_turn_has_its_typing_and_nobody_beats() -> None:
    """Each user may have typed for a message that the end kept back, and no more."""
    script = Script(10, AT_ONCE, turns=1, keys=1)
    done = Seen(turns=900, ends=900, ended=995, turns_begun=1000, typing=2010, sessions=1005)
    script.check(done)
    for wrong in ({"typing": 1900}, {"turns_begun": 1200, "typing": 2400}, {"heartbeats": 1}):
        with pytest.raises(BenchError, match="the script asks for"):
            script.check(replace(done, **wrong))
    with pytest.raises(BenchError, match="nothing happened"):
        script.check(replace(done, ends=0))


@pytest.mark.parametrize("script", [PACED, Script(10, AT_ONCE, turns=1, keys=1)])
def test_loadkits_profile_is_one(script: Script, tmp_path: Path) -> None:
    """It asks for as many users, in as many seconds."""
    path = tmp_path / "table.toml"
    path.write_text(script.profile(), encoding="utf-8")
    (tmp_path / "said.jsonl").write_text('{"intent": "bench", "lines": ["Hello"]}\n')
    profile = load_profile(str(path))
    assert profile.load.peak_users == script.users
    assert profile.load.stages[0].duration == script.ramp


def test_the_ramp_ends_before_the_window_begins() -> None:
    """Every tool is told the same moments, on the wall clock."""
    words = PACED.environment(1000.0)
    assert (float(words["START"]), float(words["END"])) == (998.0, 1010.0)
    assert (words["BEGIN"], words["USERS"]) == ("1000.0", "100")


def test_where_the_window_comes_by_itself_each_tool_records_all_the_time() -> None:
    """Else who is quick to begin would be measured before it records anything."""
    assert Script(10, AT_ONCE).environment(1000.0)["BEGIN"] == "0"
