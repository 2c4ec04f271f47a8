"""Kept for locustfiles that import from here: it is in `loadkit.swarm` now."""
