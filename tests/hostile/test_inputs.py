"""What a user hands over by mistake or on purpose: absurd sizes, odd files, flags without sense.

The rows of a table run one after the other in a child process that has a gigabyte and a half of
memory, and 30 s for each of them.
"""

import contextlib
import io
import json
import math
import os
import resource
import signal
import subprocess
import sys
import tomllib
from copy import deepcopy
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from processes import LOADKIT, LOCUST, SECRETS, simulator, summary
from processes import run as run_process

from loadkit import cli
from loadkit.errors import UsageError
from loadkit.launch import _toml
from loadkit.profile.profile import Profile, load_profile
from loadkit.profile.scenario import Errand, SessionKind
from loadkit.profile.tables import MOST_STAGES
from loadkit.readiness.foresight import foresee
from loadkit.readiness.room import Room, check

LONG = "a" * 5_000
MANY = "9" * 5_000
URL = "http://127.0.0.1:1"  # nothing gets as far as to use it
SECONDS = 30
MEMORY = 3 << 29


class Row(NamedTuple):
    name: str
    words: list[str]
    told: str
    code: int = 2


def refused(name: str, told: str, *words: str) -> Row:
    return Row(name, ["run", *(words or (f"{name}.toml",)), "--host", URL], told)


def flag(name: str, told: str, *words: str) -> Row:
    return Row(name, ["run", "fine.toml", "--host", URL, *words], told)


def load(**stage: Any) -> str:
    model = "open" if "arrivals_per_second" in stage else "closed"
    written = ", ".join(f"{key} = {value}" for key, value in stage.items())
    return f'[load]\nmodel = "{model}"\nstages = [{{ {written} }}]\n[mix]\nCompleteChat = 1\n'


FINE = load(duration='"2s"', users=1)

FILES = {
    "fine": FINE,
    "users": load(duration='"2s"', users=10**9),
    "users23": load(duration='"2s"', users=10**22),
    "digits": load(duration='"2s"', users=MANY),
    "arrivals": load(duration='"2s"', arrivals_per_second="1e308"),
    "century": load(duration='"99999999d"', users=1),
    "forever": load(duration="1e300", users=1),
    "none": load(duration="nan", users=1),
    "stages": FINE.replace("[{", "[" + "{ duration = 1, users = 1 }, " * MOST_STAGES + "{"),
    "deep": "a = " + "[" * 5_000 + "]" * 5_000,
    "key": "a." * 200_000 + "b = 1",
    "keys": FINE + "\n".join(f"k{number} = 1" for number in range(2_000)),
    "big": FINE + "# " + "a" * 2_000_000,
    "patience": FINE + "[conversation]\npatience = 1e10\n",
    "typing": FINE + "[human]\ntyping_wpm = { median = inf }\n",
    "resume": FINE + "[connection]\nmax_reconnect_attempts = 9999999999\n",
    "chance": FINE + "[human]\ndrafts = nan\n",
    "weight": FINE.replace("= 1\n", "= 1e308\n"),
    "ceiling": FINE + '[slo]\n"errors" = 0\n[capacity]\nceiling = 1e12\n',
    "device": FINE + '[conversation]\ndialogues = "zero.jsonl"\n',
    "pipe": FINE + '[conversation]\ndialogues = "pipe.jsonl"\n',
    "folder": FINE + '[conversation]\ndialogues = "folder.jsonl"\n',
    "path": FINE + f'[conversation]\ndialogues = "{LONG}.jsonl"\n',
    "nul": FINE + '[conversation]\ndialogues = "a\\u0000b.jsonl"\n',
    "json": FINE + '[conversation]\ndialogues = "deep.jsonl"\n',
    "wrong": FINE + '[conversation]\ndialogues = "wrong.jsonl"\n',
    "columns": FINE + '[conversation]\ndialogues = "wide.csv"\n',
}

