"""Our options on Locust's command line, the profile they name, and what Locust's own may not say.

`--profile` is Locust's own option, and its own field in the web UI's form: here it names a
profile. Secrets come from the environment alone: an option would stand in the process list.
"""

import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from typing import Any, Final, get_args

from locust import argument_parser

from loadkit import flags, network
from loadkit.errors import UsageError
from loadkit.network import LOOPBACK
from loadkit.output import guard
from loadkit.profile.profile import Profile, load_profile, profile_folders
from loadkit.security.credentials import WORKER_KEY_VARIABLE
from loadkit.swarm.locust_internals.worker_port import secure_worker_port
from loadkit.swarm.process import tie_workers, uncaught

LISTENS: Final = {
    "master_bind_host": f"Where to await workers; beyond loopback with {WORKER_KEY_VARIABLE}.",
    "web_host": "Address to serve the web UI at; '*' is all that this machine has.",
}
"""Option of Locust's → what it says where."""

WAITS: Final = ("stop_timeout", "expect_workers_max_wait")
PORTS: Final = ("master_bind_port", "master_port", "web_port")

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


def add_options(parser: Any) -> None:
    """Add our options (a listener of `init_command_line_parser`; may run many times)."""
    guard()  # the first of ours that Locust calls, before its log takes hold of the output
    secure_worker_port()
    sys.excepthook = uncaught
    tie_workers()  # Locust forks them before it tells anybody else
    for action in parser._actions:
        if action.dest in LISTENS:  # at all of this machine's addresses, Locust would
            action.default, action.help = LOOPBACK, f"{LISTENS[action.dest]} Default: {LOOPBACK}"
        elif action.dest in PORTS:  # Locust takes any number, and some wrap round
            action.type = flags.port
        elif action.dest in WAITS:
            action.type = flags.seconds
        elif action.dest == "processes":
            action.type = _processes
    group = parser.add_argument_group("loadkit", "--profile names the profile; see its docs")
    flags.add_run_options(group)
    network.add_options(group)
    # Not in the group: what is in one does not show in the web UI's form.
    parser.add_argument(
        "--capacity",
        action="store_true",
        help="search the highest load that keeps the profile's [slo], in place of its stages",
    )
    group.add_argument(
        "--tell",  # Locust has a `--json` of another kind
        choices=get_args(flags.Tell),
        default="all",
        help="all; quiet: only the verdict and what is wrong; json: the verdict as one object",
    )
    flags.add_baseline(group)
    flags.add_resume(group)


def _processes(text: str) -> int:
    return -1 if text == "-1" else flags.workers(text)  # as many as cores, to Locust


def default_profile() -> str:
    """What the web UI's form starts with."""
    return "smoke"


def read_profile(options: Namespace, classes: Iterable[str]) -> Profile:
    """The profile that the options name.

    Raises:
        UsageError: there is none, or it holds mistakes.
    """
    if not options.profile:
        raise UsageError("no profile: add --profile NAME, or the path of a TOML file")
    return load_profile(
        options.profile,
        overrides=options.profile_overrides,
        search=profile_folders(),
        known_classes=sorted(classes),
    )


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
    if options.baseline is not None and options.capacity:
        raise UsageError("--baseline is of a run; what a search came to is in its capacity.json")
    if options.baseline is not None or options.fail_on:
        from loadkit.compare.command import check_baseline  # numpy, which no worker is to pay for

        check_baseline(options.baseline, options.fail_on)


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
