"""What people say: the built-in conversations and a user's own."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.errors import UsageError
from loadkit.profile.dialogue import (
    LARGEST_MESSAGE,
    MOST_MISTAKES,
    SECTORS,
    Dialogue,
    DialogueError,
    Repertoire,
    builtin,
    load_dialogues,
)


class TestBuiltin:
    def test_there_are_enough_and_they_differ(self):
        every = builtin().every
        assert len(every) >= 36
        assert len({dialogue.lines for dialogue in every}) == len(every)
        assert len({dialogue.lines[0] for dialogue in every}) == len(every)

    @pytest.mark.parametrize("sector", SECTORS)
    def test_a_sector_has_several_intents(self, sector: str):
        dialogues = builtin(sector).every
        assert {dialogue.sector for dialogue in dialogues} == {sector}
        assert len({dialogue.intent for dialogue in dialogues}) >= 5

    def test_a_conversation_is_two_to_eight_lines_that_steer_no_simulator(self):
        for dialogue in builtin().every:
            assert 2 <= len(dialogue.lines) <= 8, dialogue
            for line in dialogue.lines:
                assert line == line.strip()
                assert "agent please" not in line.lower()
                assert "end the convo" not in line.lower()

    def test_people_write_at_different_length(self):
        lengths = sorted(len(line) for dialogue in builtin().every for line in dialogue.lines)
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
        assert load_dialogues(tmp_path / name) == ((Dialogue("x", ("one", "two")),), "")

    def test_a_line_separator_inside_a_text_does_not_end_it(self, tmp_path: Path):
        path = tmp_path / "a.jsonl"
        path.write_text('{"intent": "x", "lines": ["one\u2028two"]}', encoding="utf-8")
        ((dialogue,), _) = load_dialogues(path)
        assert dialogue.lines == ("one\u2028two",)

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
            ("a.csv", "hello\nthere\n", "no heading says which column .* there are: 'hello'"),
            ("a.txt", "hello", r"should end in \.jsonl, \.toml, \.csv or \.tsv"),
            ("a.jsonl", "[" * 100_000, "a.jsonl:1: should be one JSON object: tables or"),
            ("a.toml", "conversation = " + "[" * 10_000, "nested more than"),
            ("a.toml", f"conversation = {'9' * 5000}", "line 1: a number has 5,000 digits"),
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
        for text in ("a" * LARGEST_MESSAGE, "\\u0001" * (LARGEST_MESSAGE // 6), "é" * 65_500):
            path.write_text(f'{{"intent": "x", "lines": ["hi", "{text}"]}}', encoding="utf-8")
            with pytest.raises(DialogueError, match=r":1: line 2 takes 13\d,\d+ bytes"):
                load_dialogues(path)
        fits = "é" * 65_000
        path.write_text(f'{{"intent": "x", "lines": ["{fits}"]}}', encoding="utf-8")
        assert load_dialogues(path)[0][0].lines == (fits,)

    def test_half_of_a_character_is_told(self, tmp_path: Path):
        """JSON can write one half of a surrogate pair; UTF-8, and so a frame, cannot."""
        path = tmp_path / "a.jsonl"
        path.write_text(r'{"intent": "x", "lines": ["\ud83d\ude00", "\ud83d"]}', encoding="utf-8")
        with pytest.raises(DialogueError, match=":1: line 2 holds half of a character"):
            load_dialogues(path)

    @pytest.mark.parametrize("name", ["a.jsonl", "a.toml", "a.csv"])
    def test_a_byte_order_mark_is_no_part_of_the_text(self, tmp_path: Path, name: str):
        """Editors and spreadsheets write one."""
        text = {
            "a.jsonl": '{"intent": "any", "lines": ["one"]}',
            "a.toml": '[[conversation]]\nintent = "any"\nlines = ["one"]\n',
            "a.csv": "text\none\n",
        }[name]
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
        assert load_dialogues(tmp_path / name)[0] == (Dialogue("any", ("one",)),)

    def test_of_very_many_mistakes_the_first_are_told(self, tmp_path: Path):
        """And how many more there are."""
        path = tmp_path / "a.jsonl"
        for number, told in ((500, "480 others"), (5_000, "980 or more others")):
            path.write_text("{\n" * number, encoding="utf-8")
            with pytest.raises(DialogueError) as caught:
                load_dialogues(path)
            assert len(caught.value.mistakes) == MOST_MISTAKES + 1
            assert caught.value.mistakes[-1] == f"… and {told} in that file"


class TestSpreadsheet:
    def read(self, folder: Path, content: str, **columns: str) -> tuple[tuple[Dialogue, ...], str]:
        (folder / "chats.csv").write_bytes(content.encode())
        return load_dialogues(folder / "chats.csv", columns)

    def test_rows_of_one_conversation_are_its_lines(self, tmp_path: Path):
        """In the file's order, also where conversations alternate; empty rows are skipped."""
        dialogues, told = self.read(
            tmp_path,
            "Chat ID,Topic,Message\r\n1,late,where is it\r\n2,bill,hi\r\n\r\n"
            '1,late,"it says ""soon"", but\nno date"\r\n',
        )
        assert dialogues == (
            Dialogue("late", ("where is it", 'it says "soon", but\nno date')),
            Dialogue("bill", ("hi",)),
        )
        assert told.endswith(
            "chats.csv: 2 conversations, 3 lines; text from column 'Message' (guessed), "
            "conversation from column 'Chat ID' (guessed), intent from column 'Topic' (guessed)"
        )

    @pytest.mark.parametrize("delimiter", [";", "\t", "|"])
    def test_the_headings_tell_the_delimiter(self, tmp_path: Path, delimiter: str):
        """As a spreadsheet of another country writes it."""
        lines = (("id", "frage, kurz"), ("1", "wo, bitte"))
        text = "\n".join(map(delimiter.join, lines))
        assert self.read(tmp_path, text, text="frage, kurz")[0][0].lines == ("wo, bitte",)

    def test_without_such_a_column_each_row_is_a_conversation(self, tmp_path: Path):
        dialogues, _ = self.read(tmp_path, "text\none\ntwo\n")
        assert [dialogue.lines for dialogue in dialogues] == [("one",), ("two",)]

    def test_a_column_that_is_named_goes_before_a_guess(self, tmp_path: Path):
        dialogues, told = self.read(tmp_path, "text,said\nno,yes\n", text="said")
        assert dialogues[0].lines == ("yes",)
        assert told.endswith("; text from column 'said'")

    def test_only_users_say_their_rows(self, tmp_path: Path):
        """Whoever exports a chat has the agent's answers in it."""
        dialogues, told = self.read(
            tmp_path, "session,role,content\n1,assistant,hello\n1,User,hi\n1,assistant,ok\n"
        )
        assert dialogues == (Dialogue("any", ("hi",)),)
        assert told.endswith("2 rows of other speakers left out")

    @pytest.mark.parametrize(
        ("text", "columns", "complaint"),
        [
            ("text\n", {}, "holds no conversation"),
            ("", {}, "no heading says which column .* there are: none"),
            ("a,b\n1,2\n", {}, r"there are: 'a', 'b'; name it in the profile, .* columns ="),
            ("text,b\n1,2\n", {"intent": "c"}, "line 1: no column is called 'c'; there are"),
            ("id,text\n1,where, please\n", {}, "line 2 has 3 columns, the headings 2: put texts"),
            ("id,text\n1,\n", {}, "line 2: the text should be a text that is not empty"),
            ('text\n"open\n', {}, "line 2: unexpected end of data"),
            ('text\n"a"b\n', {}, "line 2: "),
            ("text\n" + "a" * 200_000, {}, "line 2: field larger than field limit"),
            ("role,text\nA,hi\nB,ho\n", {}, "no row is a user's: the column 'role' holds 'A', 'B'"),
        ],
    )
    def test_what_cannot_be_read_is_told_with_its_line(
        self, tmp_path: Path, text: str, columns: dict[str, str], complaint: str
    ):
        with pytest.raises(DialogueError, match=complaint) as caught:
            self.read(tmp_path, text, **columns)
        assert str(caught.value).startswith(str(tmp_path / "chats.csv"))


A1 = Dialogue("a", ("a1", "a2"), "s")
A2 = Dialogue("a", ("a3", "a4"), "s")
B = Dialogue("b", ("b1", "b2"), "s")
ELSEWHERE = Dialogue("a", ("e1", "e2"), "t")


class TestRepertoire:
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
