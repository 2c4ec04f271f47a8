"""The commands about a server: `simulate` is one, `check-server` looks at one."""

import os
from argparse import ArgumentParser, Namespace
from typing import Final

from loadkit import flags
from loadkit.commands.command import Command, add_json, add_network, network_of
from loadkit.report.screen import Screen


def _simulate_options(parser: ArgumentParser) -> None:
    parser.add_argument("--port", type=flags.port, default=0, metavar="N", help="0: a free one")
    parser.add_argument("--host", default="127.0.0.1", help="to bind (default: loopback)")
    parser.add_argument("--config", type=flags.path, metavar="FILE", help="a TOML file of dials")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="set a dial, e.g. heartbeat_interval_seconds=5",
    )
    parser.add_argument(
        "--truth", type=flags.path, metavar="FILE", help="write the truth log there"
    )


def _simulate(arguments: Namespace) -> int:
    from loadkit.simulator import load_dials, serve

    dials = load_dials(arguments.config, arguments.set)
    serve(dials, host=arguments.host, port=arguments.port, truth=arguments.truth)
    return 0


def _check_options(parser: ArgumentParser) -> None:
    parser.add_argument("--host", metavar="URL", required=True, help="the server")
    parser.add_argument(
        "--handoff", metavar="TEXT", help="say this in a session more, to be handed to a human"
    )
    add_json(parser)
    parser.add_argument("--allow-production", action="store_true", help=flags.PRODUCTION)
    add_network(parser, "the server")


def _check(arguments: Namespace) -> int:
    from loadkit.check_server.terminal import check

    return check(
        Screen(),
        arguments.host,
        os.environ,
        network_of(arguments),
        production=arguments.allow_production,
        handoff=arguments.handoff,
        as_json=arguments.json,
    )


COMMANDS: Final = (
    Command("simulate", "run the simulated Messaging API", _simulate_options, _simulate),
    Command(
        "check-server",
        "look what a server does of the protocol, in two sessions and less than a minute",
        _check_options,
        _check,
    ),
)
