"""The last frames of a session, and the sessions that a violation has hit."""

from loadkit.chat.effects import Violation
from loadkit.figures import NOWHERE
from loadkit.measure.recorder import Recorder
from loadkit.net.transcript import REMEMBERED, Frames
from loadkit.protocol import decode

GAP, UNKNOWN = Violation("sequence_gap", "3"), Violation("unknown_type")


def test_a_session_counts_once_for_each_kind_however_often_it_is_hit() -> None:
    """Whether its own socket or a further tab of it saw that."""
    recorder = Recorder()
    one, other = Frames(), Frames()
    tab = Frames(one)
    for frames, violation in ((one, GAP), (tab, GAP), (one, UNKNOWN), (other, GAP)):
        frames.violated(recorder, violation, NOWHERE)
    assert recorder.take(2.0).counts == {
        "violations.sequence_gap": 3,
        "violated.sequence_gap": 2,
        "violations.unknown_type": 1,
        "violated.unknown_type": 1,
    }


def test_only_the_last_frames_are_kept() -> None:
    frames = Frames()
    for number in range(REMEMBERED + 1):
        frames.sent(float(number), b"%d" % number)
    assert frames.lines(UNKNOWN) == [
        "… 1 frame",
        *(f"{number}.000000 → {number}" for number in range(1, REMEMBERED + 1)),
    ]


def frame(kind: str, sequence: int) -> bytes:
    told = '{"type": "EVENT_TYPE_%s", "id": "%s", "timestamp": "", "sequence": %d}'
    return (told % (kind, sequence, sequence)).encode()


def test_what_a_tab_has_missed_is_shown_by_what_the_session_got() -> None:
    """Its own last event, and the first that it did not get, however many others came between."""
    session = Frames()
    session.since = 1.0
    tab = Frames(session)
    for at, sequence in enumerate((4, 5, 6, 7)):
        session.came(at + 2.0, frame("LANGUAGE_CHANGED", sequence))
        if sequence < 6:
            tab.came(at + 2.5, frame("LANGUAGE_CHANGED", sequence))
    session.read()
    tab.read()
    lines = tab.lines(Violation("event_lost", "a tab saw events up to 5 of 7"))
    marked = [line.split('"sequence"')[0].split(" {")[0] for line in lines if line[0] in "►▹"]
    assert marked == ["▹ 2.500000 ←tab", "► 3.000000 ←"]
    assert '"sequence": 6' in next(line for line in lines if line.startswith("►"))


def test_a_tab_tells_its_own_frames() -> None:
    session = Frames()
    tab = Frames(session)
    session.came(1.0, frame("LANGUAGE_CHANGED", 4))
    tab.came(2.0, odd := frame("WEATHER", 5))
    (line,) = tab.lines(UNKNOWN, decode(odd)[0])
    assert line.startswith("► 2.000000 ←tab {")
