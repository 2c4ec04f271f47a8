"""One command, and what several of them share."""

import json
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from loadkit.network import Network, add_options, asked
from loadkit.output import say
from loadkit.security.escaping import in_json

WORKERS: Final = "processes that generate load (default: one less than the cores it may use)"


class Command(NamedTuple):
    """A word of `loadkit`."""

    name: str
    text: str  # what it is for, in the list of all and at the head of its own help
    options: Callable[[ArgumentParser], None]  # adds what it takes
    run: Callable[[Namespace], int]  # does it; returns the exit code


def add_json(parser: ArgumentParser) -> None:
    """Add what scripts read it by."""
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def add_network(parser: ArgumentParser, whom: str = "the target") -> None:
    """Add how whom it talks to is reached."""
    add_options(parser.add_argument_group("network", f"how {whom} is reached"))


def network_of(arguments: Namespace) -> Network:
    """How that is, by these options and the environment."""
    return Network.of(asked(arguments), os.environ)


def workers_of(arguments: Namespace) -> int:
    """As many as are asked for; else one less than the whole cores that this process may use.

    That one is for the simulator or the master.
    """
    from loadkit.machine.resources import cores

    return arguments.workers or max(1, int(cores()) - 1)


def say_json(told: Any) -> None:
    """Print a document."""
    say(in_json(json.dumps(told, indent=1, ensure_ascii=False)))
