"""What the form of the web UI may say: a profile, a target, and the options that it offers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadkit.config.source import opening_comment, read_settings
from loadkit.errors import UsageError
from loadkit.profile.profile import profile_below, profile_folders, profile_names

LONGEST_NAME: Final = 4096
"""Characters of a profile's name, which may be a path: what Linux takes. To look for one of 200,000
takes a quarter of a minute, in which nothing else is done."""
DISABLED: Final = frozenset({"user_count", "spawn_rate", "run_time"})
"""Fields of Locust's page that it sends whatever they hold: the profile's stages say all that."""


@dataclass(frozen=True, slots=True)
class FormAnswer:
    """What a form came to: the target's URL, the profile as the form said it, and its path."""

    host: str
    name: str
    profile: str


class Form:
    """The form of one process.

    Args:
        profile: the one that it was started with.
        offered: the names of the further options that the page shows.

    Attributes:
        first: the profile that it was started with.
    """

    def __init__(self, profile: str, offered: Collection[str]) -> None:
        self.first, self.offered = profile, offered
        own = Path(profile).expanduser()
        self._folders = [*profile_folders(), *([own.parent] if own.is_file() else [])]

    @property
    def profiles(self) -> list[str]:
        """The names to choose from."""
        return [name for name, _ in profile_names(profile_folders())]

    @property
    def questions(self) -> list[tuple[str, str]]:
        """The same, each with the question that it answers; the command line's is the first."""
        found = profile_names(profile_folders())
        own = Path(self.first).expanduser()
        if own.is_file():
            found.insert(0, (self.first, opening_comment(read_settings(own))))
        return sorted(found, key=lambda each: each[0] != self.first)

    def read(self, fields: Mapping[str, str], host: str) -> FormAnswer:
        """Take what may be said from what was sent.

        Locust takes every option of its command line from there, files to be written included.
        `host` is the target where the form names none.

        Raises:
            UsageError: there is no such profile in the folders that this process was started
                with, or no such field.
        """
        known = {"host", "profile", *DISABLED, *self.offered}
        if strange := sorted(fields.keys() - known):
            raise UsageError(f"the form has no field {strange[0]!r}: set it on the command line")
        name = fields.get("profile") or self.first
        if len(name) > LONGEST_NAME:
            raise UsageError(f"there is no profile with a name of {len(name):,} characters")
        profile = name if name == self.first else str(profile_below(name, self._folders))
        # Locust drops these two from it, and what is left is to be what was checked.
        url = (fields.get("host") or host).replace("<", "").replace(">", "")
        return FormAnswer(url, name, profile)
