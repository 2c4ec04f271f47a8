"""The protocol's vocabulary: event types, frames in, frames out. Knows no socket and no state."""

from loadkit.wire.decode import Event, Flaw, FlawKind, decode
from loadkit.wire.types import SIMULATOR, EventType

__all__ = ["SIMULATOR", "Event", "EventType", "Flaw", "FlawKind", "decode"]
