"""The conversation without I/O: events in, effects out. No socket, clock, log or greenlet.

What a person says is in `loadkit.people`, how bytes travel in `loadkit.net`."""
