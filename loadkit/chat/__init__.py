"""The conversation without I/O: events in, effects out. No socket, clock, log or greenlet."""
