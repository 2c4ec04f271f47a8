"""The tools of the table: what each is started with, and what it says of the waits.

The others are no dependencies of loadkit: `make bench-peers` puts them into `.venv/bench`. One that
is not there is left out, by name.
"""

import json
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal
from urllib.parse import urlsplit

from bench.processes import ROOT, BenchError, free_port
from bench.script import Script
from loadkit import compiled

PEERS: Final = ROOT / ".venv" / "bench"
NODE_MODULES: Final = PEERS / "npm" / "node_modules"
SCRIPTS: Final = ROOT / "bench" / "peers"
GET: Final = "make bench-peers"


@dataclass(frozen=True, slots=True)
class Setting:
    """One run: where, what, and where to leave the figures."""

    url: str
    script: Script
    folder: Path  # of this run alone
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Said:
    """What a tool makes of the responses it measured, in milliseconds."""

    count: int
    p50: float
    p99: float
    note: str = ""  # loadkit's own word on the run


class Tool(ABC):
    """One of them."""

    name: ClassVar[str]
    boot: ClassVar[float]  # seconds from its start to its first session, at the most
    get: ClassVar[str] = GET
    # How its percentiles are defined; the truth's are taken the same way.
    method: ClassVar[Literal["inverted_cdf", "linear"]] = "inverted_cdf"
    cannot: ClassVar[Mapping[str, str]] = {}  # rows it has no part in, and why
    ends: ClassVar[bool] = True  # by itself, at the moment it was told
    says_when: ClassVar[bool] = False  # it measures from: in a file, as loadkit's own warm-up does
    records: ClassVar[str]  # what it keeps of all that: a part of what it costs

    @abstractmethod
    def version(self) -> str | None:
        """What is installed; None where nothing is."""

    @abstractmethod
    def commands(self, run: Setting) -> list[list[str]]:
        """What to start; the first one ends with the run."""

    def said(self, run: Setting) -> Said:
        """What it measured. Raises BenchError where it says nothing."""
        waits = _read(run.folder / "summary")
        return Said(len(waits), _rank(waits, 50), _rank(waits, 99))


class Loadkit(Tool):
    """Ourselves: a master and one worker, both on the core."""

    name, boot, get = "loadkit", 6.0, ""
    says_when = True
    records = (
        "every wait of each phase in histograms, beside Locust's own table, and checks each event "
        "against the protocol; arrivals have the kernel's stamp. Master and worker both count"
    )

    def version(self) -> str:
        """Which form of it runs."""
        return compiled.form()

    def commands(self, run: Setting) -> list[list[str]]:
        """Locust's master and one worker with a profile."""
        from bench import TEXT

        profile = run.folder / "table.toml"
        profile.write_text(run.script.profile(), encoding="utf-8")
        lines = json.dumps({"intent": "bench", "lines": [TEXT]})
        (run.folder / "said.jsonl").write_text(lines + "\n", encoding="utf-8")
        port = str(free_port())
        base = [sys.executable, "-m", "locust", "-f", str(ROOT / "bench" / "loadkit_chat.py")]
        base += ["--loglevel", "WARNING"]
        lead = [*base, "--master", "--headless", "--expect-workers", "1", "-H", run.url]
        lead += ["--master-bind-host", "127.0.0.1", "--master-bind-port", port]
        lead += ["--profile", str(profile), "--out", str(run.folder / "results")]
        return [lead, [*base, "--worker", "--master-host", "127.0.0.1", "--master-port", port]]

    def said(self, run: Setting) -> Said:
        """As its summary has it."""
        found = sorted((run.folder / "results").glob("*/summary.json"))
        if len(found) != 1:
            raise BenchError("no summary")
        summary = json.loads(found[0].read_text(encoding="utf-8"))
        response = summary["latency_ms"]["response"]
        verdict = summary["verdict"]
        note = ": ".join([verdict["validity"], *verdict["reasons"][:1]])
        return Said(response["count"], response["p50"], response["p99"], note)


class K6(Tool):
    """k6: a virtual user a session, as its documentation has it."""

    name, boot, method = "k6", 3.0, "linear"
    records = "one Trend, in whole milliseconds, and its built-in metrics; no checks"

    def version(self) -> str | None:
        """Of the program."""
        said = _version([_k6(), "version"])
        return said and said.split()[1].removeprefix("v")

    def commands(self, run: Setting) -> list[list[str]]:
        """Without its report of use, which would leave this machine."""
        quiet = ["--quiet", "--no-usage-report", "--address", "", "--log-output", "stderr"]
        return [[_k6(), "run", *quiet, str(SCRIPTS / "chat.js")]]

    def said(self, run: Setting) -> Said:
        """As its Trend has it."""
        values = _read(run.folder / "summary")
        return Said(int(values["count"]), values["p(50)"], values["p(99)"])


