"""What Locust's own options may not say beside a profile, wherever they are set."""

import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import Any, Final

from locust import argument_parser

from loadkit import flags
from loadkit.errors import UsageError

__all__ = ["check_options"]

_USERS: Final = "set load.stages in the profile"
_CLASSES: Final = "set [mix] in the profile"
_TASKS: Final = "a user class has its one task"

CONTRADICTIONS: Final = {
    "num_users": ("--users", _USERS),
    "spawn_rate": ("--spawn-rate", _USERS),
    "run_time": ("--run-time", _USERS),
    "user_classes": ("user classes", _CLASSES),
    "config_users": ("--config-users", _CLASSES),
    "equal_weights": ("--equal-weights", _CLASSES),
    "class_picker": ("--class-picker", _CLASSES),
    "tags": ("--tags", _TASKS),
    "exclude_tags": ("--exclude-tags", _TASKS),
    "exit_code_on_error": ("--exit-code-on-error", "the verdict is the exit code"),
    "reset_stats": ("--reset-stats", "set load.warmup in the profile"),
}
"""Where Locust keeps an option → what it is called, and what there is in its place."""

_USUAL: Final = {"exit_code_on_error": 1}
"""What an option holds that nobody has set; nothing, where it does not stand here."""

_OVERRIDES: Final = "profile_overrides"


def check_options(options: Namespace) -> None:
    """Refuse what would make another load of a profile, or would be passed over in silence.

    Locust takes its options from the command line, from `LOCUST_*` variables, from
    `~/.locust.conf`, `locust.conf` and `pyproject.toml`.

    Raises:
        UsageError: there is such an option; the text names each and where it is set.
    """
    mistakes = [flaw] if (flaw := flags.flaw(sys.argv)) else []
    mistakes += _mistakes(options, _origins())
    if mistakes:
        raise UsageError("\n".join(mistakes))


def _mistakes(options: Namespace, origins: dict[str, str]) -> Iterator[str]:
    for name, (called, mend) in CONTRADICTIONS.items():
        value = getattr(options, name, None)
        if value if name not in _USUAL else value not in (None, _USUAL[name]):
            told = " ".join(map(str, value)) if isinstance(value, list) else value
            shown = called if value is True else f"{called} {told}"
            where = origins.get(name, "")
            yield f"{shown}{where} contradicts the profile: leave it out; {mend}"
    if options.profile_overrides and _OVERRIDES in origins:
        told = ", ".join(options.profile_overrides)
        where = origins[_OVERRIDES]
        yield f"set {told}{where} would change the profile unseen: use --set, or the profile itself"


def _origins() -> dict[str, str]:
    """Where Locust keeps an option → where it was set, in words, if not on the command line."""
    parser: Any = argument_parser.get_parser()
    parser.parse_args()
    found: dict[str, str] = {}
    for source, settings in parser.get_source_to_settings_dict().items():
        kind, _, file = source.partition("|")
        for key, (action, _) in settings.items():
            if kind == "environment_variables":
                found.setdefault(action.dest, f" ({key} in the environment)")
            elif kind == "config_file":
                found.setdefault(action.dest, f" (in {file})")
    if not parser.get_default("user_classes"):
        return found
    return {"user_classes": " (LOCUST_USER_CLASSES in the environment)"} | found
