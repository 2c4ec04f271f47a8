"""The script as Tsung's XML: the sums of its waits are what the script says."""

import re
from collections.abc import Iterator
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from bench.peers.tsung import session
from bench.script import AT_ONCE, BEATS, Script, people

SECRETS = {"POLY_CONNECTOR_TOKEN": "t&<", "POLY_HOST_IDENTIFIER": "h"}
PACED = people(1000, 3.0)


def sessions(script: Script) -> list[ElementTree.Element]:
    """Those of the file, which has to be well formed, whatever the secrets are."""
    text = session(script, "127.0.0.1", 8100, SECRETS)
    return ElementTree.fromstring(text).findall("sessions/session")


def told(one: ElementTree.Element) -> Iterator[tuple[float, str]]:
    """What is sent on the socket, and when: seconds from its opening."""
    now = 0.0
    for step in one:
        if step.tag == "thinktime":
            now += float(step.get("value", "0"))
        elif (frame := step.findtext("websocket")) is not None:
            state = re.search("TYPING_STATE_([A-Z]+)", frame)
            kind = state or re.search("EVENT_TYPE_([A-Z_]+)", frame)
            if kind:
                yield now, kind[1]


def test_sessions_are_found_evenly_on_their_way_to_the_first_message() -> None:
    """Each is drawn as often as any other; the mean is half a turn."""
    found = sessions(PACED)
    assert sum(float(one.get("probability", "0")) for one in found) == pytest.approx(100)
    firsts = [next(at for at, kind in told(one) if kind == "USER_MESSAGE") for one in found]
    gaps = [late - early for early, late in pairwise(firsts)]
    assert gaps == pytest.approx([PACED.spread / len(found)] * len(gaps), abs=0.01)
    assert sum(firsts) / len(firsts) == pytest.approx(PACED.spread / 2, abs=0.3)


def test_a_turn_has_its_typing_and_comes_when_it_is_due() -> None:
    """From the second on; what was typed before the first is what was due by then."""
    for one in sessions(PACED):
        events = list(told(one))
        ends = [index for index, (_, kind) in enumerate(events) if kind == "USER_MESSAGE"]
        for early, late in pairwise(ends):
            assert events[late][0] - events[early][0] == pytest.approx(PACED.spread, abs=0.02)
            kinds = [kind for _, kind in events[early + 1 : late] if kind != "HEARTBEAT"]
            assert kinds == ["STARTED"] * 4 + ["STOPPED"]


def test_it_beats_as_often_as_it_is_told() -> None:
    """Whatever it is doing."""
    for one in sessions(PACED):
        beats = [at for at, kind in told(one) if kind == "HEARTBEAT"]
        assert len(beats) > 10
        gaps = [late - early for early, late in pairwise(beats)]
        assert gaps == pytest.approx([BEATS] * len(gaps), abs=0.02)


def test_a_short_session_ends_with_a_word() -> None:
    """And never beats."""
    (one,) = sessions(Script(100, AT_ONCE, turns=1, keys=1))
    kinds = [kind for _, kind in told(one)]
    expected = ["REQUEST_POLY_AGENT_JOIN", "STARTED", "STOPPED", "USER_MESSAGE"]
    assert kinds == [*expected, "USER_END_SESSION"]
