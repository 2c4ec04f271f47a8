"""What is told of the wait for a run's first workers."""

import pytest

from loadkit.swarm.workers.first_workers import FirstWorkers


@pytest.mark.parametrize(
    ("patience", "here", "said"),
    [
        pytest.param(0, 1, {5: "1 of 2 workers came so far", 35: "1 of 2 workers", 65: "1 of 2"}),
        pytest.param(20, 0, {5: "0 of 2 workers", 20: "0 of 2 workers came within 20 s"}),
        pytest.param(0, 2, {}, id="all are here"),
        pytest.param(20, 3, {}, id="more than all are here"),
    ],
)
def test_it_is_told_now_and_then_and_given_up_in_time(
    patience: float, here: int, said: dict[int, str]
) -> None:
    first_workers = FirstWorkers(2, patience)
    words = {}
    for second in range(70):
        word = first_workers.word_after(second, here)
        if word is not None:
            words[second] = word
            if word.last:
                break
    assert list(words) == list(said)
    assert all(text in words[second].text for second, text in said.items())
    assert [word.last for word in words.values()][-1:] == ([patience > 0] if said else [])


def test_workers_that_die_again_and_again_are_not_waited_for() -> None:
    """Each has been started again once, and one of them twice."""
    first_workers = FirstWorkers(2, 0)
    first, second = first_workers.word_after(1, 1, 1), first_workers.word_after(2, 0, 2)
    assert first is not None
    assert (first.last, first.text) == (False, "1 worker died and is started again")
    assert second is not None
    assert second.last
    assert second.text.startswith("3 workers died before the run began")


def test_who_died_and_is_there_again_is_forgotten() -> None:
    first_workers = FirstWorkers(1, 0)
    first_workers.word_after(1, 0, 1)
    assert first_workers.word_after(2, 1) is None
