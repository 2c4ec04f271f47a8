"""Ctrl-C, in the commands that talk to a target and have no run to end."""

import gevent

__all__ = ["raise_interrupts_quietly"]


def raise_interrupts_quietly() -> None:
    """Let Ctrl-C be a KeyboardInterrupt in the main greenlet, without gevent's lines about it."""
    hub = gevent.get_hub()
    hub.NOT_ERROR = (*hub.NOT_ERROR, KeyboardInterrupt)
