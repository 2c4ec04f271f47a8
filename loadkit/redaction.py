"""Kept for locustfiles that import from here: it is in `loadkit.swarm` now."""

from loadkit.security.redaction import remember

__all__ = ["remember"]