ROWS = [
    refused("users", "users.toml:3: load.stages.0.users: should be less than or equal to 10000000"),
    refused("users23", "load.stages.0.users: a whole number of some 23 digits; the most is 19"),
    refused("digits", "digits.toml: line 3: a number has 5,000 digits; the most is 19"),
    refused("arrivals", "should be less than or equal to 1000000, not 1e+308"),
    refused("century", "load.stages.0.duration: should be 11,574d or less, not '99999999d'"),
    refused("forever", "load.stages.0.duration: should be 1,000,000,000 or less"),
    refused("none", "load.stages.0.duration: should be a duration of 0 or more, not nan"),
    refused("stages", "load.stages: "),
    refused("deep", "nested more than 32 deep"),
    refused("key", "key.toml: line 1: a key has more than 64 parts"),
    refused("keys", "a table of 2,00"),
    refused("big", "is larger than 1 MB, the most that is read"),
    refused("patience", "conversation.patience: should be 1,000,000,000 or less"),
    refused("typing", "human.typing_wpm.median: should be a finite number, not inf"),
    refused("resume", "connection.max_reconnect_attempts: should be 1,000,000,000 or less"),
    refused("chance", "human.drafts: should be a ratio from 0 to 1"),
    refused("weight", "mix.CompleteChat: should be 1,000,000,000 or less"),
    refused("ceiling", "capacity.ceiling: should be less than or equal to 10000000"),
    refused("device", "zero.jsonl: is a device, not a file"),
    refused("pipe", "pipe.jsonl: is a pipe, not a file"),
    refused("folder", "folder.jsonl: is a folder, not a file"),
    refused("path", "cannot be read: File name too long"),
    refused("nul", "no file's name has a NUL in it"),
    refused("json", "deep.jsonl:1: should be one JSON object: tables or lists are nested more"),
    refused("wrong", "… and 980 or more others in that file"),
    refused("columns", "no heading says which column users' messages are in"),
    refused("no such profile", "there is no profile 'aaa", LONG),
    refused("a device", "/dev/zero: is a device, not a file", "/dev/zero"),
    refused("a file without end", "is larger than 1 MB", "/proc/self/pagemap"),
    refused("a socket", "socket: is a socket, not a file", "./socket"),
    refused(
        "a link to nowhere", "it is a link to gone.toml, which is not there", "./dangling.toml"
    ),
    refused("a pipe that says nothing", "whoever writes into this pipe was not done", "silent"),
    flag("no host", "'example..com' is not a host name", "--host", "http://example..com"),
    flag("a long host", "is not a host name", "--host", f"http://{LONG}"),
    flag("a host with a space", "is not a host name", "--host", "http://a b"),
    flag("port 70000", "the target's URL cannot be read", "--host", "http://127.0.0.1:70000"),
    flag("port 0", "names no host, or port 0", "--host", "http://127.0.0.1:0"),
    flag("10,000 workers", "should be 512 or less", "--workers", "10000"),
    flag("200 workers", "would only wait for each other", "--workers", "512"),
    flag("a worker too many digits", "should be a whole number", "--workers", MANY),
    flag("patience that is none", "should be seconds from 0 to", "--worker-patience", "nan"),
    flag("patience below 0", "should be seconds from 0 to", "--worker-patience", "-1"),
    flag("metrics port", "should be from 0 to 65535", "--metrics-port", "70000"),
    flag("a key without end", "the key has more than 32 parts", "--set", "a." * 3_000 + "b=1"),
    flag("an index", "there is no such place", "--set", f"load.stages.{MANY}.users=1"),
    flag("a seed", "a number has 5,000 digits", "--set", f"load.seed={MANY}"),
    flag("a long locustfile", "File name too long", "--locustfile", LONG),
    flag("a device as locustfile", "there is no such locustfile", "--locustfile", "/dev/zero"),
    flag("a long folder", "File name too long", "--out", LONG),
    Row("ui", ["ui", "fine.toml", "--port", "70000"], "should be from 0 to 65535"),
    Row("years", ["plan", "--growth", "20%/year", "--years", "1e9"], "should be 100 or less"),
    Row("growth", ["plan", "--growth", "10000%/month", "--years", "99"], "look less far ahead"),
    Row("shrink", ["plan", "--growth=-99.9%/month", "--years", "99"], "look less far ahead"),
    Row("plan", ["plan", "--concurrent", "1e300"], "should be 1,000,000,000 or less"),
    Row("plan digits", ["plan", "--turns", MANY], "--turns 999"),
    Row("erlangs", ["plan", "--concurrent", "1e9", "--turns", "1e9"], "the plan is too large"),
    Row("plan path", ["plan", LONG], "File name too long"),
    Row("report path", ["report", LONG], "File name too long"),
    Row("status path", ["status", LONG], "File name too long"),
    Row("simulator host", ["simulate", "--host", "a..b"], "no host can be called so"),
    Row("simulator port", ["simulate", "--port", "70000"], "should be from 0 to 65535"),
    Row("config device", ["simulate", "--config", "/dev/zero"], "is a device, not a file"),
    Row("config deep", ["simulate", "--config", "deep.toml"], "nested more than 32 deep"),
    Row("dial", ["simulate", "--set", "token_lifetime_seconds=1e308"], "or less, not 1e+308"),
    Row("dial digits", ["simulate", "--set", f"agent.slots={MANY}"], "a number has 5,000 digits"),
    Row("doctor users", ["doctor", "--users", "9" * 4_000], "should be from 1 to 1,000,000,000"),
    Row("doctor host", ["doctor", "--host", "http://example..com"], "is not a host name"),
]


