"""Locust's web UI as its page sees it, by HTTP alone."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from processes import PATIENCE, Started, rows_of


class Ui:
    """The view of a browser that waits until all workers are there."""

    def __init__(self, process: Started, port: int, out: Path, workers: int = 1) -> None:
        self.process, self.out, self._workers = process, out, workers
        self.url = f"http://127.0.0.1:{port}"
        process.wait_for(self._answers, "serving")

    def page(self, path: str = "/locust") -> str:
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as answer:
            return str(answer.read().decode())

    def get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as answer:
            content: dict[str, Any] = json.load(answer)
            return content

    def post(self, path: str, **form: str) -> dict[str, Any]:
        data = urllib.parse.urlencode(form).encode()
        try:
            answer = urllib.request.urlopen(self.url + path, data, timeout=PATIENCE)
        except urllib.error.HTTPError as refusal:
            answer = refusal  # which says why, too
        with answer:
            content: dict[str, Any] = json.load(answer)
            return content

    def now(self) -> dict[str, Any]:
        """What the live page shows."""
        told: dict[str, Any] = self.get("/chat/now")["now"]
        return told

    def state(self) -> str:
        return str(self.get("/stats/requests")["state"])

    def rows(self) -> dict[str, int]:
        """How often each row of the statistics was counted."""
        stats = self.get("/stats/requests")["stats"]
        return {row["name"]: row["num_requests"] for row in stats}

    def folders(self) -> list[Path]:
        return sorted(self.out.iterdir()) if self.out.exists() else []

    def is_written(self) -> bool:
        return (self.folders()[-1] / "summary.json").exists()  # the last of them

    def is_answered(self) -> bool:
        """Whether somebody was, in the last of them."""
        path = self.folders()[-1] / "timeline.csv"
        return path.exists() and any(int(row["turns_answered"]) for row in rows_of(path))

    def until(self, happened: Callable[[], Any], what: str) -> Any:
        return self.process.wait_for(happened, what)

    def _answers(self) -> bool:
        try:
            return self.get("/worker-count")["worker_count"] == self._workers
        except (OSError, urllib.error.URLError):
            return False
