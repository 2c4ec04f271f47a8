"""Whether a worker may take part in a run: it must do just what the master believes it does."""

import json
from typing import Any

from loadkit.profile.profile import Profile
from loadkit.swarm.messages import VERSION, WorkerHello

__all__ = ["objection"]


def objection(worker: str, hello: WorkerHello | None, version: str, asked: Profile) -> str | None:
    """Say why a worker cannot take part.

    Args:
        worker: its name.
        hello: what it said; None if it said nothing.
        version: the master's of this tool.
        asked: the run's profile.

    Returns:
        What is wrong and the mend; None if nothing is.
    """
    if hello is None:
        return (
            f"{worker} does not run loadkit's locustfile: start it with the one that the master has"
        )
    if hello.version != version:
        return (
            f"{worker} runs loadkit {hello.version}, the master {version}: "
            "install the same version on both"
        )
    if hello.messages != VERSION:
        return (
            f"{worker} speaks version {hello.messages} of the messages between workers and master, "
            f"the master version {VERSION}: install the same loadkit on both"
        )
    if hello.profile is not None and (difference := _other_profile(hello.profile, asked)):
        return (
            f"{worker} was started with {difference}: "
            "start it without --profile, it gets the run's from the master"
        )
    lacking = sorted(
        name for name, share in asked.mix.items() if share and name not in hello.classes
    )
    if lacking:
        names = ", ".join(sorted(lacking))
        return f"{worker} has no user class {names}: start it with the master's locustfile"
    return None


def _other_profile(own: str, asked: Profile) -> str | None:
    """Say how a profile differs from the run's, if it does."""
    there, here = json.loads(own), dict(asked.outline)
    for told in (there, here):
        told.pop("dialogues_told", None)  # names the file, which may lie elsewhere there
    if there["name"] != here["name"]:
        return f"the profile {there['name']!r}, this run's is {here['name']!r}"
    keys = sorted(_differences(there, here))
    return f"another {asked.name!r} (it differs in {', '.join(keys[:5])})" if keys else None


def _differences(one: Any, other: Any, at: str = "") -> list[str]:
    """The dotted keys at which two trees of plain values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            found
            for key in {*one, *other}
            for found in _differences(one.get(key), other.get(key), f"{at}.{key}".lstrip("."))
        ]
    return [] if one == other else [at]