class Came(NamedTuple):
    """What a row came to."""

    code: int | None
    output: str


def _make_files(folder: Path) -> None:
    for name, text in FILES.items():
        (folder / f"{name}.toml").write_text(text)
    os.chdir(folder)
    Path("folder.jsonl").mkdir()
    for link, leads in (("zero.jsonl", "/dev/zero"), ("dangling.toml", "gone.toml")):
        Path(link).symlink_to(leads)
    for pipe in ("pipe.jsonl", "silent"):
        os.mkfifo(pipe)
    Path("deep.jsonl").write_text("[" * 100_000)
    Path("wrong.jsonl").write_text("[]\n" * 2_000_000)
    Path("wide.csv").write_text("a," * 50_000 + "\n")
    import socket

    socket.socket(socket.AF_UNIX).bind("socket")


def _child(folder: str) -> None:
    """Run the rows in this process and print what each came to, a JSON object a line."""
    from loadkit import cli, launch
    from loadkit.security import textfile

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    _make_files(Path(folder))
    told = sys.stdout
    for module, name, value in (
        (launch, "_user_classes", lambda _: None),  # asks Locust in a process of its own
        (textfile, "WRITES", 0.2),
    ):
        setattr(module, name, value)

    def too_long(*_: object) -> None:
        raise BaseException("it took too long")

    signal.signal(signal.SIGALRM, too_long)
    for row in ROWS:
        output, code = io.StringIO(), None
        signal.alarm(SECONDS)
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            try:
                code = cli.main(row.words)
            except SystemExit as error:
                code = error.code if isinstance(error.code, int) else None
            except BaseException as error:
                output.write(repr(error))
        signal.alarm(0)
        print(json.dumps([row.name, code, output.getvalue()]), file=told, flush=True)


@pytest.fixture(scope="module")
def came(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Came]:
    folder = tmp_path_factory.mktemp("inputs")
    command = [sys.executable, __file__, str(folder)]
    paths = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "integration")}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, env=paths
    )
    assert not done.returncode, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {name: Came(code, output) for name, code, output in lines}


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_mistake_is_told_with_its_place_and_exit_code(row: Row, came: dict[str, Came]) -> None:
    code, output = came[row.name]
    assert row.told in output
    assert code == row.code, output
    assert "Traceback" not in output
    assert len(output) < 12_000, "nobody reads as much"


