"""What is started for a run, and what is told before anything is."""

import signal
import subprocess
from pathlib import Path
from typing import Any

import gevent.socket
import pytest

from loadkit import launch as module
from loadkit.errors import UsageError
from loadkit.launch import launch
from loadkit.simulator import Dials, load_dials
from loadkit.simulator.distributions import Constant

PROFILE = """[load]
stages = [{ duration = "3s", users = 2 }]
[mix]
CompleteChat = 1
"""


class Process:
    """A Locust that ends at once."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self.command, self.options = command, options
        self.pid = 2**30  # nobody's group

    def wait(self, timeout: float | None = None) -> int:
        return self.code

    def send_signal(self, number: int) -> None: ...

    code = 0


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    processes: list[Process] = []

    def start(command: list[str], **options: Any) -> Process:
        processes.append(Process(command, **options))
        return processes[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(module, "_user_classes", lambda locustfile: ["CompleteChat"])
    monkeypatch.setenv("POLY_CONNECTOR_TOKEN", "a-secret")
    return processes


@pytest.fixture
def profile(tmp_path: Path) -> str:
    path = tmp_path / "tiny.toml"
    path.write_text(PROFILE)
    return str(path)


def go(profile: str, **changes: Any) -> int:
    options: dict[str, Any] = {
        "host": "http://127.0.0.1:1",
        "workers": 2,
        "overrides": [],
        "out": Path("here"),
        "ui_port": None,
    }
    return launch(profile, **{**options, **changes})


def value(command: list[str], flag: str) -> str:
    return command[command.index(flag) + 1]


def test_locust_runs_the_profile_with_as_many_processes_as_workers(
    started: list[Process], profile: str
) -> None:
    go(profile, overrides=["load.seed=8", "load.warmup=1s"])
    (locust,) = started
    command = locust.command
    assert command[1:4] == ["-m", "loadkit.start_locust", "-f"]
    assert Path(command[4]).name == "locustfile.py"
    assert value(command, "--processes") == "2"
    assert value(command, "--profile") == profile
    assert value(command, "-H") == "http://127.0.0.1:1"
    assert value(command, "--out") == "here"
    sets = [command[i + 1] for i, word in enumerate(command) if word == "--set"]
    assert sets == ["load.seed=8", "load.warmup=1s"]
    assert "--headless" in command


def test_nothing_of_it_listens_beyond_this_machine(started: list[Process], profile: str) -> None:
    go(profile, ui_port=8089)
    (locust,) = started
    assert value(locust.command, "--master-bind-host") == "127.0.0.1"
    assert value(locust.command, "--web-host") == "127.0.0.1"
    assert value(locust.command, "--web-port") == "8089"
    assert "--headless" not in locust.command


def test_secrets_go_through_the_environment_alone(
    started: list[Process], profile: str, capsys: pytest.CaptureFixture[str]
) -> None:
    go(profile)
    (locust,) = started
    assert locust.options["env"]["POLY_CONNECTOR_TOKEN"] == "a-secret"
    assert not any("a-secret" in word for word in locust.command)
    assert "a-secret" not in capsys.readouterr().out


def test_no_variable_of_locusts_reaches_it(
    started: list[Process], profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would steer a run behind its command line's back."""
    monkeypatch.setenv("LOCUST_MODE_WORKER", "true")
    monkeypatch.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    go(profile)
    assert not [name for name in started[0].options["env"] if name.startswith("LOCUST")]


def test_a_terminals_ctrl_c_does_not_reach_locust_behind_our_back(
    started: list[Process], profile: str
) -> None:
    go(profile)
    assert started[0].options["start_new_session"] is True


@pytest.mark.parametrize(("code", "told"), [(0, 0), (1, 1), (3, 3), (-9, 137)])
def test_its_exit_code_is_locusts(
    started: list[Process], profile: str, monkeypatch: pytest.MonkeyPatch, code: int, told: int
) -> None:
    monkeypatch.setattr(Process, "code", code)
    assert go(profile) == told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"overrides": ["load.sede=8"]}, "unknown key 'sede'; did you mean 'seed'"),
        ({"host": "there:80"}, "does not start with http:// or https://"),
        ({"host": "http://me:pass@there"}, "holds a user name or password"),
    ],
)
def test_a_mistake_is_told_before_anything_starts(
    started: list[Process],
    profile: str,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    told: str,
) -> None:
    with pytest.raises(UsageError, match=told.replace("(", r"\(")):
        go(profile, **changes)
    assert not started
    assert capsys.readouterr().out == ""


