"""How the words of a command line are read, by both doors."""

import errno
from argparse import ArgumentTypeError
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

from loadkit.config.table import MOST, checked
from loadkit.security.textfile import clipped

MOST_WORKERS: Final = 512
"""Processes of one machine; ours: as many as the largest have cores."""

HIGHEST_PORT: Final = 65_535
"""16 bits hold a port (RFC 9293, section 3.1)."""


Tell = Literal["all", "quiet", "json"]
"""What a run prints: all; what is wrong and the verdict; or an object at its end and nothing else
on standard output."""

TYPED: Final = "LOADKIT_TYPED"
"""Variable of the environment: the words of `loadkit`'s command line, for Locust's process."""

PRODUCTION: Final = "let --host name one of PolyAI's own deployments (*.poly.ai)"


def add_run_options(parser: Any) -> None:
    """Add to a parser, or to a group of one, what a run takes by whichever door."""
    for name, value, text, more in (
        (
            "set",
            "KEY=VALUE",
            "set a key of the profile, e.g. load.seed=8; may be given several times",
            {"action": "append", "default": [], "dest": "profile_overrides"},
        ),
        (
            "out",
            "DIR",
            "where the folder of the run is made (default: results)",
            {"type": _path, "default": "results", "dest": "results_parent"},
        ),
        (
            "worker-patience",
            "SECONDS",
            "how long a run whose workers are all gone waits for one (default: 30)",
            {"type": seconds, "default": 30.0},
        ),
        ("metrics-port", "N", "serve live figures for Prometheus on this port", {"type": port}),
        (
            "metrics-host",
            "ADDRESS",
            "the address to serve them on (default: loopback)",
            {"default": "127.0.0.1"},
        ),
    ):
        parser.add_argument(f"--{name}", metavar=value, help=text, **more)
    for name, text in (
        ("allow-production", PRODUCTION),
        ("strict", "fail where there are too few samples to judge an objective"),
        ("force", "begin though this machine has no room for the load, or it lasts for years"),
    ):
        parser.add_argument(f"--{name}", action="store_true", help=text)


def add_baseline(parser: Any) -> None:
    """Add what a run is compared with at its end."""
    text = "compare the run with the one in this folder, at its end"
    parser.add_argument("--baseline", type=_path, metavar="DIR", help=text)
    add_fail_on(parser)


def add_fail_on(parser: Any) -> None:
    """Add by how much a figure may get worse from one run to another."""
    parser.add_argument(
        "--fail-on",
        action="append",
        default=[],
        metavar="LIMIT",
        help="of a comparison: exit with 1 only if this got worse by more than noise, and by more "
        "than the limit: 'response.p95 > 10%%'",
    )


def add_resume(parser: Any) -> None:
    """Add what goes on with a capacity search."""
    text = "go on with the interrupted search whose results are in this folder"
    parser.add_argument("--resume", type=_path, metavar="DIR", help=text)


def positive(text: str) -> int:
    """Read a count.

    Raises:
        ArgumentTypeError: it is not a whole number above 0.
    """
    number = _whole(text)
    if not 1 <= number <= MOST:
        raise ArgumentTypeError(f"should be from 1 to {MOST:,.0f}, not {clipped(text)!r}")
    return number


def workers(text: str) -> int:
    """Read how many processes are to generate the load.

    Raises:
        ArgumentTypeError: it is no such number.
    """
    number = positive(text)
    if number > MOST_WORKERS:
        raise ArgumentTypeError(
            f"should be {MOST_WORKERS} or less, not {number:,}: one a core is enough, and more "
            "machines are told with locust --master and --worker"
        )
    return number


def seconds(text: str) -> float:
    """Read a number of seconds.

    Raises:
        ArgumentTypeError: it is none, or negative, or beyond a life.
    """
    try:
        number = float(text)
        if number < 0:
            raise ValueError
        return float(checked(number))
    except ValueError as error:
        told = f"should be seconds from 0 to {MOST:,.0f}, not {clipped(text)!r}"
        raise ArgumentTypeError(told) from error


def port(text: str) -> int:
    """Read a port; 0 is any that is free.

    Raises:
        ArgumentTypeError: it is none.
    """
    number = _whole(text)
    if not 0 <= number <= HIGHEST_PORT:
        raise ArgumentTypeError(f"should be from 0 to {HIGHEST_PORT}, not {clipped(text)!r}")
    return number


def path(text: str) -> Path:
    """Read a path: `~` is a home, as in `--out=~/runs`, where no shell puts it in.

    Raises:
        ArgumentTypeError: nobody has that home, or nothing can be called so.
    """
    try:
        found = Path(text).expanduser()
        found.exists()
    except RuntimeError as error:
        raise ArgumentTypeError(f"{clipped(text)!r}: {error}") from error
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            raise ArgumentTypeError(f"{clipped(text)!r}: {error.strerror}") from error
    return found


def _path(text: str) -> str:
    return str(path(text))  # a text: options go to the workers in messages of plain types


def flaw(words: Iterable[str]) -> str | None:
    """Say which word of a command line is no text, as a file's name may be; None if all are.

    It could stand neither in a message to a worker nor in the results.
    """
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            told = word.encode(errors="backslashreplace").decode()
            return f"{told}: should be UTF-8 text; give the file or folder another name"
    return None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ArgumentTypeError(f"should be a whole number, not {clipped(text)!r}") from error
