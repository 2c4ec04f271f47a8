"""The run to come: what Locust's options ask for, whether it may begin, and its folder."""

import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from locust.env import Environment
from locust.runners import MasterRunner

from loadkit.capacity.adapter import CapacityAdapter
from loadkit.capacity.controller import for_search, of_a_step
from loadkit.capacity.resume import subject
from loadkit.errors import UsageError
from loadkit.flags import TYPED
from loadkit.net.http.target import Target, Way
from loadkit.net.preflight.permit import permit
from loadkit.net.preflight.preflight import introduced, preflight
from loadkit.network import Network
from loadkit.profile.profile import Profile
from loadkit.profile.tables import Load
from loadkit.readiness import room
from loadkit.readiness.foresight import Doubt, foresee
from loadkit.results.run_folder import results_folder
from loadkit.security.credentials import Credentials
from loadkit.swarm.options import read_profile
from loadkit.swarm.run_files import RunFiles
from loadkit.swarm.worker.users import ChatUser, session_kinds


class NextRun:
    """The next run of an environment; its profile is read again only when another is asked for.

    Args:
        network: how every target is reached, whatever a form says.
        announce: told of a redirection and the like, as the target is looked at.
    """

    def __init__(
        self, environment: Environment, network: Network, announce: Callable[[str], None]
    ) -> None:
        assert environment.parsed_options is not None
        self._environment, self._options = environment, environment.parsed_options
        self._network, self._announce = network, announce
        self._named = environment.host  # by the command line; a form may say something else later
        self._read: tuple[tuple[Any, ...], Profile] | None = None
        self._own_load = 0.0
        self._target: Target | None = None
        self._subject: Mapping[str, Any] | None = None
        self._foreseen: list[Doubt] | None = None
        self._cramped: list[Doubt] = []  # where this machine is too small for it
        self._folder: RunFiles | None = None
        self.withdrawn = False  # there will be none

    def profile(self) -> Profile:
        """The profile, as a search runs it where there is to be one.

        Raises:
            UsageError: there is none, or it holds mistakes.
        """
        options = self._options
        key = (options.profile, tuple(options.profile_overrides), options.capacity)
        if self._read is None or self._read[0] != key:
            profile = read_profile(options, self._classes())
            self._own_load = profile.load.peak_rate or profile.load.peak_users
            self._foreseen = None
            _check_classes(profile, self._classes())
            self._read = key, for_search(profile) if options.capacity else profile
        return self._read[1]

    def check(self, url: str | None) -> None:
        """Everything that can be wrong before any load.

        Raises:
            UsageError, TargetError
        """
        self._subject = None
        searches = self.adapter() is not None
        self.permit(url)
        credentials = Credentials.of(os.environ)
        target = preflight(url, credentials, self._announce, self._network)
        assert url is not None
        profile = self.profile()
        if searches:
            self._subject = subject(profile, url, introduced(target, credentials))
            self.adapter()  # an earlier one may have been of something else
        self._target = target
        self._cramped = self.look_for_room(profile.load)

    def look_for_room(self, load: Load) -> list[Doubt]:
        """What may be too small here for a load on the target that was checked.

        Raises:
            UsageError: there is no room for it.
        """
        profile = self.profile()
        return room.check(
            load,
            room.Room.here(),
            self._local_workers,
            addresses=1 if self._target is None else len(self._target.addresses),
            session=room.session_bytes(profile.clients, profile.connection.deflate),
            force=self._options.force,
        )

    def permit(self, url: str | None) -> None:
        """Refuse a target that neither the command line nor the profile named.

        Raises:
            UsageError
        """
        allowed: tuple[str, ...] = ()
        with suppress(UsageError):  # before a page is served its form may name no profile yet
            allowed = self.profile().allow_hosts
        if url:
            permit(url, self._named, allowed, production=self._options.allow_production)

    @property
    def way(self) -> Way | None:
        """How the target is reached; None before it was looked at."""
        return None if self._target is None else self._target.way

    def doubts(self) -> tuple[Doubt, ...]:
        """What the run of the profile, or a step of its search, will hardly be able to tell.

        Raises:
            UsageError: as `profile`.
        """
        profile = self.profile()
        if self._foreseen is None:
            of = of_a_step if self._options.capacity else foresee
            self._foreseen = [*of(profile, session_kinds(self._classes().values()))]
        return (*self._foreseen, *self._cramped)

    def adapter(self, *ask: Callable[[Load, float], None]) -> CapacityAdapter | None:
        """A new search, or an earlier one to go on with; None where the profile has its stages.

        Args:
            ask: called with each load that it asks for; see `CapacityAdapter`.

        Raises:
            UsageError: as `profile`; or there is nothing to go on with.
        """
        profile, resume = self.profile(), self._options.resume
        if self._options.capacity:
            return CapacityAdapter(profile, self._own_load, self._subject, resume or "", *ask)
        if resume:
            raise UsageError("--resume goes on with a capacity search: add --capacity")
        return None

    def make_folder(self) -> None:
        """Make its results folder.

        Raises:
            UsageError: it cannot be written to.
        """
        parent = Path(self._options.results_parent)
        self._folder = RunFiles(results_folder(parent, self.profile().name, datetime.now(UTC)))
        if self.withdrawn:  # by a signal, while the target was looked at
            self.withdraw()

    def take_folder(self) -> RunFiles:
        """The folder, for the run that begins; the next one gets another.

        Raises:
            UsageError: as `make_folder`.
        """
        if self._folder is None:
            self.make_folder()
        folder, self._folder = self._folder, None
        assert folder is not None
        return folder

    def again(self) -> str:
        """Return the command that runs it again, for a shell: as typed, or as a form says.

        Of a form it leaves out what is the same for all of its runs: the way to the target, say.
        """
        options = self._options
        typed = json.loads(os.environ.get(TYPED, "[]")) or [Path(sys.argv[0]).name, *sys.argv[1:]]
        if typed[:2] == ["loadkit", "ui"]:
            command = "capacity" if options.capacity else "run"
            typed = ["loadkit", command, options.profile, "--host", self._environment.host or ""]
            typed += [word for each in options.profile_overrides for word in ("--set", each)]
            typed += ["--workers", str(options.processes)] if options.processes else []
        return shlex.join(typed)

    def withdraw(self) -> None:
        """There will be no run: leave no empty folder, and wait for no worker."""
        self.withdrawn = True
        if self._folder is not None:
            with suppress(OSError):
                self._folder.path.rmdir()

    @property
    def _local_workers(self) -> int | None:
        """How many processes of this machine load; None if they are on others."""
        if not isinstance(self._environment.runner, MasterRunner):
            return 1
        forked: int | None = self._options.processes
        return os.cpu_count() if forked == -1 else forked

    def _classes(self) -> Mapping[str, type[Any]]:
        available: Any = self._environment.available_user_classes  # not users, as Locust has it
        return available or {cls.__name__: cls for cls in self._environment.user_classes}


def _check_classes(profile: Profile, classes: Mapping[str, type[Any]]) -> None:
    """Refuse what would make another load than the profile's.

    Raises:
        UsageError
    """
    mistakes = []
    for name, cls in classes.items():
        if profile.mix.get(name) and profile.load.model == "open" and not issubclass(cls, ChatUser):
            mistakes.append(
                f"{profile.name}: [mix] {name} is no subclass of ChatUser, and lives no sessions "
                'that could arrive: take it out, or ask for users (load.model = "closed")'
            )
        if cls.fixed_count:
            mistakes.append(
                f"the user class {name} has a fixed_count, by which Locust passes over [mix]: "
                "take that out of the class"
            )
    if mistakes:
        raise UsageError("\n".join(mistakes))
