"""A capacity search's place in a run: the steps it begins with, the file it leaves."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from loadkit.capacity import document
from loadkit.capacity.controller import SearchController
from loadkit.capacity.resume import steps_to_resume
from loadkit.errors import UsageError
from loadkit.profile.profile import Profile
from loadkit.profile.tables import Load

logger = logging.getLogger(__name__)


class CapacityAdapter(SearchController):
    """One search, with its `capacity.json`.

    Args:
        profile: as of `loadkit.capacity.controller.for_search`.
        own_load: see `SearchController`.
        subject: see `loadkit.capacity.resume.subject`.
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
        earlier = steps_to_resume(Path(resume), subject) if resume else ()
        self._subject = subject
        self._folder: Path | None = None
        self._head: Callable[[], dict[str, Any]] = dict
        super().__init__(profile, own_load, earlier, ask, self._keep)

    def begin(self, folder: Path, head: Callable[[], dict[str, Any]]) -> None:
        """The run begins in `folder`; `head` gives what `capacity.json` says of it besides."""
        self._folder, self._head = folder, head

    def outcome(self) -> dict[str, Any]:
        """Return what it came to, be it over or not, with all that follows from its steps."""
        return document.completed(self._whole())

    def _whole(self) -> dict[str, Any]:
        return self.document() | self._head() | {"subject": self._subject}

    def _keep(self) -> None:
        """After each step: an interrupted search goes on from here."""
        if self._folder is not None:
            try:
                document.save(self._folder, self._whole())
            except UsageError as error:
                logger.error("%s", error)
