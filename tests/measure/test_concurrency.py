"""Sessions at once, over all workers."""

from loadkit.measure.concurrency import WINDOW, Concurrency


def peak(*reports: tuple[str, float, float, int]) -> int:
    concurrency = Concurrency()
    for report in reports:
        concurrency.add(*report)
    return concurrency.peak


def test_workers_are_added_up_within_a_second() -> None:
    """Two workers with 5 and 7 in the same second held 12."""
    assert peak(("a", 3.0, 3.9, 5), ("b", 3.5, 3.8, 7)) == 12


def test_peaks_of_different_seconds_are_not_added_up() -> None:
    """One worker had finished before the other began."""
    assert peak(("a", 0.0, 0.9, 5), ("b", 5.0, 5.9, 7)) == 7


def test_one_worker_is_never_added_to_itself() -> None:
    """Two of its intervals that share a second count once, with the higher peak."""
    assert peak(("a", 0.0, 1.5, 5), ("a", 1.5, 2.5, 6)) == 6


def test_an_interval_holds_for_every_second_it_touches() -> None:
    """A report every ten seconds meets one every second."""
    assert peak(("a", 0.0, 9.5, 5), ("b", 4.0, 4.5, 7)) == 12


def test_any_clock_will_do() -> None:
    """Seconds before the end of the warm-up, and clocks that started long ago."""
    assert peak(("a", -3.0, -2.5, 5), ("b", -2.6, -2.5, 7)) == 12
    assert peak(("a", 4e8, 4e8 + 1, 5)) == 5


def test_the_peak_of_hours_ago_is_remembered() -> None:
    """Only the last minutes are kept apart; of what was before them the highest stays."""
    quiet = [(worker, float(at), at + 0.5, 1) for at in range(3, 7200) for worker in "ab"]
    assert peak(("a", 1.0, 1.5, 5), ("b", 1.0, 1.5, 7), *quiet) == 12


def test_nobody_is_nobody() -> None:
    """Without reports there were no sessions."""
    assert peak() == 0


def test_it_holds_no_more_than_its_window() -> None:
    """Ten minutes of seconds, however long the run and however late a report."""
    concurrency = Concurrency()
    for second in range(3 * WINDOW):
        concurrency.add("a", float(second), second + 0.9, 5)
        concurrency.add("late", float(second // 2), second // 2 + 0.9, 1)
        assert len(concurrency._seconds) <= WINDOW
    assert concurrency.peak == 6
