"""loadkit's own locustfile, but with people who only talk.

A person also sends USER_TYPING frames. The exchange that is measured has none, so that it is the
same as the peer's, frame by frame; they are taken out where a person acts, and the rest is the
real thing.
"""

from typing import Any

from locust import events

from loadkit.people.person import Person
from loadkit.swarm import CompleteChat, ProfileShape, add_options, install
from loadkit.swarm.worker import worker

__all__ = ["CompleteChat", "ProfileShape"]


class Terse(Person):
    """Says and leaves; types unseen."""

    __slots__ = ()

    def react(self, *heard: Any, **more: Any) -> list[Any]:
        """As a person does, without the typing. Arguments and acts are a person's own."""
        return [act for act in super().react(*heard, **more) if not act[1].startswith("typing")]


worker.Person = Terse  # type: ignore[attr-defined]
events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(install)
