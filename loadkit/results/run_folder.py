"""A run's folder: made before the run, filled after it, read again by `loadkit report`."""

import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar

from loadkit.codec import Codec
from loadkit.errors import UsageError
from loadkit.measure.occurrence import OCCURRENCE, Occurrence
from loadkit.measure.slow_turns import SLOW_TURN, SlowTurn
from loadkit.report import junit, markdown
from loadkit.results.line_file import NO_LINK
from loadkit.results.stored_summary import read, read_examples
from loadkit.security.escaping import in_json
from loadkit.verdict.summary import Summary

T = TypeVar("T")

REPORT: Final = "report.html"
"""The page of a run; whoever has its folder can make it anew."""

_RESULTS: Final = (
    "run.json",
    "junit.xml",
    "summary.md",
    "violations.jsonl",
    "errors.jsonl",
    "slow_turns.jsonl",
    REPORT,
    "summary.json",
)


def results_folder(parent: Path, profile: str, now: datetime) -> Path:
    """Make the folder of a run, `<UTC time>-<profile>`, as in `2026-11-22T150654Z-smoke`.

    What no file system likes becomes `_`. It was not there before: a second run in one second gets
    the ending `-2`. The parent is made if missing.

    Raises:
        UsageError: it cannot be made or written to.
    """
    safe = re.sub(r"[^\w.-]+", "_", profile).strip("._") or "run"
    name = f"{now.astimezone(UTC):%Y-%m-%dT%H%M%SZ}-{safe}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            folder = parent / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError("no permission to write in it")
            return folder
    except OSError as error:
        raise _unwritable(parent, error) from error
    raise AssertionError("unreachable")


def write(
    folder: Path,
    summary: Summary,
    run_info: Mapping[str, Any],
    examples: Mapping[str, str],
    evidence: Iterable[Occurrence] = (),
    slow: Iterable[SlowTurn] = (),
    lead: str = "",
) -> None:
    """Write the files of a finished run, each complete or not at all.

    One that cannot be written keeps none of the others from it.

    Args:
        run_info: what was run: the profile as used, versions, host and machine; no secrets.
        examples: one text for each kind of error and violation. They are put into `run.json`
            under `examples`, so that a report made again still has them.
        evidence: the first violations and errors of each kind, as of
            `loadkit.measure.ledger.Ledger`: one JSON object a line.
        slow: the slowest turns, likewise.
        lead: what `summary.md` begins with, as Markdown: the result of a capacity search.

    Raises:
        UsageError: some could not be written; the text names them. All were tried.
    """
    contents: dict[str, Callable[[], str]] = {
        "run.json": lambda: _json({**run_info, "examples": dict(examples)}),
        "junit.xml": lambda: junit.document(summary, examples),
        "summary.md": lambda: lead + markdown.document(summary, examples),
        "violations.jsonl": lambda: _lines(OCCURRENCE, _of(evidence, "violations")),
        "errors.jsonl": lambda: _lines(OCCURRENCE, _of(evidence, "errors")),
        "slow_turns.jsonl": lambda: _lines(SLOW_TURN, slow),
        # The last one: where it is, nobody was killed before the others.
        "summary.json": lambda: _json(summary.to_dict()),
    }
    failed: dict[str, OSError] = {}
    for name, content in contents.items():
        try:
            _replace(folder / name, content())
        except OSError as error:
            failed[name] = error
    if failed:
        last = list(failed.values())[-1]
        raise _unwritable(folder, last, tuple(failed)) from last


def _of(evidence: Iterable[Occurrence], what: str) -> Iterator[Occurrence]:
    return (found for found in evidence if found.of == what)


def _lines(codec: Codec[T], found: Iterable[T]) -> str:
    chosen = (codec.encode(one) for one in found)
    told = ({key: value for key, value in found.items() if key != "of"} for found in chosen)
    return "".join(in_json(json.dumps(found, ensure_ascii=False)) + "\n" for found in told)


def withdraw(folder: Path) -> None:
    """Delete what `write` has written, as far as that can be done."""
    for name in _RESULTS:
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)


def write_text(path: Path, text: str, option: str = "--out") -> None:
    """Write a file so that whoever reads it finds the old one or the whole new one.

    Args:
        option: with which the user says where it goes.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        _replace(path, text)
    except OSError as error:
        raise _unwritable(path.parent, error, (path.name,), option) from error


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        draft.unlink(missing_ok=True)
        number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK, 0o666)
        with open(number, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # else a crash may leave the new name on an empty file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def load_summary(folder: Path, left_out: list[str] | None = None) -> Summary:
    """Read the summary of a run's folder, or a `summary.json`.

    Args:
        left_out: takes what is wrong with parts that no verdict hangs on, a line each; None
            refuses a summary with such parts.

    Raises:
        UsageError: there is none, or it is not one.
    """
    path = folder if folder.suffix == ".json" else folder / "summary.json"
    if not os.path.lexists(path) and os.path.isfile(path.with_name("journal.jsonl")):
        run = path.parent
        raise UsageError(
            f"{run} has no result yet: its run goes on, or was killed; `loadkit status {run}` says "
            f"which, and `loadkit report {run}` makes that of a killed one"
        )
    try:
        return Summary.from_dict(read(path, left_out))
    except UsageError as error:
        raise UsageError(f"{error}{_mend(path)}") from error


def _mend(path: Path) -> str:
    """What can be done about a summary that cannot be read."""
    if not os.path.lexists(path):
        return ""
    if os.path.isfile(path.with_name("journal.jsonl")):
        return f"; delete {path.name}, and `loadkit report` makes it anew from journal.jsonl"
    if os.path.isfile(path.with_name("summary.md")):
        return "; summary.md beside it says what the run came to"
    return ""


def load_examples(folder: Path, left_out: list[str]) -> dict[str, str]:
    """Read the example texts of a run: none if it has no `run.json`, nor if that is damaged, which
    is a line in `left_out`.
    """
    path = folder / "run.json"
    try:
        return read_examples(path) if os.path.lexists(path) else {}
    except UsageError as error:
        left_out.append(f"{error}; left out: the examples")
        return {}


def _json(data: Any) -> str:
    return in_json(json.dumps(data, indent=2, ensure_ascii=False, default=str)) + "\n"


def _unwritable(
    folder: Path, error: OSError, names: Sequence[str] = (), option: str = "--out"
) -> UsageError:
    what = ", ".join(names) or "results"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UsageError(
            f"cannot write {what} in {folder}: {error.strerror} ({_room(folder)}); "
            f"free some space there, or choose a folder elsewhere with {option}"
        )
    why = "a file is in the way" if isinstance(error, FileExistsError) else error.strerror or error
    return UsageError(
        f"cannot write {what} in {folder}: {why}; "
        f"choose another folder with {option}, or fix its permissions"
    )


def _room(folder: Path) -> str:
    """Name the file system that a folder is on, and what is left of it."""
    mount = folder.absolute()
    while not mount.is_mount() and mount != mount.parent:
        mount = mount.parent
    try:
        free = f"{shutil.disk_usage(folder).free / 1e6:,.0f} MB free"
    except OSError:
        free = "full"
    return f"file system {mount}, {free}"
