"""Whose fault an exception is: that of the user's own code, which is counted, or of this tool.

Locust logs both, each time, and goes on: a listener of ours that broke measured nothing any more,
and a class of the user's that broke was called again at once, some thousand times a second.
"""

import logging
import sysconfig
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from time import perf_counter
from traceback import FrameSummary
from types import TracebackType
from typing import Any, Final

import gevent
import locust.log
from locust.event import EventHook
from locust.exception import (
    InterruptTaskSet,
    RescheduleTask,
    RescheduleTaskImmediately,
    RPCError,
    StopTest,
    StopUser,
)

from loadkit.errors import LoadkitError
from loadkit.machine.resources import ran_out
from loadkit.security.escaping import printed

LONGEST_PAUSE: Final = 10.0
"""Seconds between two tries of what keeps failing, sessions or a class: the SDK's flat poll."""

_OURS: Final = (str(Path(__file__).parents[2]), "loadkit/")  # as it is called where it is compiled
_OTHERS: Final = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib"))
_LOCUSTS: Final = ("_state", "_greenlet", "_group", "_taskset_instance")
"""What Locust keeps in a user that runs, and its `__init__` would take away."""

_SIGNALS: Final = (StopUser, StopTest, RescheduleTask, RescheduleTaskImmediately, InterruptTaskSet)

Tell = Callable[[str, str], None]
"""Takes what happened, in a line, and its traceback."""


class OwnCodeError(Exception):
    """The user's own code gave something that cannot be; the text says what it should be."""


class Blame:
    """Sorts the exceptions of one process.

    Args:
        own_code: told of each of the user's own code.
        fault: told of each of this tool.
        limit: told of each for which this machine had no file, port or memory left.
    """

    def __init__(self, own_code: Tell, fault: Tell, limit: Tell) -> None:
        self._own_code, self._fault, self._limit = own_code, fault, limit
        # whether an exception's own words are left out: they may be somebody's
        self.texts_hidden = False

    def told(self, error: BaseException) -> tuple[str, str]:
        """An exception in a line, and its traceback, without what this process alone knows to be
        secret.
        """
        name = type(error).__name__
        if self.texts_hidden:
            return name, printed("".join([*traceback.format_tb(error.__traceback__), name]))
        return printed(f"{name}: {error}"), printed("".join(traceback.format_exception(error)))

    def take(self, error: BaseException, at: str = "") -> None:
        """Tell whoever is to know of an exception; what raised it is `at`, where that is known
        better than from its traceback.
        """
        text, trace = self.told(error)
        frames = own_frames(error)
        if frames:
            place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
            self._own_code(f"{at or frames[0].name}: {text} ({place})", trace)
        elif isinstance(error, OwnCodeError):
            said = text if self.texts_hidden else printed(str(error))
            self._own_code(f"{at}: {said}", trace)
        else:
            (self._limit if ran_out(error) else self._fault)(text, trace)

    def watch_locust(self) -> None:
        """Take what Locust's events and gevent's greenlets would only log."""
        hub: Any = gevent.get_hub()
        handle_error = hub.handle_error

        def on_error(
            context: object, kind: type, error: BaseException, trace: TracebackType | None
        ) -> None:
            leaves = isinstance(error, (*_SIGNALS, RPCError, LoadkitError, *hub.NOT_ERROR))
            if isinstance(error, Exception) and not leaves and _is_known(error):
                self.take(error)
            else:
                handle_error(context, kind, error, trace)

        def fire(hook: EventHook, *, reverse: bool = False, **kwargs: Any) -> None:
            handlers = hook._handlers[::-1] if reverse else hook._handlers.copy()
            for handler in handlers:
                try:
                    handler(**kwargs)
                except _SIGNALS:
                    raise
                except Exception as error:
                    locust.log.unhandled_greenlet_exception = True
                    # Without this function, which stands in every such traceback.
                    trace = error.__traceback__
                    self.take(error.with_traceback(trace.tb_next if trace else None))

        hub.handle_error = on_error
        EventHook.fire = fire  # type: ignore[method-assign, assignment]

    def watch_users(self, environment: Any, ready: Callable[[], object]) -> None:
        """Have the users of a process outlive their own code: each tries again, once `ready` has
        come back, as nothing can be counted before. Their classes are changed.
        """

        def pace(user: Any, error: BaseException, at: str) -> None:
            self.take(error, f"{type(user).__name__}.{at}")
            now, (failed, times) = perf_counter(), getattr(user, "_failed", (0.0, 0))
            times = times + 1 if now - failed < 2 * LONGEST_PAUSE else 1
            user._failed = now, times
            gevent.sleep(min(2.0 ** min(times - 1, 10), LONGEST_PAUSE))
            if hasattr(user, "due"):
                user.due = perf_counter()  # else it would seem to be late

        def on_user_error(user_instance: Any, exception: Exception, **_: Any) -> None:
            ready()
            names = [frame.name for frame in own_frames(exception)] or ["plan"]
            pace(getattr(user_instance, "user", user_instance), exception, names[0])

        for cls in environment.user_classes:
            _guard(cls, ready, pace)
        listeners = environment.events.user_error._handlers
        listeners[:] = [self._safely(listener) for listener in listeners]
        environment.events.user_error.add_listener(on_user_error)
        # It logs each of them with its traceback, after that event.
        logging.getLogger("locust.user.task").addFilter(lambda record: not record.levelno >= 40)

    def _safely(self, listener: Any) -> Any:
        """Locust's own one tells an exception's words to the master, its page and its files."""
        if listener.__module__ != "locust.runners":
            return listener

        def told(exception: BaseException, **others: Any) -> None:
            listener(exception=self.told(exception)[0], **others)

        return told


