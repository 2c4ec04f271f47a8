"""The commands that tell of runs from their files: `report`, `compare`, `results`, `status`."""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from loadkit import flags
from loadkit.commands.command import Command, add_json, say_json
from loadkit.errors import UsageError
from loadkit.exit_codes import ExitCode
from loadkit.output import say
from loadkit.report.meter import Meter
from loadkit.report.screen import Screen

_TOLD: Final = 20  # lines of what was damaged


def _folder(parser: ArgumentParser) -> None:
    parser.add_argument("folder", type=flags.path, metavar="DIR", help="a folder in results/")


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


def _report_options(parser: ArgumentParser) -> None:
    _folder(parser)
    parser.add_argument(
        "--html", type=flags.path, metavar="FILE", help="make its page, report.html, anew: there"
    )
    add_json(parser)


def _report(arguments: Namespace) -> int:
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
            say_json(found)
        else:
            document.render(found, Screen())
    else:
        summary = load_summary(folder, left_out)
        code = summary.verdict.exit_code
        if arguments.json:
            say_json(summary.to_dict())
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


def _compare_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        nargs="+",
        type=flags.path,
        metavar="RUN",
        help="BASE, NEW and more: folders in results/, or their summary.json; of more than two "
        "the trend, and the last one compared with the first",
    )
    parser.add_argument(
        "--baseline", type=flags.path, metavar="DIR", help="BASE, given apart from the others"
    )
    flags.add_fail_on(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--markdown", action="store_true", help="as Markdown, for a pull request")
    how.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument(
        "-o", "--output", type=flags.path, metavar="FILE", help="write the document there"
    )
    parser.add_argument(
        "--html", type=flags.path, metavar="FILE", help="make a page of it there, besides"
    )


def _compare(arguments: Namespace) -> int:
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


def _results_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        nargs="?",
        type=flags.path,
        default=Path("results"),
        metavar="DIR",
        help="where the folders of runs are (default: results)",
    )
    add_json(parser)


def _results(arguments: Namespace) -> int:
    from loadkit.results.listing import listing

    runs = listing(arguments.folder)
    if arguments.json:
        say_json([asdict(run) for run in runs])
        return 0
    for run in runs:
        say(str(run))
    if not runs:
        say(f"no runs in {arguments.folder}")
    return 0


def _status_options(parser: ArgumentParser) -> None:
    _folder(parser)
    add_json(parser)


def _status(arguments: Namespace) -> int:
    from loadkit.results.status import State, status, status_document

    left_out: list[str] = []
    state: State
    if arguments.json:
        state, told = status_document(arguments.folder, left_out)
        say_json(told)
    else:
        state, lines = status(arguments.folder, left_out)
        say("\n".join(lines))
    return _whole(ExitCode.FAILED if state == "cut" else ExitCode.OK, left_out)


COMMANDS: Final = (
    Command(
        "report",
        "show the result of a run again; of one that was killed, make it from what it left",
        _report_options,
        _report,
    ),
    Command(
        "compare",
        "tell what changed from one run to another, and whether by more than noise",
        _compare_options,
        _compare,
    ),
    Command("results", "list the runs in a folder, the newest last", _results_options, _results),
    Command(
        "status",
        "look at a run while it goes on, from its files alone; exits with 1 if it was killed",
        _status_options,
        _status,
    ),
)
