"""The frames that show a violation, where nobody may read what was said."""

import pytest

from loadkit.swarm.worker.hidden_texts import frame_without_words
from tests.net.violated import ASKED, ROWS, Visit, chunk, read, told_in


@pytest.mark.parametrize("kind", ROWS)
def test_hidden_texts_change_no_mark_and_no_number(kind: str) -> None:
    steps, expected = ROWS[kind]
    visit = Visit(streaming=kind != "unasked_streaming").do(*steps)
    shown = [*read(visit.shown(kind, frame_without_words))]
    assert [line if isinstance(line, int) else line[:1] == "!" for line in shown] == [
        line if isinstance(line, int) else line[:1] == "!" for line in expected
    ]
    told = "".join(map(str, shown))
    assert not any(word in told for word in ("Where", "Whence", "half", "Yes.", "Not ours"))


def test_a_text_that_was_made_shorter_and_is_hidden_keeps_its_length() -> None:
    visit = Visit().do(*ASKED, chunk(6, 1, "word " * 200), chunk(7, 3))
    _, first, _ = visit.shown("chunk_index_gap", frame_without_words)
    assert told_in(first)["payload"]["text"] == "(1,000 characters)"
