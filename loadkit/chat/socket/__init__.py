"""The socket's half of a session: open, replay, live, lost, again; and what came on it."""
