"""The commands that load a target: `run`, `ui`, `capacity`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from loadkit import flags
from loadkit.commands.command import WORKERS, Command, add_network, network_of, workers_of
from loadkit.network import words


def _all(parser: ArgumentParser) -> None:
    """What each of them takes."""
    parser.add_argument(
        "profile", metavar="PROFILE", help="a name in profiles/, a path, or - for a pipe"
    )
    parser.add_argument("--host", metavar="URL", help="the target; without it, the simulator")
    parser.add_argument("--workers", type=flags.workers, metavar="N", help=WORKERS)
    parser.add_argument(
        "--locustfile",
        type=flags.path,
        metavar="FILE",
        help="your own user classes, see docs/user-classes.md",
    )
    flags.add_run_options(parser)
    add_network(parser)
    parser.set_defaults(tell="all", port=None)


def _tell(parser: ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    for word, text in (
        ("quiet", "print the verdict alone, and what is wrong"),
        ("json", "print the verdict as one object, and nothing else"),
    ):
        how.add_argument(f"--{word}", dest="tell", action="store_const", const=word, help=text)


def _run_options(parser: ArgumentParser) -> None:
    _all(parser)
    flags.add_baseline(parser)
    parser.add_argument(
        "--web",
        dest="port",
        nargs="?",
        type=flags.port,
        const=8089,
        metavar="PORT",
        help="show the live page while it goes on (default port: 8089)",
    )
    _tell(parser)


def _ui_options(parser: ArgumentParser) -> None:
    _all(parser)
    parser.add_argument("--port", type=flags.port, default=8089, help="of the UI (default: 8089)")


def _capacity_options(parser: ArgumentParser) -> None:
    _all(parser)
    flags.add_resume(parser)
    _tell(parser)


def _launch(arguments: Namespace) -> int:
    from loadkit.launch import launch
    from loadkit.profile.piped import kept

    with kept(arguments.profile, arguments.profile_overrides) as (profile, overrides):
        return launch(
            profile,
            host=arguments.host,
            workers=workers_of(arguments),
            overrides=overrides,
            out=Path(arguments.results_parent),
            ui_port=arguments.port,
            once=arguments.command != "ui",
            locustfile=arguments.locustfile,
            allow_production=arguments.allow_production,
            force=arguments.force,
            network=network_of(arguments),
            tell=arguments.tell,
            typed=arguments.typed,
            further=[*words(arguments), *_further(arguments)],
        )


def _further(arguments: Namespace) -> list[str]:
    """The options that are Locust's own affair, in its words."""
    words = ["--strict"] if arguments.strict else []
    if arguments.command == "capacity":
        words.append("--capacity")
        words += ["--resume", arguments.resume] if arguments.resume else []
    if arguments.command == "run":
        words += ["--baseline", arguments.baseline] if arguments.baseline else []
        words += [word for limit in arguments.fail_on for word in ("--fail-on", limit)]
    words += ["--worker-patience", str(arguments.worker_patience)]
    if arguments.metrics_port is not None:
        words += ["--metrics-port", str(arguments.metrics_port)]
        words += ["--metrics-host", arguments.metrics_host]
    return words


COMMANDS: Final = (
    Command(
        "run",
        "run a profile without a browser; the exit code is the verdict",
        _run_options,
        _launch,
    ),
    Command("ui", "open a profile in Locust's web UI", _ui_options, _launch),
    Command(
        "capacity",
        "search the highest load at which a target keeps the profile's [slo]",
        _capacity_options,
        _launch,
    ),
)
