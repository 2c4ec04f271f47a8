"""One conversation on the server: its agent, what it says, its hand-offs, its journal."""
