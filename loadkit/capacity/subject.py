"""What a capacity search is of: the target, and all of the profile that a step hangs on."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from loadkit.profile.profile import Profile

__all__ = ["subject"]

_WITHOUT_WEIGHT: Final[dict[str, Any]] = {
    "name": True,
    "question": True,
    "allow_hosts": True,  # whether a target is let, not which one it is
    "abort": True,
    "capacity": True,  # its own loads are compared step by step; its budget may be larger
    "results": True,
    "simulator": True,  # what it announces counts, be it started by us or not
    "slo": True,  # in the order of the profile, below
    "own_dialogues": True,  # may be long: as a digest
    "load": {"stages", "warmup"},  # the search's own
}


def subject(profile: Profile, url: str, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return it as plain values, to be written down and compared when the search is resumed.

    Args:
        profile: as the search runs it.
        url: the target's.
        identity: of `loadkit.net.preflight.identity.identify`.
    """
    simulated = identity.get("simulator") is not None
    plan = profile.model_dump(mode="json", exclude=_WITHOUT_WEIGHT)
    if profile.own_dialogues:
        lines = repr(profile.own_dialogues).encode(errors="surrogatepass")
        plan["dialogues_sha256"] = hashlib.sha256(lines).hexdigest()
    return {
        # A simulator of one's own is at another port each time: it is told by its dials.
        "target": "the simulator" if simulated else url,
        **identity,
        "profile": {"name": profile.name, **plan},
        "slo": {limit.metric: limit.limit for limit in profile.slo},
    }
