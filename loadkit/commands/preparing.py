"""The commands that help before a run: `profiles`, `doctor`, `plan`."""

from argparse import ArgumentParser, Namespace
from typing import Final

from loadkit import flags
from loadkit.commands.command import (
    WORKERS,
    Command,
    add_json,
    add_network,
    network_of,
    say_json,
    workers_of,
)
from loadkit.output import say
from loadkit.report.screen import Screen

PLAN_FLAGS: Final = (
    ("sessions_per_hour", "N", "sessions that begin in a mean hour"),
    ("concurrent", "N", "sessions at once at the peak instead (default: 1,000,000)"),
    ("mean_session", "TIME", "how long a session lasts (3m)"),
    ("turns", "N", "turns a session (5)"),
    ("peak_to_mean", "N", "sessions in the busiest hour, by those of a mean one (3)"),
    ("growth", "RATE", "of the load, e.g. 20%%/year or 2%%/month (none)"),
    ("years", "N", "how far ahead (3)"),
    ("service", "TIME", "how long an agent is busy with a turn, on average (700ms)"),
    ("slo", "SLO", "what the agents are to keep (response.p95=2.5s)"),
    ("handoffs", "SHARE", "sessions that are handed to a human (0%%)"),
    ("live_service", "TIME", "how long a human is busy with one, on average (5m)"),
    ("live_slo", "SLO", "what the humans are to keep (handoff_wait.p90=1m)"),
    ("heartbeat", "TIME", "between two of a session (30s)"),
    ("sessions_per_core", "N", "that a core of the generator drives (see docs/doctor.md)"),
    ("session_kb", "N", "KB that a session takes in the generator (likewise)"),
    ("compressed", "SHARE", "sessions whose messages are compressed (0%%)"),
    ("upgrades_per_second", "N", "that the target takes when all come back (all in 60 s)"),
    ("capacity", "N", "sessions at once that a deployment holds, in place of CAPACITY.json"),
)
"""Of `loadkit plan`: name, value, help. They are read by `loadkit.planner.inputs`."""


def _profiles(arguments: Namespace) -> int:
    from loadkit.profile.profile import profile_folders, profile_names

    found = list(profile_names(profile_folders()))
    if arguments.json:
        say_json([{"name": name, "question": question} for name, question in found])
        return 0
    for name, question in found:
        say(f"{name:<20} {question}")
    return 0


def _doctor_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--users", type=flags.positive, metavar="N", help="exit with 1 if it cannot carry as many"
    )
    parser.add_argument("--workers", type=flags.workers, metavar="N", help=WORKERS)
    parser.add_argument(
        "--host", metavar="URL", help="look at the way to this target, too; no secret is sent"
    )
    add_network(parser)
    add_json(parser)


def _doctor(arguments: Namespace) -> int:
    from loadkit.readiness.doctor import doctor

    return doctor(
        Screen(),
        users=arguments.users,
        workers=workers_of(arguments),
        host=arguments.host,
        network=network_of(arguments),
        as_json=arguments.json,
    )


def _plan_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "result", nargs="?", type=flags.path, metavar="CAPACITY.json", help="what a search came to"
    )
    for name, value, text in PLAN_FLAGS:
        parser.add_argument(f"--{name.replace('_', '-')}", dest=name, metavar=value, help=text)
    add_json(parser)


def _plan(arguments: Namespace) -> int:
    from loadkit.planner.terminal import plan

    given = {name: getattr(arguments, name) for name, *_ in PLAN_FLAGS}
    return plan(Screen(), given, arguments.result, as_json=arguments.json)


COMMANDS: Final = (
    Command("profiles", "list the profiles and what each answers", add_json, _profiles),
    Command(
        "doctor",
        "look at this machine before a run, and tell how many sessions it can carry",
        _doctor_options,
        _doctor,
    ),
    Command(
        "plan",
        "size a deployment, and what is needed to test it, by arithmetic alone",
        _plan_options,
        _plan,
    ),
)