@pytest.fixture
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names that are looked up, none of which leads anywhere."""
    asked: list[str] = []

    def look_up(host: str, port: int, **_: object) -> list[Any]:
        asked.append(host)
        return [(2, 1, 6, "", ("192.0.2.7", port))]

    monkeypatch.setattr(gevent.socket, "getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize("ui_port", [None, 8089])
def test_the_vendors_own_deployments_need_a_word_more(
    started: list[Process], profile: str, nobody_is_asked: list[str], ui_port: int | None
) -> None:
    """Nobody is even asked where they are without it; it goes on to Locust."""
    host = "https://messaging.us-1.poly.ai"
    with pytest.raises(UsageError, match="add --allow-production"):
        go(profile, host=host, ui_port=ui_port)
    assert (started, nobody_is_asked) == ([], [])

    go(profile, host=host, ui_port=ui_port, allow_production=True)
    assert "--allow-production" in started[0].command

    allowed = ["allow_hosts = ['messaging.us-1.poly.ai']"]
    go(profile, host=host, ui_port=ui_port, overrides=allowed)
    assert "--allow-production" not in started[1].command


def test_each_run_has_a_key_for_its_workers_that_nobody_else_knows(
    started: list[Process], profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOADKIT_WORKER_KEY", "a text that others know as well")
    for _ in range(2):
        go(profile)
    one, other = (locust.options["env"]["LOADKIT_WORKER_KEY"] for locust in started)
    assert one != other
    assert min(len(one), len(other)) >= 32
    assert not any(one in word for word in started[0].command)


def test_mistakes_that_others_know_of_are_told_beside_the_profiles_own(
    started: list[Process], profile: str
) -> None:
    """Locust knows the user classes, and the simulator its dials."""
    Path(profile).write_text(
        PROFILE.replace("[mix]", "sede = 1\n[mix]\nCompletChat = 1") + "[simulator]\nsede = 1\n"
    )
    with pytest.raises(UsageError) as refused:
        go(profile)
    key, mixed, dial = str(refused.value).splitlines()
    assert key.endswith(":3: load.sede: unknown key 'sede'; did you mean 'seed'?")
    assert ":5: mix.CompletChat: no user class is called 'CompletChat'" in mixed
    assert dial.endswith(":8: simulator.sede: unknown key 'sede'; did you mean 'seed'?")
    assert not started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_before_locust_starts_ends_it_all(
    started: list[Process], profile: str, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    monkeypatch.setattr(module, "say", lambda text: signal.raise_signal(number))
    assert go(profile) == 128 + (signal.SIGTERM if number == signal.SIGHUP else number)
    assert not started
    assert signal.getsignal(number) is before


def test_a_hang_up_is_one_sigterm_however_often_it_is_told(
    started: list[Process], profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel says it, and the shell again; the third of other signals kills all."""
    passed_on: list[int] = []

    def wait(process: Process) -> int:
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
            signal.raise_signal(number)
        return 143

    monkeypatch.setattr(Process, "send_signal", lambda _, number: passed_on.append(number))
    monkeypatch.setattr(Process, "wait", wait)
    assert go(profile) == 143
    assert passed_on == [signal.SIGTERM, signal.SIGTERM]


def test_an_installation_without_its_locustfile_is_told(
    started: list[Process], profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_HERE", tmp_path / "loadkit")
    with pytest.raises(UsageError, match=r"locustfile\.py is missing"):
        go(profile)


class TestTheSimulatorsDials:
    """`[simulator]` of a profile: for a run that has no other target."""

    DIALS = """
[simulator]
heartbeat_interval_seconds = 2
agent = { first_response = { kind = "constant", value = "1s" }, name = 'a "b"' }
incidents = [{ at = "3s", duration = "1s", kind = "restart", forget = true }]
"""

    def started_with(
        self, monkeypatch: pytest.MonkeyPatch, profile: str, **changes: Any
    ) -> list[str]:
        """The words that the simulator gets."""
        given: list[str] = []

        def start(stack: object, environment: object, dials: list[str]) -> str:
            given.extend(dials)
            return "http://127.0.0.1:1"

        monkeypatch.setattr(module, "_start_simulator", start)
        go(profile, host=None, **changes)
        return given

    def test_are_what_the_simulator_is_started_with(
        self, started: list[Process], profile: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Read by the simulator, they are what the profile says."""
        Path(profile).write_text(PROFILE + self.DIALS)
        given = self.started_with(monkeypatch, profile)
        dials = load_dials(None, given)
        assert dials.heartbeat_interval_seconds == 2.0
        assert (dials.agent.name, dials.agent.chunks) == ('a "b"', Dials().agent.chunks)
        assert dials.agent.first_response == Constant(value=1.0)
        (restart,) = dials.incidents
        assert (restart.at, restart.kind, restart.forget) == (3.0, "restart", True)

    def test_can_be_overridden_as_every_other_key(
        self, started: list[Process], profile: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And added to, where the profile has none."""
        given = self.started_with(
            monkeypatch, profile, overrides=["simulator.agent.slots=5", "simulator.seed=3"]
        )
        dials = load_dials(None, given)
        assert (dials.agent.slots, dials.seed) == (5, 3)

    def test_a_profile_without_any_starts_the_simulator_as_it_is(
        self, started: list[Process], profile: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No table, no word."""
        assert self.started_with(monkeypatch, profile) == []

    def test_are_checked_before_anything_starts_whatever_the_target(
        self, started: list[Process], profile: str
    ) -> None:
        """A misspelt dial is told with its profile, its line and its mend."""
        Path(profile).write_text(PROFILE + "[simulator.agent]\nslot = 5\n")
        with pytest.raises(UsageError) as refused:
            go(profile)
        told = str(refused.value)
        assert told == (
            f"{profile}:6: simulator.agent.slot: unknown key 'slot'; did you mean 'slots'?"
        )
        assert not started
