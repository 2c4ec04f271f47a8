"""The `loadkit` command. It parses flags and starts processes; Locust runs in one of its own."""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loadkit import __version__, flags
from loadkit.errors import LoadkitError, UsageError
from loadkit.exit_codes import ExitCode, of_error
from loadkit.machine.resources import ran_out
from loadkit.network import Network, add_options, asked, words
from loadkit.output import complain, say
from loadkit.report.meter import Meter
from loadkit.report.screen import Screen
from loadkit.security.escaping import in_json

_JSON = "print it as JSON"
_TOLD = 20  # lines of what was damaged

WORKERS = "processes that generate load (default: one less than the cores it may use)"

PLAN_FLAGS = (
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    if flaw := flags.flaw(sys.argv[1:] if argv is None else argv):
        complain(flaw)
        return ExitCode.USAGE
    arguments = _parser().parse_args(argv)
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


# Each command imports what it needs: `loadkit simulate` has no use for Locust, nor the others for
# aiohttp.


def _run(arguments: argparse.Namespace) -> int:
    from loadkit.launch import launch
    from loadkit.profile.piped import kept

    with kept(arguments.profile, arguments.profile_overrides) as (profile, overrides):
        return launch(
            profile,
            host=arguments.host,
            workers=arguments.workers or _workers(),
            overrides=overrides,
            out=Path(arguments.results_parent),
            ui_port=getattr(arguments, "port", None),
            once=arguments.command != "ui",
            locustfile=arguments.locustfile,
            allow_production=arguments.allow_production,
            force=arguments.force,
            network=Network.of(asked(arguments), os.environ),
            tell=arguments.tell,
            further=[*words(arguments), *_further(arguments)],
        )


def _further(arguments: argparse.Namespace) -> list[str]:
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


def _simulate(arguments: argparse.Namespace) -> int:
    from loadkit.simulator import load_dials, serve

    dials = load_dials(arguments.config, arguments.set)
    serve(dials, host=arguments.host, port=arguments.port, truth=arguments.truth)
    return 0


def _profiles(arguments: argparse.Namespace) -> int:
    from loadkit.profile.profile import profile_folders, profile_names

    found = list(profile_names(profile_folders()))
    if arguments.json:
        _say_json([{"name": name, "question": question} for name, question in found])
        return 0
    for name, question in found:
        say(f"{name:<20} {question}")
    return 0


def _say_json(told: Any) -> None:
    say(in_json(json.dumps(told, indent=1, ensure_ascii=False)))


def _doctor(arguments: argparse.Namespace) -> int:
    from loadkit.readiness.doctor import doctor

    return doctor(
        Screen(),
        users=arguments.users,
        workers=arguments.workers or _workers(),
        host=arguments.host,
        network=Network.of(asked(arguments), os.environ),
        as_json=arguments.json,
    )


def _check_server(arguments: argparse.Namespace) -> int:
    from loadkit.check_server.terminal import check

    return check(
        Screen(),
        arguments.host,
        os.environ,
        Network.of(asked(arguments), os.environ),
        production=arguments.allow_production,
        handoff=arguments.handoff,
        as_json=arguments.json,
    )


def _plan(arguments: argparse.Namespace) -> int:
    from loadkit.planner.terminal import plan

    given = {name: getattr(arguments, name) for name, *_ in PLAN_FLAGS}
    return plan(Screen(), given, arguments.result, as_json=arguments.json)


def _report(arguments: argparse.Namespace) -> int:
    from loadkit.capacity import document
    from loadkit.report.terminal import render
    from loadkit.results.rebuild import needed, rebuild
    from loadkit.results.run_folder import REPORT, load_examples, load_summary

    folder, left_out = arguments.folder, list[str]()
    if needed(folder):
        with Meter(Screen()) as progress:
            rebuild(folder, left_out, progress)
    if os.path.isfile(folder / document.FILE):
        found = document.load(folder, left_out)
        code = document.exit_code(found)
        if arguments.json:
            _say_json(found)
        else:
            document.render(found, Screen())
    else:
        summary = load_summary(folder, left_out)
        code = summary.verdict.exit_code
        if arguments.json:
            _say_json(summary.to_dict())
        else:
            render(summary, Screen(), load_examples(folder, left_out))
    if arguments.html is not None or (folder.is_dir() and not os.path.lexists(folder / REPORT)):
        _html(folder, arguments.html)
    return _whole(code, left_out)


def _html(folder: Path, to: Path | None) -> None:
    """Make the page of a run: in its folder, where it lacks one, or where the user wants it.

    Raises:
        UsageError: it cannot be written where the user wants it.
    """
    from loadkit.pages.report import write_report

    try:
        with Meter(Screen()) as progress:
            write_report(folder, to, progress)
    except UsageError:
        if to is not None:
            raise  # else the folder is read only, or somebody else's


def _compare(arguments: argparse.Namespace) -> int:
    from loadkit.compare.command import Form, compare_runs
    from loadkit.compare.comparison import Comparison

    paths = [*([arguments.baseline] if arguments.baseline else []), *arguments.runs]
    form: Form = "markdown" if arguments.markdown else "json" if arguments.json else "terminal"
    if arguments.html is None:
        return compare_runs(Screen(), paths, arguments.fail_on, form, arguments.output)
    from loadkit.pages.comparison_page import write_comparison

    def page(found: Comparison) -> None:
        write_comparison(found, arguments.html)

    return compare_runs(Screen(), paths, arguments.fail_on, form, arguments.output, page)


def _results(arguments: argparse.Namespace) -> int:
    from loadkit.results.listing import listing

    runs = listing(arguments.folder)
    if arguments.json:
        _say_json([asdict(run) for run in runs])
        return 0
    for run in runs:
        say(str(run))
    if not runs:
        say(f"no runs in {arguments.folder}")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from loadkit.results.status import State, status, status_document

    left_out: list[str] = []
    state: State
    if arguments.json:
        state, told = status_document(arguments.folder, left_out)
        _say_json(told)
    else:
        state, lines = status(arguments.folder, left_out)
        say("\n".join(lines))
    return _whole(ExitCode.FAILED if state == "cut" else ExitCode.OK, left_out)


def _completion(arguments: argparse.Namespace) -> int:
    from loadkit.completion import script

    say(script(_parser(), arguments.shell).rstrip("\n"))
    return 0


def _whole(code: int, left_out: Sequence[str]) -> int:
    """The exit code of what was told, if nothing was left out of it.

    Raises:
        UsageError: something was damaged.
    """
    if left_out:
        more = len(left_out) - _TOLD
        told = "\n".join(left_out[:_TOLD]) + (f"\nand {more:,} more" if more > 0 else "")
        raise UsageError(f"not all of it could be read\n{told}")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="loadkit",
        description="Load and soak tester for conversational agents that talk over a WebSocket.",
        epilog="Secrets come from the environment: POLY_CONNECTOR_TOKEN and POLY_HOST_IDENTIFIER.",
    )
    parser.add_argument("--version", action="version", version=f"loadkit {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    for name, text in (
        ("run", "run a profile without a browser; the exit code is the verdict"),
        ("ui", "open a profile in Locust's web UI"),
        ("capacity", "search the highest load at which a target keeps the profile's [slo]"),
    ):
        load = commands.add_parser(name, help=text, description=text)
        load.add_argument(
            "profile", metavar="PROFILE", help="a name in profiles/, a path, or - for a pipe"
        )
        load.add_argument("--host", metavar="URL", help="the target; without it, the simulator")
        load.add_argument("--workers", type=flags.workers, metavar="N", help=WORKERS)
        load.add_argument(
            "--locustfile",
            type=flags.path,
            metavar="FILE",
            help="your own user classes, see docs/user-classes.md",
        )
        flags.add_run_options(load)
        add_options(load.add_argument_group("network", "how the target is reached"))
        if name == "run":
            flags.add_baseline(load)
            load.add_argument(
                "--web",
                dest="port",
                nargs="?",
                type=flags.port,
                const=8089,
                metavar="PORT",
                help="show the live page while it goes on (default port: 8089)",
            )
        if name == "capacity":
            flags.add_resume(load)
        load.set_defaults(tell="all")
        if name != "ui":
            how = load.add_mutually_exclusive_group()
            for word, tell, text in (
                ("quiet", "quiet", "print the verdict alone, and what is wrong"),
                ("json", "json", "print the verdict as one object, and nothing else"),
            ):
                how.add_argument(
                    f"--{word}", dest="tell", action="store_const", const=tell, help=text
                )
        if name == "ui":
            load.add_argument(
                "--port", type=flags.port, default=8089, help="of the UI (default: 8089)"
            )
        load.set_defaults(run=_run)

    simulate = commands.add_parser("simulate", help="run the simulated Messaging API")
    simulate.add_argument("--port", type=flags.port, default=0, metavar="N", help="0: a free one")
    simulate.add_argument("--host", default="127.0.0.1", help="to bind (default: loopback)")
    simulate.add_argument("--config", type=flags.path, metavar="FILE", help="a TOML file of dials")
    simulate.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="set a dial, e.g. heartbeat_interval_seconds=5",
    )
    simulate.add_argument(
        "--truth", type=flags.path, metavar="FILE", help="write the truth log there"
    )
    simulate.set_defaults(run=_simulate)

    profiles = commands.add_parser("profiles", help="list the profiles and what each answers")
    profiles.add_argument("--json", action="store_true", help=_JSON)
    profiles.set_defaults(run=_profiles)

    text = "look at this machine before a run, and tell how many sessions it can carry"
    doctor = commands.add_parser("doctor", help=text, description=text)
    doctor.add_argument(
        "--users", type=flags.positive, metavar="N", help="exit with 1 if it cannot carry as many"
    )
    doctor.add_argument("--workers", type=flags.workers, metavar="N", help=WORKERS)
    doctor.add_argument(
        "--host", metavar="URL", help="look at the way to this target, too; no secret is sent"
    )
    add_options(doctor.add_argument_group("network", "how the target is reached"))
    doctor.add_argument("--json", action="store_true", help=_JSON)
    doctor.set_defaults(run=_doctor)

    text = "look what a server does of the protocol, in two sessions and less than a minute"
    check = commands.add_parser("check-server", help=text, description=text)
    check.add_argument("--host", metavar="URL", required=True, help="the server")
    check.add_argument(
        "--handoff", metavar="TEXT", help="say this in a session more, to be handed to a human"
    )
    check.add_argument("--json", action="store_true", help=_JSON)
    check.add_argument("--allow-production", action="store_true", help=flags.PRODUCTION)
    add_options(check.add_argument_group("network", "how the server is reached"))
    check.set_defaults(run=_check_server)

    text = "size a deployment, and what is needed to test it, by arithmetic alone"
    plan = commands.add_parser("plan", help=text, description=text)
    plan.add_argument(
        "result", nargs="?", type=flags.path, metavar="CAPACITY.json", help="what a search came to"
    )
    for name, value, text in PLAN_FLAGS:
        plan.add_argument(f"--{name.replace('_', '-')}", dest=name, metavar=value, help=text)
    plan.add_argument("--json", action="store_true", help=_JSON)
    plan.set_defaults(run=_plan)

    text = "show the result of a run again; of one that was killed, make it from what it left"
    report = commands.add_parser("report", help=text, description=text)
    report.add_argument("folder", type=flags.path, metavar="DIR", help="a folder in results/")
    report.add_argument(
        "--html", type=flags.path, metavar="FILE", help="make its page, report.html, anew: there"
    )
    report.add_argument("--json", action="store_true", help=_JSON)
    report.set_defaults(run=_report)

    text = "tell what changed from one run to another, and whether by more than noise"
    compare = commands.add_parser("compare", help=text, description=text)
    compare.add_argument(
        "runs",
        nargs="+",
        type=flags.path,
        metavar="RUN",
        help="BASE, NEW and more: folders in results/, or their summary.json; of more than two "
        "the trend, and the last one compared with the first",
    )
    compare.add_argument(
        "--baseline", type=flags.path, metavar="DIR", help="BASE, given apart from the others"
    )
    flags.add_fail_on(compare)
    how = compare.add_mutually_exclusive_group()
    how.add_argument("--markdown", action="store_true", help="as Markdown, for a pull request")
    how.add_argument("--json", action="store_true", help="as JSON")
    compare.add_argument(
        "-o", "--output", type=flags.path, metavar="FILE", help="write the document there"
    )
    compare.add_argument(
        "--html", type=flags.path, metavar="FILE", help="make a page of it there, besides"
    )
    compare.set_defaults(run=_compare)

    text = "list the runs in a folder, the newest last"
    results = commands.add_parser("results", help=text, description=text)
    results.add_argument(
        "folder",
        nargs="?",
        type=flags.path,
        default=Path("results"),
        metavar="DIR",
        help="where the folders of runs are (default: results)",
    )
    results.add_argument("--json", action="store_true", help=_JSON)
    results.set_defaults(run=_results)

    text = "print what completes this command's words with the Tab key"
    completion = commands.add_parser("completion", help=text, description=text)
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")
    completion.set_defaults(run=_completion)

    text = "look at a run while it goes on, from its files alone; exits with 1 if it was killed"
    status = commands.add_parser("status", help=text, description=text)
    status.add_argument("folder", type=flags.path, metavar="DIR", help="a folder in results/")
    status.add_argument("--json", action="store_true", help=_JSON)
    status.set_defaults(run=_status)
    return parser


def _workers() -> int:
    """One less than the whole cores that this process may use, for the simulator or the master."""
    from loadkit.machine.resources import cores

    return max(1, int(cores()) - 1)
