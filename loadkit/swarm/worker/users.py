"""The user classes: each a way to live a chat session.

Your own is a subclass: say in class attributes how its sessions differ, or override `plan`.
"""

from collections.abc import Iterable
from time import perf_counter
from typing import Any, ClassVar

import gevent
from locust import User, task

from loadkit.figures import Ending
from loadkit.profile.scenario import Errand, SessionKind
from loadkit.swarm.worker.worker import Worker


class ChatUser(User):
    """A visitor who has one chat session after another."""

    abstract = True
    errand: ClassVar[Errand] = Errand.CHAT  # what the person has come for
    streaming: ClassVar[bool] = False  # whether the sessions ask for streamed answers
    tabs: ClassVar[int] = 0  # further browser tabs on each session
    restarts: ClassVar[int] = 0  # how often in a session the app is shut down and started anew

    failures = 0
    number: int | None = None
    due: float | None = None

    @property
    def worker(self) -> Worker:
        """The process' part of the run."""
        worker: Worker = self.environment.loadkit
        return worker

    def plan(self) -> SessionKind:
        """The next session."""
        return SessionKind(
            type(self).__name__, self.errand, self.streaming, tabs=self.tabs, restarts=self.restarts
        )

    @task
    def chat(self) -> None:
        """One session, when it is due."""
        first = self.due is None
        if self.due is None:
            self.worker.ready.wait()  # Locust may be faster than the master's word to begin
            self.due = self.worker.first_due()
        gevent.sleep(max(0.0, self.due - perf_counter()))
        worker, session_kind = self.worker, self.worker.planned(self)
        number = worker.next_number(session_kind.name) if self.number is None else self.number
        finish = worker.converse(self.due, session_kind, number, first=first)
        self.failures = self.failures + 1 if finish.ending is Ending.FAILED else 0
        self.number = number if worker.renews(finish, self.failures) else None
        self.due = self.worker.next_due(finish, self.failures)


def session_kinds(classes: Iterable[type[Any]]) -> dict[str, SessionKind]:
    """The sessions of those user classes that live any, as their attributes have them."""
    return {
        each.__name__: SessionKind(
            each.__name__, each.errand, each.streaming, tabs=each.tabs, restarts=each.restarts
        )
        for each in classes
        if issubclass(each, ChatUser)
    }


class CompleteChat(ChatUser):
    """Talks with the agent in whole replies, then leaves."""


class StreamingChat(ChatUser):
    """The same with streamed replies."""

    streaming = True


class HandoffChat(ChatUser):
    """Asks for a human and stays until the human leaves."""

    errand = Errand.HUMAN


class FlakyNetworkChat(ChatUser):
    """Streams over a network that fails as the profile's `[chaos]` says."""

    streaming = True


class AbandoningChat(ChatUser):
    """Closes the browser in the middle, without a word."""

    errand = Errand.ABANDON


class IdleChat(ChatUser):
    """Opens the chat and says nothing: heartbeats only."""

    errand = Errand.IDLE


class ResumingChat(ChatUser):
    """Shuts the app down after an answer and goes on in a new process, with the whole replay."""

    restarts = 1


class MultiTabChat(ChatUser):
    """Has the same session open in two more tabs."""

    tabs = 2
