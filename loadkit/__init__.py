"""Load and soak tester for conversational agents on a WebSocket session protocol."""

from loadkit import compiled

__version__ = "0.1.0"

compiled.begin()
