"""The `loadkit` command. It parses flags and starts processes; Locust runs in one of its own."""

import sys
import traceback
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Final

from loadkit import __version__, flags
from loadkit.commands import load, preparing, runs, servers
from loadkit.commands.command import Command
from loadkit.compiled import form
from loadkit.errors import LoadkitError
from loadkit.exit_codes import ExitCode, of_error
from loadkit.machine.resources import ran_out
from loadkit.output import complain, say


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    if flaw := flags.flaw(sys.argv[1:] if argv is None else argv):
        complain(flaw)
        return ExitCode.USAGE
    arguments = _parser().parse_args(argv)
    arguments.typed = ["loadkit", *(sys.argv[1:] if argv is None else argv)]
    try:
        code: int = arguments.run(arguments)
    except LoadkitError as error:
        complain(str(error))
        return of_error(error)
    except Exception as error:
        if ran_out(error):
            complain(f"this machine has no file, port or memory left for it: {error!r}")
            return ExitCode.USAGE
        complain(
            f"a fault of loadkit itself, please report it with this traceback: {error!r}\n"
            f"{traceback.format_exc()}"
        )
        return ExitCode.FAULT_OF_OURS
    return code


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="loadkit",
        description="Load and soak tester for conversational agents that talk over a WebSocket.",
        epilog="Secrets come from the environment: POLY_CONNECTOR_TOKEN and POLY_HOST_IDENTIFIER.",
    )
    parser.add_argument("--version", action="version", version=f"loadkit {__version__} ({form()})")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        below = commands.add_parser(command.name, help=command.text, description=command.text)
        command.options(below)
        below.set_defaults(run=command.run)
    return parser


def _completion_options(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")


def _completion(arguments: Namespace) -> int:
    from loadkit.commands.completion import script

    say(script(_parser(), arguments.shell).rstrip("\n"))
    return 0


COMMANDS: Final = (
    *load.COMMANDS,
    *servers.COMMANDS,
    *preparing.COMMANDS,
    *runs.COMMANDS,
    Command(
        "completion",
        "print what completes this command's words with the Tab key",
        _completion_options,
        _completion,
    ),
)
"""All of them, in the order of the help."""
