"""The last frames of a session, and the sessions that a violation has hit."""

from loadkit.figures import NOWHERE
from loadkit.measure.recorder import Recorder
from loadkit.net.transcript import REMEMBERED, Frames


def test_a_session_counts_once_for_each_kind_however_often_it_is_hit() -> None:
    """Whether its own socket or a further tab of it saw that."""
    recorder = Recorder()
    one, other = Frames(), Frames()
    one.note(1.0, "←", b"{}")
    for frames, kind, shown in (
        (one, "sequence_gap", True),
        (one, "sequence_gap", False),
        (one, "unknown_type", True),
        (other, "sequence_gap", True),
    ):
        frames.violated(recorder, kind, "d", NOWHERE, shown=shown)
    taken = recorder.take(2.0)
    assert taken["counts"] == {
        "violations.sequence_gap": 3,
        "violated.sequence_gap": 2,
        "violations.unknown_type": 1,
        "violated.unknown_type": 1,
    }
    assert [each.get("frames") for each in taken["evidence"]] == [
        ["1.000000 ← {}"],
        None,
        ["1.000000 ← {}"],
        None,
    ]


def test_only_the_last_frames_are_kept() -> None:
    frames = Frames()
    for number in range(REMEMBERED + 1):
        frames.note(float(number), "→", b"%d" % number)
    assert [line.split(" ")[-1] for line in frames.lines()] == [
        str(number) for number in range(1, REMEMBERED + 1)
    ]
