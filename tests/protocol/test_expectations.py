"""What a server was expected to do, told beside each violation."""

from pathlib import Path

import pytest

from loadkit.chat.violations import Wrong
from loadkit.protocol import FlawKind
from loadkit.protocol.expectations import EXPECTED


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
