"""Counts by words that the server chooses."""

import json
import random
from collections import Counter

import pytest

from loadkit.figures import NAMED, Origin
from loadkit.measure.ledger import Ledger
from loadkit.measure.occurrence import MOST_KEPT, OCCURRENCE
from loadkit.measure.recorder import Recorder
from loadkit.measure.state import PART
from loadkit.measure.word_counts import (
    LONGEST_NAME,
    MOST_KEYS,
    MOST_NAMES,
    OTHER,
    Names,
    folded,
    merge,
)

QUEUE = "handoffs.client.queue_name"
WORKERS = 20


def names_of(counts: dict[str, int], family: str = QUEUE) -> dict[str, int]:
    start = f"{family}."
    return {key.removeprefix(start): n for key, n in counts.items() if key.startswith(start)}


@pytest.mark.parametrize("family", NAMED)
def test_a_worker_counts_the_first_fifty_words_by_name_and_the_rest_as_other(family: str) -> None:
    recorder = Recorder()
    for number in range(200):
        recorder.count_named(family, f"w{number}")
    recorder.count_named(family, "w0")
    named = names_of(recorder.take(1.0).counts, family)
    expected = {f"w{number}": 1 for number in range(MOST_NAMES)} | {"w0": 2, OTHER: 150}
    assert named == expected


def test_a_worker_names_the_same_words_as_long_as_it_lives() -> None:
    """Else each interval would bring fifty others."""
    recorder, names = Recorder(), set[str]()
    for interval in range(10):
        for number in range(100):
            recorder.count_named(QUEUE, f"w{interval}-{number}")
        names |= names_of(recorder.take(float(interval)).counts).keys()
    assert len(names) == MOST_NAMES + 1


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("billing", "billing"),
        ("q" * 1_000_000, "q" * LONGEST_NAME),
        ("a\nb", "a b"),
        (" \n\t", OTHER),
        ("", OTHER),
        ("x.y", "x.y"),
    ],
)
def test_a_name_is_short_and_in_one_line(word: str, name: str) -> None:
    recorder = Recorder()
    assert recorder.count_named(QUEUE, word) == f"{QUEUE}.{name}"
    assert names_of(recorder.take(1.0).counts) == {name: 1}


def test_a_user_class_of_its_own_counts_under_the_same_names() -> None:
    recorder = Recorder(watched=frozenset({"Chat", "Other"}))
    for number in range(MOST_NAMES):
        recorder.scoped("Other").count_named(QUEUE, f"w{number}")
    recorder.scoped("Chat").count_named(QUEUE, "late")
    taken = recorder.take(1.0)
    assert names_of(taken.scopes["Chat"].counts) == {OTHER: 1}
    assert sum(names_of(taken.counts).values()) == MOST_NAMES + 1


def test_twenty_workers_give_fifty_words_and_other_in_whatever_order_they_come() -> None:
    """The largest of all, by what they come to together; nothing is left out of the sum."""
    chance = random.Random(7)
    reports, said = [], Counter[str]()
    for worker in range(WORKERS):
        recorder = Recorder()
        for interval in range(3):
            usual = [f"w{int(chance.expovariate(0.5))}" for _ in range(100)]
            for word in [*usual, *(f"{worker}-{interval}-{number}" for number in range(100))]:
                said[word] += 1
                recorder.count_named(QUEUE, word)
            reports.append((f"worker-{worker}", interval + 1, recorder.take(interval + 1.0)))
    results = []
    for _ in range(5):
        chance.shuffle(reports)
        ledger = Ledger()
        for worker_, seq, taken in reports:
            ledger.add(worker_, seq, taken)
        results.append(names_of(ledger.others))
    assert all(result == results[0] for result in results)
    assert len(results[0]) == MOST_NAMES + 1
    assert sum(results[0].values()) == said.total()
    top = said.most_common(5)  # these came early, so every worker names them
    assert {word: results[0][word] for word, _ in top} == dict(top)


def test_what_hostile_words_leave_of_a_run_is_small() -> None:
    """Words that never come twice, from twenty workers: as summary and as state."""
    ledger = Ledger()
    for worker in range(WORKERS):
        recorder = Recorder()
        for number in range(1_000):
            for family in NAMED:
                recorder.count_named(family, f"{worker}-{number}-" + "q" * 100)
        ledger.add(f"w{worker}", 1, recorder.take(1.0))
    assert len(ledger.counts) <= MOST_KEYS
    assert len(ledger.others) == len(NAMED) * (MOST_NAMES + 1)
    assert sum(ledger.others.values()) == WORKERS * 1_000 * len(NAMED)
    assert len(json.dumps(ledger.others)) < 20_000
    assert sum(len(PART.json(part)) for part in ledger.state()) < 500_000


def test_workers_without_end_fill_no_memory() -> None:
    """Each one that is started again may name fifty other words."""
    counts = Counter[str]()
    for worker in range(500):
        names = Names()
        merge(counts, Counter(names.key(QUEUE, f"{worker}-{n}") for n in range(MOST_NAMES)))
    assert len(counts) <= MOST_KEYS
    assert counts.total() == 500 * MOST_NAMES
    assert len(names_of(folded(counts))) == MOST_NAMES + 1


def test_what_is_not_counted_by_the_server_s_words_is_never_folded() -> None:
    counts = {f"events.kind_{number}": number for number in range(100)}
    assert folded(counts) == counts


def test_examples_of_a_kind_are_so_many_whoever_saw_them_and_the_earliest() -> None:
    """In whatever order the workers report."""

    def seen(order: list[int]) -> list[str]:
        ledger = Ledger()
        for worker in order:
            recorder = Recorder(wall=lambda worker=worker: 1e9 + worker)  # type: ignore[misc]
            recorder.violate("gap", "d" * 10_000, transcript=lambda: ["f" * 3_000] * 2)
            ledger.add(f"w{worker}", 1, recorder.take(1.0))
        assert sum(len(OCCURRENCE.json(one)) for one in ledger.evidence) < MOST_KEPT * 5_000
        return sorted(one.worker for one in ledger.evidence)

    first = sorted(f"w{number}" for number in range(MOST_KEPT))
    everyone = list(range(3 * MOST_KEPT))
    assert seen(everyone) == seen(everyone[::-1]) == first


def test_where_something_happened_is_told_in_short_whatever_the_server_calls_it() -> None:
    recorder = Recorder()
    recorder.violate("gap", "why", Origin("Chat", "s" * 1_000_000, "c" * 1_000_000))
    (found,) = recorder.take(1.0).evidence
    assert len(OCCURRENCE.json(found)) < 1_000
