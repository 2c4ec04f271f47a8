"""A run's books, put together again from its journal."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from loadkit.errors import Failure, UsageError
from loadkit.measure.chronicle import Chronicle
from loadkit.measure.ledger import Ledger
from loadkit.measure.summary import Summary, summarise
from loadkit.measure.timeline import Row, Timeline
from loadkit.plan.delivery import Delivery
from loadkit.plan.settings import Load
from loadkit.report.journal import JOURNAL, SCHEMA
from loadkit.report.lines import whole

__all__ = ["Replay"]

_DAMAGED: Final = (KeyError, TypeError, ValueError, AttributeError)
"""What a line that is none of ours leads to."""


class Replay:
    """Does again what the process that led the run did, as far as its journal goes.

    Args:
        folder: the run's.

    Attributes:
        head: what the journal begins with.
        standing: what the last tick knew.
        started: the wall clock's time at second 0 of the run.
        ledger: as it was.
        at_s: the second of the run up to which the journal goes.
        left_out: half-written lines.

    Raises:
        UsageError: there is no journal, or it is none of loadkit's.
    """

    def __init__(self, folder: Path) -> None:
        self._path = path = folder / JOURNAL
        self.standing: dict[str, Any] = {}
        self.at_s = 0.0
        self._delivery: Delivery | None = None
        try:
            lines, self.left_out = whole(path)
            self.head = orjson.loads(lines[0])["head"] if lines else {}
            if self.head.get("schema") != SCHEMA:
                raise ValueError(f"it does not begin as {SCHEMA}")
            self.started = datetime.fromisoformat(self.head["started"])
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from error
        except _DAMAGED as error:
            raise UsageError(f"{path} is no journal of this version: {error}") from error
        self._lines = lines[1:]
        self.timeline = Timeline(self.head["interval"], self.asked_at)
        self.ledger = Ledger(self.timeline)

    def rows(self) -> Iterator[Row]:
        """Go through the journal; to be called once.

        Yields:
            The rows that were closed since it was begun, and at its end those that were open.
        """
        try:
            for line in self._lines:
                for kind, content in orjson.loads(line).items():
                    yield from self._take(kind, content)
            if self._delivery is None:
                raise ValueError("it does not say what was run")
        except _DAMAGED as error:
            raise UsageError(f"{self._path} is damaged, or was edited: {error!r}") from error
        yield from self.timeline.finish()

    def summary(self, cut: Mapping[str, Any] | None, chronicle: Chronicle | None = None) -> Summary:
        """Freeze what was known; after `rows`.

        Args:
            cut: see `Summary`.
            chronicle: of all the run's rows; the journal has only the last of them.
        """
        assert self._delivery is not None
        return summarise(
            self.ledger,
            **self.head["what"] | {"limits": self.limits},
            **self.standing.get("besides", {}),
            duration_s=self.at_s,
            workers=max(1, self.ledger.workers),
            asked_sessions=self._delivery.asked_sessions(self.at_s),
            local_limits=self.ledger.counts[f"errors.{Failure.LOCAL_LIMIT}"],
            cut=cut,
            chronicle=chronicle,
        )

    @property
    def limits(self) -> list[tuple[str, float]]:
        """The objectives, as pairs of a metric and the most it may be."""
        return [(metric, limit) for metric, limit in self.head["what"]["limits"]]

    @property
    def asked_s(self) -> float:
        """How long the run was to last, in seconds."""
        return self._load.duration_s

    @property
    def warmup_s(self) -> float:
        """How long it was to warm up, in seconds."""
        return self._load.warmup

    @property
    def _load(self) -> Load:
        return Load.model_validate_json(orjson.dumps(self.standing["load"]))

    def asked_at(self, second: float) -> Mapping[str, float]:
        """Return the load asked for at a second of the run; see `Delivery.asked_at`."""
        return {} if self._delivery is None else self._delivery.asked_at(second)

    def _take(self, kind: str, content: Any) -> Iterator[Row]:
        match kind:
            case "state":
                self.ledger.restore([content])
            case "interval":
                self.at_s = max(self.at_s, content["at"])
                self.ledger.add(content["worker"], content["seq"], content["of"], content["at"])
            case "known" | "tick":
                self.standing |= content
                self.at_s = max(self.at_s, self.standing["at"])
                if "load" in content and self._delivery is None:
                    self._delivery = Delivery(self._load)
                elif "load" in content and self._delivery is not None:
                    self._delivery.follow(self._load)
                if kind == "tick":
                    yield from self.timeline.closed(self.standing["at"])
