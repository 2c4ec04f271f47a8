"""The user classes: each a way to live a chat session."""

from time import perf_counter
from typing import Any, ClassVar

import gevent
from locust import User, task

from loadkit.figures import Ending
from loadkit.swarm.worker import Worker

__all__ = ["ChatUser", "CompleteChat", "StreamingChat"]


class ChatUser(User):
    """A visitor who has one chat session after another.

    Attributes:
        streaming: whether the sessions ask for streamed answers.
    """

    abstract = True
    streaming: ClassVar[bool] = False

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)  # runs inside Locust's spawn loop: no I/O here
        self.worker: Worker = environment.loadkit
        self.number = self.worker.new_user()
        self.sessions = self.failures = 0
        self.due = self.worker.first_due()

    @task
    def chat(self) -> None:
        """One session, when it is due."""
        gevent.sleep(max(0.0, self.due - perf_counter()))
        finish = self.worker.converse(
            self.due, self.number, self.sessions, streaming=self.streaming
        )
        self.sessions += 1
        self.failures = self.failures + 1 if finish.ending is Ending.FAILED else 0
        self.due = self.worker.next_due(finish, self.failures)


class CompleteChat(ChatUser):
    """Talks with the agent in whole replies, then leaves."""


class StreamingChat(ChatUser):
    """The same with streamed replies."""

    streaming = True