@pytest.mark.parametrize(
    ("words", "broken"),
    [
        (["run", "smoke"], "loadkit.launch.launch"),
        (["ui", "smoke"], "loadkit.launch.launch"),
        (["capacity", "smoke"], "loadkit.launch.launch"),
        (["simulate"], "loadkit.simulator.serve"),
        (["profiles"], "loadkit.profile.profile.profile_names"),
        (["doctor"], "loadkit.readiness.doctor.doctor"),
        (["plan"], "loadkit.planner.terminal.plan"),
        (["report", "."], "loadkit.results.rebuild.needed"),
        (["status", "."], "loadkit.results.status.status"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
@pytest.mark.parametrize("error", [AssertionError("oh"), RecursionError("oh"), OSError(5, "oh")])
def test_a_fault_of_ours_is_called_one_by_every_command(
    words: list[str],
    broken: str,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """With 70 and a traceback, never with 1, which is a broken objective."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(broken, fail)
    assert cli.main(words) == 70
    said = capfd.readouterr().err
    assert "a fault of loadkit itself, please report it with this traceback" in said
    assert "in fail" in said


class TestWhatThisMachineRunsOutOf:
    """More sessions than there is room for: a run says so, and is invalid, without a storm."""

    def ends(self, folder: Path, what: str, before: str, *command: str | Path) -> None:
        stages = '}, { duration = "3s", users = 80 }]'
        text = load(duration='"1s"', users=80).replace("}]", stages)
        (folder / "many.toml").write_text(text + "[conversation]\ntime_scale = 0.1\n")
        shell = [
            "sh",
            "-c",
            f'{before} && exec "$@"',
            "sh",
            *command,
            "--force",
            "--out",
            folder / "out",
        ]
        ended = run_process(shell, folder, SECRETS)
        told = summary(folder / "out")
        assert ended.code == 3, ended.output
        assert f"forced: 80 sessions at once are more than this machine has {what}" in ended.output
        assert told["errors"]["local_limit"] > 0
        assert told["turns"]["answered"] > 0, "those that found room went on"
        assert told["verdict"]["validity"] == "invalid"
        assert any("ran out of files or ports" in each for each in told["verdict"]["reasons"])
        assert "Traceback" not in ended.output
        assert len(ended.output) < 10_000

    def test_files(self, tmp_path: Path) -> None:
        with simulator(tmp_path) as server:
            locust = [LOCUST, "--headless", "--profile", tmp_path / "many.toml", "-H", server.url]
            self.ends(tmp_path, "open files", "ulimit -n 64", *locust)

    @pytest.mark.slow
    def test_ports(self, tmp_path: Path) -> None:
        """In a network of its own, where the range can be narrowed; it needs root."""
        if subprocess.run(
            ["unshare", "--net", "true"], check=False, capture_output=True
        ).returncode:
            pytest.skip("no network of one's own can be had here")
        narrow = "ip link set lo up && echo 40000 40060 > /proc/sys/net/ipv4/ip_local_port_range"
        inside = ["unshare", "--net", "sh", "-c", f'{narrow} && exec "$@"', "sh"]
        self.ends(
            tmp_path,
            "ports",
            "true",
            *inside,
            LOADKIT,
            "run",
            tmp_path / "many.toml",
            "--workers",
            "1",
        )


@st.composite
def _mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A valid profile with some of its values, keys, types and sizes turned into others."""
    tables: dict[str, Any] = deepcopy(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 4))):
        at: Any = tables
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(at[key], dict | list) and draw(st.booleans()):
                at = at[key]
                continue
            what = draw(st.sampled_from(["value", "value", "value", "gone", "more", "deeper"]))
            if what == "value":
                at[key] = draw(ODD)
            elif what == "gone":
                del at[key]
            elif what == "deeper":
                at[key] = {"a": at[key]}
            elif isinstance(at, dict):
                at[draw(st.text(max_size=20))] = draw(ODD)
            else:
                at += [deepcopy(at[key])] * draw(st.sampled_from([1, 30]))
            break
    return tables


ODD = st.one_of(
    st.integers(),
    st.integers(-3, 3),
    st.sampled_from([2**63 - 1, 2**63, 10**22, -(2**64), 10**9, 10**7]),
    st.floats(),
    st.sampled_from([5e-324, 1e-300, 1e-9, 1e9, 1e300, math.inf, math.nan]),
    st.text(max_size=30),
    st.sampled_from(["1s", "99999999d", "0ms", "1e9s", "builtin", "builtin:x", "50%", "open"]),
    st.booleans(),
    st.recursive(st.integers(), lambda inner: st.lists(inner, max_size=3), max_leaves=8),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)

FOLDER = Path(__file__).parents[2] / "profiles"
VALID = [tomllib.loads(path.read_text()) for path in sorted(FOLDER.glob("*.toml"))] + [
    tomllib.loads(FINE),
    tomllib.loads(load(duration='"2s"', arrivals_per_second=3.5)),
]


LIVED = {
    name: SessionKind(name, errand)
    for name, errand in (("CompleteChat", Errand.CHAT), ("HandoffChat", Errand.HUMAN))
}


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(tables=_mutated())
def test_a_mutated_profile_is_one_or_is_told_what_is_wrong(
    tables: dict[str, Any], tmp_path: Path
) -> None:
    """And what reads as one can be foreseen and held against this machine in bounded time."""
    one_or_told(tables, tmp_path)


@pytest.mark.slow
@settings(max_examples=1_000, suppress_health_check=list(HealthCheck))
@given(tables=_mutated())
def test_many_mutated_profiles(tables: dict[str, Any], tmp_path: Path) -> None:
    """The same of very many."""
    one_or_told(tables, tmp_path)


def one_or_told(tables: dict[str, Any], folder: Path) -> None:
    path = folder / "mutated.toml"
    written = (f"{json.dumps(name)} = {_toml(value)}\n" for name, value in tables.items())
    path.write_text("".join(written), encoding="utf-8", errors="backslashreplace")
    began = process_time()
    with contextlib.suppress(UsageError):
        profile = load_profile(str(path))
        assert Profile.from_json(profile.to_json()) == profile
        list(foresee(profile, LIVED))
        check(profile.load, Room.here(), 1)
    assert process_time() - began < SECONDS


if __name__ == "__main__":
    _child(sys.argv[1])