def unmade_by(user: Any) -> BaseException | None:
    """What kept a user from being made, whose class is watched; None if nothing did."""
    error: BaseException | None = getattr(user, "_unmade", None)
    return error


def own_frames(error: BaseException) -> list[FrameSummary]:
    """The frames of a traceback that are in the user's own code, the outermost first."""
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if _is_own(frame.filename)]


def _is_own(file: str) -> bool:
    return Path(file).is_absolute() and not file.startswith((*_OURS, *_OTHERS))


def _is_known(error: BaseException) -> bool:
    """Whether code of the user's or of ours has a part in it; a library may have its own ways."""
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    return any(file.startswith(_OURS) or _is_own(file) for file in files)


def _guard(
    cls: Any, ready: Callable[[], object], pace: Callable[[Any, BaseException, str], None]
) -> None:
    """Have a user class be made and started again as long as that fails.

    An exception in its `__init__` would end the spawning of all other users, and one in its
    `on_start` the user.
    """
    make, start = cls.__init__, cls.on_start

    @wraps(make)
    def make_or_note(user: Any, environment: Any) -> None:
        if type(user) is not cls:  # it is asked by a subclass, which sees to it
            make(user, environment)
            return
        user.environment, user._unmade = environment, None
        try:
            make(user, environment)
        except (Exception, SystemExit) as error:
            user._unmade = error

    @wraps(start)
    def start_at_last(user: Any) -> None:
        if type(user) is not cls:
            start(user)
            return
        ready()
        while True:
            error, at = unmade_by(user), "__init__"
            if error is None:
                try:
                    start(user)
                    return
                except _SIGNALS:
                    raise
                except (Exception, SystemExit) as failed:
                    error, at = failed, "on_start"
            pace(user, error, at)
            if at == "__init__":
                locusts = {name: vars(user)[name] for name in _LOCUSTS if name in vars(user)}
                make_or_note(user, user.environment)
                vars(user).update(locusts)

    cls.__init__, cls.on_start = make_or_note, start_at_last
