"""What Locust's options name now: a profile, and the search for its capacity where asked for."""

from collections.abc import Callable, Mapping
from typing import Any

from locust.env import Environment

from loadkit.capacity.adapter import CapacityAdapter
from loadkit.capacity.controller import for_search, of_a_step
from loadkit.capacity.subject import subject
from loadkit.errors import UsageError
from loadkit.profile.profile import Profile
from loadkit.profile.tables import Load
from loadkit.readiness.foresight import Doubt, foresee
from loadkit.swarm.options import read_profile
from loadkit.swarm.users import ChatUser, session_kinds

__all__ = ["Selection"]


class Selection:
    """The choice of an environment. It is read again only when it changes."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._read: tuple[tuple[Any, ...], Profile] | None = None
        self._own_load = 0.0
        self._subject: Mapping[str, Any] | None = None
        self._doubts: tuple[Doubt, ...] | None = None

    def profile(self) -> Profile:
        """The profile, as a search runs it where there is to be one.

        Raises:
            UsageError: there is none, or it holds mistakes.
        """
        options = self._environment.parsed_options
        if options is None:
            raise UsageError("loadkit runs from Locust's command line only")
        key = (options.profile, tuple(options.profile_overrides), options.capacity)
        if self._read is None or self._read[0] != key:
            profile = read_profile(options, self._classes())
            self._own_load = profile.load.peak_rate or profile.load.peak_users
            self._doubts = None
            _check_classes(profile, self._classes())
            self._read = key, for_search(profile) if options.capacity else profile
        return self._read[1]

    def meet(self, url: str, identity: Callable[[], Mapping[str, Any]]) -> None:
        """Find out what a search is of, and whether it is what an earlier one was of.

        Args:
            url: the target's.
            identity: asks it who it is; called for a search alone.

        Raises:
            UsageError: the earlier search was of something else.
        """
        self._subject = None
        if self.adapter() is not None:
            self._subject = subject(self.profile(), url, identity())
            self.adapter()

    def doubts(self) -> tuple[Doubt, ...]:
        """What the run of the profile, or a step of its search, will hardly be able to tell.

        Raises:
            UsageError: as `profile`.
        """
        profile, options = self.profile(), self._environment.parsed_options
        if self._doubts is None:
            assert options is not None
            lived = session_kinds(self._classes().values())
            of = of_a_step if options.capacity else foresee
            self._doubts = tuple(of(profile, lived))
        return self._doubts

    def adapter(self, *ask: Callable[[Load, float], None]) -> CapacityAdapter | None:
        """A new search, or an earlier one to go on with; None where the profile has its stages.

        Args:
            ask: called with each load that it asks for; see `CapacityAdapter`.

        Raises:
            UsageError: as `profile`; or there is nothing to go on with.
        """
        profile, options = self.profile(), self._environment.parsed_options
        assert options is not None
        if options.capacity:
            return CapacityAdapter(
                profile, self._own_load, self._subject, options.resume or "", *ask
            )
        if options.resume:
            raise UsageError("--resume goes on with a capacity search: add --capacity")
        return None

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
