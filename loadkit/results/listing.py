"""The runs in a folder of results, each in a line."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from loadkit.errors import UsageError
from loadkit.report.verdict import verdict_text, word
from loadkit.results.checked import MOST_BYTES
from loadkit.results.journal import JOURNAL
from loadkit.results.journal_lines import head
from loadkit.results.journal_lock import hold
from loadkit.results.line_file import reading
from loadkit.results.run_folder import load_summary
from loadkit.security.escaping import one_line

_LONGEST_HEADLINE: Final = 1_000  # characters of a headline


@dataclass(frozen=True, slots=True)
class Listed:
    """A folder in which there is, or was, a run."""

    folder: str  # its name
    # `finished`; `running`; `cut`, where nobody writes there any more and no result is there;
    # `damaged`, where one is there and cannot be read
    state: Literal["finished", "running", "cut", "damaged"]
    started_at: str = ""  # UTC, as in `2026-11-22T15:06:54Z`; empty where it is not known
    profile: str = ""
    word: str = ""
    validity: str = ""
    exit_code: int | None = None
    duration_s: float | None = None
    headline: str = ""  # the verdict in a line; of a run without one, what is to be said instead

    def __str__(self) -> str:
        when, profile, folder = (
            self.started_at or "–",
            one_line(self.profile),
            one_line(self.folder),
        )
        what = self.word or self.state.upper()
        return f"{when:<21}{profile:<18} {what:<8} {self.headline} · {folder}"


def listing(parent: Path, most: int | None = None) -> list[Listed]:
    """Return the runs of a folder, the newest last.

    Args:
        parent: the folder, as of `--out`.
        most: how many of the newest folders are looked at, by their names; None for all.

    Raises:
        UsageError: it is not there, or cannot be read.
    """
    try:
        names = sorted(each.name for each in os.scandir(parent) if each.is_dir())
    except OSError as error:
        give = "give the folder in which runs are, as of --out"
        raise UsageError(f"cannot read {parent}: {error.strerror}; {give}") from error
    # By when they began, with which a folder's name begins as well, but for the colons.
    newest = names if most is None else names[-most:]
    return sorted(
        _all(parent, newest), key=lambda run: run.started_at.replace(":", "") or run.folder
    )


def _all(parent: Path, names: list[str]) -> Iterator[Listed]:
    for name in names:
        folder = parent / name
        if os.path.lexists(folder / "summary.json"):
            yield _finished(folder)
        elif os.path.lexists(folder / JOURNAL):
            yield _without_a_result(folder)


def _finished(folder: Path) -> Listed:
    try:
        summary = load_summary(folder, [])
    except UsageError as error:
        return Listed(folder.name, "damaged", headline=one_line(str(error), _LONGEST_HEADLINE))
    return Listed(
        folder.name,
        "finished",
        summary.started_at,
        summary.profile,
        word(summary),
        summary.verdict.validity,
        summary.verdict.exit_code,
        summary.duration_s,
        one_line(verdict_text(summary), _LONGEST_HEADLINE),
    )


def _without_a_result(folder: Path) -> Listed:
    path = folder / JOURNAL
    try:
        with reading(path), hold(path) as over:
            state: Literal["cut", "running"] = "cut" if over else "running"
    except UsageError as error:
        return Listed(folder.name, "damaged", headline=one_line(str(error), _LONGEST_HEADLINE))
    told = {
        "cut": "it was killed: `loadkit report` makes its report",
        "running": "`loadkit status` tells how it stands",
    }[state]
    try:
        with path.open("rb") as file:
            spec = head(file.readline(MOST_BYTES)).spec
    except (OSError, ValueError):  # gone meanwhile, or of another version
        return Listed(folder.name, state, headline=told)
    return Listed(folder.name, state, spec.started_at, spec.profile, headline=told)
