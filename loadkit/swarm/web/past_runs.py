"""Past runs on the live page: a list of them, their files, and two of them compared."""

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import gevent
from flask import Response, abort, jsonify, request, send_file
from gevent.lock import Semaphore

from loadkit.compare.compare import compare
from loadkit.compare.stored_run import load_run
from loadkit.errors import UsageError
from loadkit.pages.comparison_page import comparison_page
from loadkit.pages.page import POLICY
from loadkit.results.listing import listing
from loadkit.results.run_folder import REPORT
from loadkit.security.escaping import visible

MOST: Final = 100  # of the newest runs

FILES: Final = (
    *(REPORT, "summary.json", "summary.md", "capacity.json", "junit.xml", "run.json"),
    *("timeline.csv", "latency.hlog", "turns.csv", "slow_turns.jsonl", "errors.jsonl"),
    *("violations.jsonl", "loadkit.log"),
)
"""What is handed out of a run's folder, and nothing else."""

APART: Final = f"sandbox allow-scripts allow-downloads; {POLICY}"
"""A page from a folder may be a stranger's: it is none of ours, and may ask for nothing."""


class PastRuns:
    """The runs of a results folder.

    Args:
        parent: the folder, as of `--out`.
        busy: tells whether a run is under way.
    """

    def __init__(self, parent: Path, busy: Callable[[], bool]) -> None:
        self._parent, self._busy = parent, busy
        self._one_at_a_time = Semaphore()

    def list(self) -> Response:
        """The newest first, each with those of its files that are there."""
        try:
            runs = _aside(listing, self._parent, MOST) if self._parent.is_dir() else []
        except UsageError as error:
            return jsonify({"folder": visible(str(self._parent)), "runs": [], "wrong": str(error)})
        told = [
            asdict(run) | {"files": [name for name in FILES if self._path(run.folder, name)]}
            for run in reversed(runs)
        ]
        return jsonify({"folder": visible(str(self._parent)), "runs": told, "wrong": ""})

    def file(self, folder: str, name: str) -> Any:
        """One of the files: the report to be looked at, any other to be saved."""
        path = self._path(folder, name)
        if path is None:
            abort(404)
        saved = name != REPORT
        answer = send_file(path.resolve(), as_attachment=saved, download_name=f"{folder}-{name}")
        answer.headers["Content-Security-Policy"] = APART
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    def file_of_last(self, folder: str | None, name: str) -> Any:
        """The same of the last run of this process; says so where there is none yet."""
        if folder is not None and self._path(folder, name) is not None:
            return self.file(folder, name)
        if name not in FILES:
            abort(404)
        why = "no run has been started" if folder is None else "it is written when the run is over"
        return Response(f"There is no {name} yet: {why}.\n", 404, content_type="text/plain")

    def compared(self) -> Response:
        """Two of them, `base` and `new`, on a page."""
        try:
            found = self._compared(request.args.get("base", ""), request.args.get("new", ""))
        except UsageError as error:
            return Response(f"{visible(str(error))}\n", 400, content_type="text/plain")
        answer = Response(found, content_type="text/html; charset=utf-8")
        answer.headers["Content-Security-Policy"] = APART
        return answer

    def _compared(self, base: str, new: str) -> str:
        if self._busy():
            raise UsageError("not while a run goes on: a comparison takes the time of its machine")
        for name in (base, new):
            if self._path(name, "summary.json") is None:
                raise UsageError(f"there is no finished run {name!r} in {self._parent}")
        with self._one_at_a_time:
            found: str = _aside(
                lambda: comparison_page(
                    compare(load_run(self._parent / base), load_run(self._parent / new))
                )
            )
        return found

    def _path(self, folder: str, name: str) -> Path | None:
        """An ordinary file of a run's; None for whatever else is asked for, links included."""
        if name not in FILES or folder in ("", ".", "..") or os.path.basename(folder) != folder:
            return None
        place = self._parent / folder
        path = place / name
        try:
            ours = not place.is_symlink() and not path.is_symlink() and path.is_file()
        except (OSError, ValueError):  # nothing can be called so
            return None
        return path if ours else None


def _aside(do: Callable[..., Any], *arguments: Any) -> Any:
    """Do something that takes a while in a thread, while this process goes on."""
    return gevent.get_hub().threadpool.apply(do, arguments)
