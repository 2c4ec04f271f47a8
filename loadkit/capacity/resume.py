"""What a capacity search is of, and whether an interrupted one says anything of what is now."""

import hashlib
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from loadkit.capacity.document import load, sentence
from loadkit.errors import UsageError
from loadkit.profile.profile import Profile

_TOLD: Final = 5
"""Differences that are named one by one."""

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
    """Return what a search is of, to be written down and compared when it is resumed.

    Args:
        profile: as the search runs it.
        url: the target's.
        identity: of `loadkit.net.preflight.preflight.identify`.
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


def steps_to_resume(folder: Path, now: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the steps of an interrupted search, whose `capacity.json` is in `folder`.

    One that ended because the generator was the limit goes on as well, once there are more workers:
    from the first step that they were too few for.

    Args:
        now: what is searched now, see `subject`; None while that is not known yet.

    Raises:
        UsageError: there is none there, it is over, or it is one of something else.
    """
    found = load(folder)
    result = found["capacity"]
    if result and result["verdict"] != "out_of_budget" and result["limit"] != "generator":
        raise UsageError(f"the capacity search in {folder} is over: {sentence(found)}")
    if now is not None:
        _refuse_another(folder, found.get("subject"), now)
    return list(takewhile(lambda step: step["outcome"]["verdict"] != "generator", found["steps"]))


def _refuse_another(folder: Path, then: Any, now: Mapping[str, Any]) -> None:
    if not isinstance(then, Mapping):
        raise UsageError(
            f"the search in {folder} does not say what it was run against: an earlier version "
            "wrote it; begin anew"
        )
    other = list(differences(then, now))
    if not other:
        return
    more = f", and {len(other) - _TOLD} more" if len(other) > _TOLD else ""
    raise UsageError(
        f"the search in {folder} was of something else: {'; '.join(other[:_TOLD])}{more}. Its "
        "steps say nothing of this one: resume with what it began with, or begin anew"
    )


def differences(then: Any, now: Any, path: str = "") -> Iterator[str]:
    """Name what differs between two trees of plain values, with both values."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in [*then, *(key for key in now if key not in then)]:
            yield from differences(then.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif then != now:
        yield f"{path} was {_told(then)}, now {_told(now)}"


def _told(value: Any) -> str:
    if value is None or value == {}:
        return "not set"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
