"""The wire: event types, frames in, frames out, and what is expected of a server.

Knows no socket and no state: what happens in a conversation is in `loadkit.chat`."""

from loadkit.protocol.decode import Event, Flaw, FlawKind, decode
from loadkit.protocol.types import SIMULATOR, EventType

__all__ = ["SIMULATOR", "Event", "EventType", "Flaw", "FlawKind", "decode"]
