"""Our options on Locust's command line, and the profile they name.

`--profile` is Locust's own option, and its own field in the web UI's form: here it names a
profile. Secrets come from the environment alone: an option would stand in the process list.
"""

import sys
from argparse import Namespace
from collections.abc import Iterable
from typing import Any, Final

from loadkit import flags, network
from loadkit.errors import UsageError
from loadkit.network import LOOPBACK
from loadkit.output import guard
from loadkit.profile.profile import Profile, load_profile, profile_folders
from loadkit.security.credentials import WORKER_KEY_VARIABLE
from loadkit.swarm.locust_internals.worker_port import secure_worker_port
from loadkit.swarm.process import tie_workers
from loadkit.swarm.refusal import uncaught

__all__ = ["add_options", "default_profile", "read_profile"]


LISTENS: Final = {
    "master_bind_host": f"Where to await workers; beyond loopback with {WORKER_KEY_VARIABLE}.",
    "web_host": "Address to serve the web UI at; '*' is all that this machine has.",
}
"""Option of Locust's → what it says where."""

WAITS: Final = ("stop_timeout", "expect_workers_max_wait")
PORTS: Final = ("master_bind_port", "master_port", "web_port")


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
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="profile_overrides",
        help="Set a key of the profile, e.g. load.seed=8. May be given several times.",
    )
    group.add_argument(
        "--out",
        type=_path,
        default="results",
        metavar="DIR",
        dest="results_parent",
        help="Where the folder with a run's results is made. Default: results",
    )
    group.add_argument(
        "--allow-production",
        action="store_true",
        help="Let -H name one of PolyAI's own deployments (*.poly.ai).",
    )
    group.add_argument(
        "--strict",
        action="store_true",
        help="Fail where there are too few samples to judge an objective.",
    )
    group.add_argument(
        "--force",
        action="store_true",
        help="Begin though this machine has no room for the load, or it lasts for years.",
    )
    network.add_options(group)
    # Not in the group: what is in one does not show in the web UI's form.
    parser.add_argument(
        "--capacity",
        action="store_true",
        help="Search the highest load that keeps the profile's [slo], in place of its stages.",
    )
    group.add_argument(
        "--resume",
        type=_path,
        metavar="DIR",
        help="Go on with the capacity search whose results are in this folder.",
    )
    group.add_argument(
        "--worker-patience",
        type=flags.seconds,
        default=30.0,
        metavar="SECONDS",
        help="How long a run without any worker waits for another one. Default: 30",
    )
    group.add_argument(
        "--metrics-port",
        type=flags.port,
        metavar="N",
        help="Serve live figures for Prometheus on this port.",
    )
    group.add_argument(
        "--metrics-host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="The address to serve them on. Default: 127.0.0.1",
    )


def _processes(text: str) -> int:
    return -1 if text == "-1" else flags.workers(text)  # as many as cores, to Locust


def _path(text: str) -> str:
    return str(flags.path(text))  # a text: options go to the workers in messages of plain types


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
