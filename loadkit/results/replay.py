"""A run's books, put together again from its journal."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Final

from loadkit.errors import UsageError
from loadkit.measure.ledger import Ledger
from loadkit.measure.state import StatePart, TimelineState
from loadkit.measure.timeline import Row, Timeline
from loadkit.profile.delivery import Delivery
from loadkit.profile.tables import Load
from loadkit.results.journal import JOURNAL
from loadkit.results.journal_lines import TAIL, NotedLine, Record, Tick, head, record
from loadkit.results.line_file import whole
from loadkit.security.textfile import clipped
from loadkit.soak.run_analysis import RunAnalysis
from loadkit.verdict.run_facts import Cut, DoneByHand, RunFacts
from loadkit.verdict.summary import Summary, summarise

MOST_BYTES: Final = 64 * 1024 * 1024
"""Of a journal, which begins anew with each megabyte of reports."""

GAP: Final = 3600
"""Rows for which no line may come: as many are made up at most, in a second or so."""

_ROWS_A_LINE: Final = 20
"""Rows that a line closes on average at most: there is a tick a second, and a row lasts 0.1 s."""

_MOST_SCOPES: Final = 200
"""User classes; each phase of one takes 82 KB."""

_MOST_ARRIVALS: Final = 10**9

_DAMAGED: Final = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, LookupError)
"""What lines lead to that are well each, and do not fit together."""


class Replay:
    """Does again what the process that led the run did, as far as its journal goes.

    Args:
        folder: the run's.

    Attributes:
        head: what the journal begins with.
        ledger: as it was.
        left_out: half-written lines.

    Raises:
        UsageError: there is no journal, or it is none of loadkit's.
    """

    def __init__(self, folder: Path) -> None:
        self._path = path = folder / JOURNAL
        self.users = 0  # that were at work, by the last tick
        self.at_s = self._told_at = 0.0  # the second of the run up to which the journal goes
        # What is wrong with whole lines that were left out, each with its number; what they told
        # of a second or so is not in the books.
        self.damaged: list[str] = []
        self._load: Load | None = None
        self._facts = RunFacts()
        self._by_hand: tuple[DoneByHand, ...] = ()
        self._delivery: Delivery | None = None
        self._furthest = 0  # the last row that there has been anything of
        self._scopes: set[str] = set()
        try:
            lines, self.left_out = whole(path, MOST_BYTES)
            self.head = head(lines[0] if lines else b"{}")
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from error
        except ValueError as error:
            raise UsageError(
                f"{path} is no journal of this version: line 1: {clipped(str(error))}"
            ) from error
        self._lines = lines[1:]
        self._most_rows = GAP + _ROWS_A_LINE * len(lines)
        self.timeline = Timeline(self.head.interval, self.asked_at)
        self.ledger = Ledger(self.timeline)

    def rows(self) -> Iterator[Row]:
        """Go through the journal; to be called once.

        Yields:
            The rows that were closed since it was begun, and at its end those that were open.

        Raises:
            UsageError: what it begins with is damaged, or its lines do not fit together. Others
                that are damaged are left out.
        """
        in_tail = False
        for number, line in enumerate(self._lines, start=2):
            begins_as_tail = line.startswith(tuple(f'{{"{kind}":'.encode() for kind in TAIL))
            try:
                kind, content = record(line)
                in_tail = in_tail or kind in TAIL
                if in_tail and kind not in TAIL:
                    raise ValueError(f"comes too late for a line of {kind}")
                self._bound(kind, content)
            except (ValueError, RecursionError) as error:
                if not (in_tail or begins_as_tail):
                    raise self._error(number, error) from error
                in_tail = True
                self.damaged.append(f"{self._path}: line {number}: {clipped(str(error))}")
                continue
            try:
                yield from self._take(kind, content)
            except _DAMAGED as error:
                raise self._error(number, error) from error
        if self._delivery is None:
            raise UsageError(
                f"{self._path} is damaged, or was edited: it does not say what was run"
            )
        try:
            yield from self.timeline.finish()
        except _DAMAGED as error:
            raise self._error(len(self._lines) + 1, error) from error

    def _error(self, number: int, error: BaseException) -> UsageError:
        says = str(error) if isinstance(error, ValueError | UsageError) else repr(error)
        return UsageError(
            f"{self._path} is damaged, or was edited: line {number}: {clipped(says)}; nothing can "
            "be made of what comes after: take it from a copy"
        )

    def _bound(self, kind: str, content: Record) -> None:
        """Refuse a line that asks for more rows, or for more memory, than any run does.

        Raises:
            ValueError: it does.
        """
        row, scopes = self._furthest, set[str]()
        if isinstance(content, StatePart):
            part, scopes = content.timeline, {*content.scopes}
            places: list[int] = []
            if isinstance(part, TimelineState):
                rows = (row for row, _, _ in part.books.workers.values() if row is not None)
                places += [part.books.next, *rows]
                if min(places) < self._furthest - GAP:
                    raise ValueError(f"row {min(places):,} is long over")
            elif part is not None:
                places, scopes = [part.row], scopes | {*part.scopes}
            row = max([row, *places])
        elif kind == "known":
            self._furthest = int((content.at or 0.0) / self.timeline.interval)
            return
        else:
            row = ceil((content.at or 0.0) / self.timeline.interval)
            scopes = {*content.of.scopes} if isinstance(content, NotedLine) else scopes
        if len(self._scopes | scopes) > _MOST_SCOPES:
            raise ValueError(f"there are more than {_MOST_SCOPES} user classes")
        if row - self._furthest > GAP:
            raise ValueError(f"it is {row - self._furthest:,} rows after the one before")
        self._most_rows -= max(0, row - self._furthest)
        if self._most_rows < 0:
            raise ValueError("it goes on for longer than the run can have lasted")
        self._scopes |= scopes
        self._furthest = max(self._furthest, row)

    def summary(self, cut: Cut | None, analysis: RunAnalysis | None = None) -> Summary:
        """Freeze what was known; after `rows`.

        Args:
            cut: where it was cut; None if it goes on.
            analysis: of all the run's rows; the journal has only the last of them.
        """
        assert self._delivery is not None
        try:
            return self._summary(self._delivery, cut, analysis)
        except _DAMAGED as error:
            raise self._error(len(self._lines) + 1, error) from error

    def _summary(
        self, delivery: Delivery, cut: Cut | None, analysis: RunAnalysis | None
    ) -> Summary:
        if delivery.expected_sessions(self.at_s) > _MOST_ARRIVALS:
            raise ValueError("more arrivals were asked for than any run can have")
        facts = replace(
            self._facts,
            duration_s=self.at_s,
            asked_sessions=delivery.asked_sessions(self.at_s),
            cut=cut,
            by_hand=self._by_hand,
        )
        return summarise(self.ledger, self.head.spec, facts, analysis)

    @property
    def asked_s(self) -> float:
        """How long the run was to last, in seconds."""
        return 0.0 if self._load is None else self._load.duration_s

    @property
    def warmup_s(self) -> float:
        """How long it was to warm up, in seconds."""
        return 0.0 if self._load is None else self._load.warmup

    def asked_at(self, second: float) -> Mapping[str, float]:
        """Return the load asked for at a second of the run; see `Delivery.asked_at`."""
        return {} if self._delivery is None else self._delivery.asked_at(second)

    def _take(self, kind: str, content: Record) -> Iterator[Row]:
        if isinstance(content, StatePart):
            self.ledger.restore(content)
        elif isinstance(content, NotedLine):
            self.at_s = max(self.at_s, content.at)
            self.ledger.add(content.worker, content.seq, content.of, content.at)
        else:
            self._tell(content)
            if kind == "tick":
                yield from self.timeline.closed(self._told_at)

    def _tell(self, tick: Tick) -> None:
        if tick.at is not None:
            self._told_at = tick.at
        self.at_s = max(self.at_s, self._told_at)
        if tick.users is not None:
            self.users = tick.users
        self._facts = tick.facts or self._facts
        self._by_hand = tick.by_hand or self._by_hand
        if tick.load is not None:
            self._load = tick.load
            if self._delivery is None:
                self._delivery = Delivery(self._load)
            else:
                self._delivery.follow(self._load)
