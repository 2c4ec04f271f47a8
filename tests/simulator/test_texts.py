"""What the agent says."""

from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.simulator.dials import AgentDials
from loadkit.simulator.session import texts

from .doubles import rng


@settings(max_examples=40)
@given(st.text(), st.integers(1, 30))
def test_the_pieces_of_a_text_make_the_text_again(text: str, pieces: int) -> None:
    parts = texts.split(text, pieces)
    assert "".join(parts) == text
    assert 1 <= len(parts) <= pieces
    assert all(parts) or text == ""


def test_a_text_comes_in_as_many_pieces_as_were_asked_for_while_there_are_words() -> None:
    assert texts.split("one two three four", 2) == ["one two ", "three four"]
    assert texts.split("one two", 9) == ["one ", "two"]


def test_the_same_seed_says_the_same_things() -> None:
    dials = AgentDials()
    first, second = rng(), rng()
    said = ["Where is my order?", "I want a refund", "hmm", "thank you"]
    assert [texts.reply(s, dials, first) for s in said] == [
        texts.reply(s, dials, second) for s in said
    ]


def test_the_words_that_end_a_conversation_work_in_any_case_and_place() -> None:
    reply = texts.reply("Please End The Convo now", AgentDials(), rng())
    assert (reply.text, reply.ends) == (texts.FAREWELL, True)


@settings(max_examples=40)
@given(st.text())
def test_every_message_has_an_answer_with_words_in_it(text: str) -> None:
    assert texts.reply(text, AgentDials(), rng()).text


def test_suggestions_and_attachments_come_as_often_as_the_dials_say() -> None:
    always = AgentDials(suggestion_rate=1.0, attachment_rate=1.0)
    never = AgentDials(suggestion_rate=0.0, attachment_rate=0.0)
    full, bare = texts.reply("hi", always, rng()), texts.reply("hi", never, rng())
    assert full.suggestions
    assert full.attachments
    assert (bare.suggestions, bare.attachments) == ([], [])