class Artillery(Tool):
    """Artillery: its engine for WebSockets, with a function for what its steps cannot say."""

    name, boot = "Artillery", 8.0
    records = (
        "one histogram, and counts no message: a function sends and receives in place of its "
        "steps, which cannot wait for one event among others"
    )

    def version(self) -> str | None:
        """Of the package."""
        path = NODE_MODULES / "artillery" / "package.json"
        if not path.exists() or shutil.which("node") is None:
            return None
        return str(json.loads(path.read_text(encoding="utf-8"))["version"])

    def commands(self, run: Setting) -> list[list[str]]:
        """With as many sessions at once as the others."""
        script = run.script
        phase: dict[str, Any] = {"duration": max(1, round(script.ramp))}
        phase["arrivalCount"] = script.users
        if script.turns:  # a session is a virtual user: the next one comes when there is room
            phase = {"duration": 600, "arrivalRate": 500, "maxVusers": script.users}
        flow = [{"connect": {"function": "enter"}}, {"function": "converse"}]
        config = {"target": run.url, "phases": [phase], "processor": str(SCRIPTS / "artillery.cjs")}
        path = run.folder / "artillery.json"
        scenarios = [{"engine": "ws", "flow": flow}]
        path.write_text(json.dumps({"config": config, "scenarios": scenarios}), encoding="utf-8")
        program = NODE_MODULES / ".bin" / "artillery"
        report = run.folder / "summary"
        report.touch()  # it wants one that is there
        return [[str(program), "run", "--quiet", "--output", str(report), str(path)]]

    def said(self, run: Setting) -> Said:
        """As its report has it."""
        response = _read(run.folder / "summary")["aggregate"]["summaries"]["response"]
        return Said(int(response["count"]), response["p50"], response["p99"])


class Plain(Tool):
    """A plain Locust user with websocket-client; without a master, which it has no need of."""

    name, boot, get = "plain Locust", 4.0, "make"
    records = "one request event a response; the script is 150 lines by hand"

    def version(self) -> str:
        """Of both: they are installed for the tests."""
        from importlib.metadata import version

        return f"{version('locust')} + {version('websocket-client')}"

    def commands(self, run: Setting) -> list[list[str]]:
        """All users in the first second; each waits for its moment by itself."""
        users = str(run.script.users)
        command = [sys.executable, "-m", "locust", "-f", str(SCRIPTS / "locust_chat.py")]
        command += ["--headless", "-H", run.url, "-u", users, "-r", users, "--only-summary"]
        return [[*command, "--loglevel", "WARNING", "-t", "1h"]]


class Floor(Tool):
    """A bare client that parses and counts."""

    name, boot = "floor", 2.0
    records = "a list of waits: it is no tool, but a bare client on asyncio that parses and counts"

    def version(self) -> str | None:
        """Of picows."""
        code = "from importlib.metadata import version; print(version('picows'))"
        return _version([str(PEERS / "bin" / "python"), "-c", code])

    def commands(self, run: Setting) -> list[list[str]]:
        """By the Python that has picows."""
        return [[str(PEERS / "bin" / "python"), str(SCRIPTS / "floor.py")]]


class Tsung(Tool):
    """Tsung: a session of declared steps.

    It cannot wait for one event among others: a request is over with whatever comes first.
    """

    name, boot, ends = "Tsung", 8.0, False
    records = (
        "its own statistics every ten seconds, and reads nothing of what comes: it speaks by the "
        "clock"
    )
    get = "apt-get install tsung"
    cannot: ClassVar = {
        "exchange": "it cannot wait for an answer, only for whatever comes first",
        "stream": "it cannot wait for an answer, only for whatever comes first",
        "error": "it times the first frame that comes, not the answer",
    }

    def version(self) -> str | None:
        """Of the program."""
        said = _version([shutil.which("tsung") or "tsung", "-v"])
        return said and said.split()[-1]

    def commands(self, run: Setting) -> list[list[str]]:
        """Controller and users in one Erlang machine."""
        from bench.peers.tsung import session

        path = run.folder / "tsung.xml"
        address = urlsplit(run.url)
        assert address.hostname
        assert address.port
        path.write_text(
            session(run.script, address.hostname, address.port, run.environment), encoding="utf-8"
        )
        return [["tsung", "-f", str(path), "-l", str(run.folder), "-n", "start"]]


TOOLS: Final[tuple[Tool, ...]] = (Loadkit(), K6(), Artillery(), Tsung(), Plain(), Floor())


def _k6() -> str:
    mine = PEERS / "bin" / "k6"
    return str(mine) if mine.exists() else shutil.which("k6") or "k6"


def _version(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except OSError:
        return None
    said = (done.stdout or done.stderr).strip()
    return said.splitlines()[0] if done.returncode == 0 and said else None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchError(f"it left no figures: {error}") from None


def _rank(waits: list[float], percent: int) -> float:
    """The nearest rank."""
    if not waits:
        raise BenchError("it measured no response")
    return sorted(waits)[max(0, -(-len(waits) * percent // 100) - 1)]
