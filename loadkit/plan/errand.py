"""Kept for locustfiles that import from here: it is in `loadkit.swarm` now."""

from loadkit.profile.scenario import Errand

__all__ = ["Errand"]
