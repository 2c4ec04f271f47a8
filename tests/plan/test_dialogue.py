"""What people say: the built-in conversations and a user's own."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.errors import UsageError
from loadkit.plan.dialogue import (
    MAX_LINE,
    SECTORS,
    Dialogue,
    DialogueError,
    Repertoire,
    builtin,
    load_dialogues,
)


class TestBuiltin:
    def test_there_are_enough_and_they_differ(self):
        every = builtin()
        assert len(every) >= 36
        assert len({dialogue.lines for dialogue in every}) == len(every)
        assert len({dialogue.lines[0] for dialogue in every}) == len(every)

    @pytest.mark.parametrize("sector", SECTORS)
    def test_a_sector_has_several_intents(self, sector: str):
        dialogues = builtin(sector)
        assert {dialogue.sector for dialogue in dialogues} == {sector}
        assert len({dialogue.intent for dialogue in dialogues}) >= 5

    def test_a_conversation_is_two_to_eight_lines_that_steer_no_simulator(self):
        for dialogue in builtin():
            assert 2 <= len(dialogue.lines) <= 8, dialogue
            for line in dialogue.lines:
                assert line == line.strip()
                assert "agent please" not in line.lower()
                assert "end the convo" not in line.lower()

    def test_people_write_at_different_length(self):
        lengths = sorted(len(line) for dialogue in builtin() for line in dialogue.lines)
        assert lengths[len(lengths) // 10] <= 15
        assert lengths[-len(lengths) // 20] > 90

    def test_they_are_read_once(self):
        assert builtin("retail") is builtin("retail")


class TestOwn:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a.jsonl", '{"intent": "x", "lines": ["one", "two"]}\n\n'),
            ("a.jsonl", '{"lines": ["one", "two"], "intent": "x"}'),
            ("a.toml", '[[conversation]]\nintent = "x"\nlines = ["one", "two"]\n'),
            ("a.toml", 'conversation = [{ intent = "x", lines = ["one", "two"] }]\n'),
        ],
    )
    def test_jsonl_and_toml_say_the_same(self, tmp_path: Path, name: str, text: str):
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert load_dialogues(tmp_path / name) == (Dialogue("x", ("one", "two")),)

    def test_a_line_separator_inside_a_text_does_not_end_it(self, tmp_path: Path):
        path = tmp_path / "a.jsonl"
        path.write_text('{"intent": "x", "lines": ["one\u2028two"]}', encoding="utf-8")
        assert load_dialogues(path)[0].lines == ("one\u2028two",)

    def test_every_mistake_is_told_with_its_line(self, tmp_path: Path):
        path = tmp_path / "a.jsonl"
        path.write_text(
            '{"intent": "x", "lines": ["fine"]}\n'
            "{oops\n"
            "[]\n"
            '{"intnt": "x", "lines": []}\n'
            '{"intent": " ", "lines": ["a", "", 3]}\n',
            encoding="utf-8",
        )
        with pytest.raises(DialogueError) as caught:
            load_dialogues(path)
        beginnings = [
            "2: should be one JSON object: Expecting property name",
            '3: should be an object with "intent" and "lines", not \'[]\'',
            "4: unknown key 'intnt'; did you mean 'intent'?",
            "4: intent should be a text that is not empty",
            "4: lines should be a list of at least one text",
            "5: intent should be a text that is not empty",
            "5: line 2 should be a text that is not empty",
            "5: line 3 should be a text that is not empty",
        ]
        assert len(caught.value.mistakes) == len(beginnings)
        for mistake, beginning in zip(caught.value.mistakes, beginnings, strict=True):
            assert mistake.startswith(f"{path}:{beginning}")

    def test_toml_mistakes_name_the_line_of_the_conversation(self, tmp_path: Path):
        path = tmp_path / "a.toml"
        path.write_text(
            '# mine\n[[conversation]]\nintent = "x"\nlines = ["a"]\n\n[[ conversation ]]  # two\n'
            'intent = "y"\nlnes = ["a"]\n',
            encoding="utf-8",
        )
        with pytest.raises(DialogueError) as caught:
            load_dialogues(path)
        assert caught.value.mistakes == [
            f"{path}:6: unknown key 'lnes'; did you mean 'lines'?",
            f"{path}:6: lines should be a list of at least one text",
        ]

    @pytest.mark.parametrize(
        ("name", "text", "complaint"),
        [
            ("a.jsonl", "", "holds no conversation"),
            ("a.jsonl", "\n \n", "holds no conversation"),
            ("a.toml", "# nothing", "holds no conversation"),
            ("a.toml", "[conversation]\n", "in double brackets"),
            ("a.toml", "[[conversations]]\n", "did you mean 'conversation'"),
            ("a.toml", "[[conversation]\n", "at line 1, column"),
            ("a.toml", "conversation = [1]\n", "conversation 1: should be an object"),
            ("a.csv", "hello", r"should end in \.jsonl or \.toml"),
        ],
    )
    def test_a_file_that_cannot_be_used_is_told(
        self, tmp_path: Path, name: str, text: str, complaint: str
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=complaint):
            load_dialogues(tmp_path / name)

    def test_a_file_that_is_not_there_or_not_text_is_told(self, tmp_path: Path):
        with pytest.raises(DialogueError, match="cannot be read: No such file"):
            load_dialogues(tmp_path / "a.jsonl")
        (tmp_path / "b.jsonl").write_bytes(b"\xff")
        with pytest.raises(DialogueError, match="should be UTF-8"):
            load_dialogues(tmp_path / "b.jsonl")

    def test_a_line_that_would_not_fit_a_frame_is_told(self, tmp_path: Path):
        path = tmp_path / "a.jsonl"
        path.write_text(f'{{"intent": "x", "lines": ["{"a" * (MAX_LINE + 1)}"]}}', encoding="utf-8")
        with pytest.raises(DialogueError, match=f"line 1 has {MAX_LINE + 1} characters"):
            load_dialogues(path)


A1 = Dialogue("a", ("a1", "a2"), "s")
A2 = Dialogue("a", ("a3", "a4"), "s")
B = Dialogue("b", ("b1", "b2"), "s")
ELSEWHERE = Dialogue("a", ("e1", "e2"), "t")


class TestRepertoire:
    def test_it_is_a_sequence(self):
        repertoire = Repertoire([A1, B])
        assert list(repertoire) == [A1, B]
        assert (repertoire[1], repertoire[:1], len(repertoire)) == (B, (A1,), 2)

    def test_a_dialogue_that_is_long_enough_is_shared_and_not_copied(self):
        repertoire = Repertoire([A1])
        assert repertoire.lines(1, random.Random(1)) is A1.lines

    @pytest.mark.parametrize("seed", range(20))
    def test_a_short_one_goes_on_with_its_intent_then_its_sector(self, seed: int):
        lines = Repertoire([A1, A2, B, ELSEWHERE]).lines(6, random.Random(seed))
        if lines[0] in ("a1", "a3"):
            assert set(lines[:4]) == {"a1", "a2", "a3", "a4"}
        if lines[0] == "e1":
            assert lines == ("e1", "e2") * 3
        else:
            assert sorted(lines) == ["a1", "a2", "a3", "a4", "b1", "b2"]

    def test_lines_repeat_only_when_all_were_said(self):
        assert Repertoire([A1]).lines(5, random.Random(1)) == ("a1", "a2", "a1", "a2", "a1")

    @given(st.integers(min_value=1, max_value=200), st.integers())
    def test_there_is_always_a_line_for_every_turn(self, count: int, seed: int):
        assert len(builtin().lines(count, random.Random(seed))) >= count
