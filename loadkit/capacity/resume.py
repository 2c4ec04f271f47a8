"""An interrupted capacity search to go on with: its steps, if they say anything of what is now."""

from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from loadkit.capacity.document import load, sentence
from loadkit.errors import UsageError

__all__ = ["differences", "steps_to_resume"]

_TOLD: Final = 5
"""Differences that are named one by one."""


def steps_to_resume(folder: Path, subject: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the steps of an interrupted search.

    One that ended because the generator was the limit goes on as well, once there are more
    workers: from the first step that they were too few for.

    Args:
        folder: where its `capacity.json` is.
        subject: what is searched now, by the keys of `capacity.json`: the target, and all of the
            profile that a step hangs on. None while that is not known yet.

    Raises:
        UsageError: there is none there, it is over, or it is one of something else.
    """
    found = load(folder)
    result = found["capacity"]
    if result and result["verdict"] != "out_of_budget" and result["limit"] != "generator":
        raise UsageError(f"the capacity search in {folder} is over: {sentence(found)}")
    if subject is not None:
        _refuse_another(folder, found.get("subject"), subject)
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
