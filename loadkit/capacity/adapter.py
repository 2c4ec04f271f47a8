"""A capacity search's place in a run: the steps it begins with, the file it leaves."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loadkit.capacity import document
from loadkit.capacity.controller import SearchController
from loadkit.capacity.resume import steps_to_resume
from loadkit.errors import UsageError
from loadkit.measure.timeline import Row
from loadkit.profile.profile import Profile
from loadkit.profile.tables import Load
from loadkit.verdict.run_facts import Loss

__all__ = ["CapacityAdapter"]

logger = logging.getLogger(__name__)


class CapacityAdapter:
    """One search, with its `capacity.json`.

    Args:
        profile: as of `loadkit.capacity.controller.for_search`.
        own_load: see `SearchController`.
        subject: see `loadkit.capacity.resume.steps_to_resume`.
        resume: the folder of an interrupted search to go on with; empty for a new one.
        ask: see `SearchController`.

    Raises:
        UsageError: there is nothing to resume in that folder.
    """

    def __init__(
        self,
        profile: Profile,
        own_load: float,
        subject: Mapping[str, Any] | None,
        resume: str,
        ask: Callable[[Load, float], None] = lambda *_: None,
    ) -> None:
        earlier: Sequence[dict[str, Any]] = ()
        if resume:
            earlier = steps_to_resume(Path(resume), subject)
        self._subject = subject
        self._folder: Path | None = None
        self._head: Callable[[], dict[str, Any]] = dict
        self._search = SearchController(profile, own_load, earlier, ask, self._save)

    def begin(self, folder: Path, head: Callable[[], dict[str, Any]]) -> None:
        """The run begins.

        Args:
            folder: where `capacity.json` goes.
            head: gives what that says of the run besides: target, start, duration.
        """
        self._folder, self._head = folder, head

    @property
    def load(self) -> Load:
        """What is asked for now."""
        return self._search.load

    @property
    def state(self) -> str:
        """Where it stands, in a few words."""
        return self._search.state

    def advance(self, now: float, rows: Sequence[Row], users: float, lost: Sequence[Loss]) -> None:
        """Take what is new; see `SearchController.look`."""
        self._search.advance(now, rows, users, lost)

    def result(self) -> dict[str, Any]:
        """Return what it came to, be it over or not, with all that follows from its steps."""
        return document.completed(self._document())

    def _document(self) -> dict[str, Any]:
        return self._search.document() | self._head() | {"subject": self._subject}

    def _save(self) -> None:
        """After each step: an interrupted search goes on from here."""
        if self._folder is not None:
            try:
                document.save(self._folder, self._document())
            except UsageError as error:
                logger.error("%s", error)
