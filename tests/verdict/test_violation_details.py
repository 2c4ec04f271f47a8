"""The example of a violation: the smallest transcript that shows it."""

from loadkit.measure.occurrence import Occurrence
from loadkit.verdict.violation_details import smallest


def shown(*frames: str, kind: str = "unknown_type") -> Occurrence:
    return Occurrence(of="violations", kind=kind, detail="d", frames=frames)


def test_the_smallest_transcript_has_the_fewest_frames_and_then_the_shortest() -> None:
    """One without frames, as of a further tab, is taken only where there is no other."""
    found = [shown("1", "2"), shown(), shown("333"), shown("22"), shown("1", kind="not_closed")]
    assert smallest("unknown_type", found) == {"detail": "d", "frames": ["22"]}
    assert smallest("unknown_type", [shown()]) == {"detail": "d"}
    assert smallest("unknown_type", [Occurrence(of="errors", kind="unknown_type")]) == {}


def test_of_marked_frames_the_others_are_told_by_how_many_they_are() -> None:
    """Those that were left out before included."""
    frames = ("a", "▹ b", "… 3 frames", "c", "► d", "e")
    assert smallest("unknown_type", [shown(*frames)])["frames"] == [
        "… 1 frame",
        "  b",
        "… 4 frames",
        "► d",
        "… 1 frame",
    ]
