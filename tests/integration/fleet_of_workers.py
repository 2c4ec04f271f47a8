"""A master and workers of its own, each a process as on a machine of its own."""

from contextlib import ExitStack
from pathlib import Path

from processes import READY_LOCUST, ROOT, SECRETS, Started, free_port, started, timeline

LOCUSTFILE = ROOT / "locustfile.py"


class Fleet:
    """A master, and workers that are started one by one, each as on a machine of its own."""

    def __init__(
        self, folder: Path, url: str, profile: Path, expected: int, *more: str, key: str = ""
    ) -> None:
        self._stack = ExitStack()
        self._folder, self.port = folder, free_port()
        self._knows = {**SECRETS, "LOADKIT_WORKER_KEY": key}
        self.out = folder / "out"
        command = [READY_LOCUST, "-f", LOCUSTFILE, "--master", "--headless", "--profile", profile]
        command += ["-H", url, "--out", self.out, "--expect-workers", str(expected)]
        command += ["--master-bind-host", "127.0.0.1", "--master-bind-port", str(self.port)]
        command += more
        self.master = self._stack.enter_context(started(command, folder, self._knows))

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def worker(
        self,
        *more: str | Path,
        locustfile: Path = LOCUSTFILE,
        locust: str = READY_LOCUST,
        **knows: str,
    ) -> Started:
        command = [locust, "-f", locustfile, "--worker", "--master-host", "127.0.0.1"]
        command += ["--master-port", str(self.port), *more]
        return self._stack.enter_context(started(command, self._folder, self._knows | knows))

    def rows(self) -> list[dict[str, str]]:
        """The timeline as far as it is written."""
        return timeline(self.out)

    def wait_for_second(self, second: int) -> None:
        self.master.wait_for(lambda: len(self.rows()) > second, f"second {second} was over")
