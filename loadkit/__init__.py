"""Load and soak tester for conversational agents on a WebSocket session protocol."""

__version__ = "0.1.0"
