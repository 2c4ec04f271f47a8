"""What a server was expected to do, told beside each violation."""

from pathlib import Path

import pytest

from loadkit.chat.violations import Wrong
from loadkit.protocol import FlawKind
from loadkit.protocol.expectations import EXPECTED, smallest


def test_each_kind_of_violation_has_what_was_expected() -> None:
    """And nothing else has."""
    assert EXPECTED.keys() == {*map(str, Wrong), *map(str, FlawKind)}


def test_the_documentation_has_them_all() -> None:
    """A row each, in their order."""
    page = (Path(__file__).parents[2] / "docs" / "results.md").read_text()
    rows = [f"| `{kind}` | {sentence} |" for kind, sentence in EXPECTED.items()]
    assert "\n".join(rows) in page


@pytest.mark.parametrize("kind", EXPECTED)
def test_it_is_one_plain_sentence(kind: str) -> None:
    told = EXPECTED[kind]
    assert told[0].isupper()
    assert told.endswith(".")
    assert ". " not in told
    assert len(told) < 200


def shown(*frames: str, kind: str = "unknown_type", of: str = "violations") -> dict[str, object]:
    return {"of": of, "kind": kind, "detail": "d", "session": "", "frames": [*frames]}


def test_the_smallest_transcript_has_the_fewest_frames_and_then_the_shortest() -> None:
    """One without frames, as of a further tab, is taken only where there is no other."""
    found = [shown("1", "2"), shown(), shown("333"), shown("22"), shown("1", kind="not_closed")]
    assert smallest("unknown_type", found) == {"detail": "d", "frames": ["22"]}
    assert smallest("unknown_type", [shown()]) == {"detail": "d"}
    assert smallest("unknown_type", [shown("1", of="errors")]) == {}
