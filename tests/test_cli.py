"""The command line: what it takes, and what it hands on."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from loadkit import __version__, cli, compiled, launch
from loadkit.errors import LoadkitError, TargetError, UsageError
from loadkit.machine import resources


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    calls: list[tuple[str, dict[str, Any]]] = []

    def record(profile: str, **options: Any) -> int:
        calls.append((profile, options))
        return 3

    monkeypatch.setattr(launch, "launch", record)
    return calls


def test_run_hands_everything_on_and_returns_the_verdicts_code(
    launched: list[tuple[str, dict[str, Any]]],
) -> None:
    words = ["run", "soak", "--host", "http://there", "--workers", "4", "--out", "here"]
    assert cli.main([*words, "--set", "load.seed=8", "--set", "load.warmup=9s"]) == 3
    ((profile, options),) = launched
    assert profile == "soak"
    assert options["host"] == "http://there"
    assert options["workers"] == 4
    assert options["overrides"] == ["load.seed=8", "load.warmup=9s"]
    assert options["out"] == Path("here")
    assert options["ui_port"] is None


def test_run_without_flags_takes_the_simulator_and_leaves_it_a_core(
    launched: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "cores", lambda: 8.5)
    cli.main(["run", "smoke"])
    assert launched[0][1]["host"] is None
    assert launched[0][1]["workers"] == 7
    assert launched[0][1]["out"] == Path("results")


def test_one_core_is_one_worker(
    launched: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "cores", lambda: 0.5)
    cli.main(["run", "smoke"])
    assert launched[0][1]["workers"] == 1


def test_ui_has_a_port_of_its_own(launched: list[tuple[str, dict[str, Any]]]) -> None:
    cli.main(["ui", "smoke"])
    cli.main(["ui", "smoke", "--port", "9000"])
    assert [options["ui_port"] for _, options in launched] == [8089, 9000]


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError("mend it"), 2), (TargetError("it refuses"), 4), (LoadkitError("oh"), 2)],
)
def test_an_error_is_one_line_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: LoadkitError,
    code: int,
) -> None:
    def fail(*_: Any, **__: Any) -> int:
        raise error

    monkeypatch.setattr(launch, "launch", fail)
    assert cli.main(["run", "smoke"]) == code
    assert capsys.readouterr().err == f"error: {error}\n"


@pytest.mark.parametrize("words", [[], ["rnu"], ["run"], ["run", "smoke", "--workers", "0"]])
def test_what_makes_no_sense_is_exit_code_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    assert left.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_no_command_takes_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run", "ui", "simulate"):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        assert "token" not in capsys.readouterr().out.lower()


def test_help_says_where_secrets_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    told = capsys.readouterr().out
    assert "POLY_CONNECTOR_TOKEN" in told
    assert "POLY_HOST_IDENTIFIER" in told


def test_profiles_lists_each_with_its_question(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["profiles"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("smoke ")]
    assert line.endswith("?")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"loadkit {__version__} ({compiled.form()})\n"


@pytest.mark.parametrize(("state", "code"), [("running", 0), ("finished", 0), ("cut", 1)])
def test_status_prints_what_it_is_told_and_exits_with_1_for_a_run_that_was_killed(
    state: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    looked: list[Path] = []

    def status(folder: Path, left_out: list[str]) -> tuple[str, list[str]]:
        looked.append(folder)
        return state, ["one", "two"]

    monkeypatch.setattr("loadkit.results.status.status", status)
    assert cli.main(["status", str(tmp_path)]) == code
    assert capsys.readouterr().out == "one\ntwo\n"
    assert looked == [tmp_path]


FACTS = ("run", "capacity", "report", "status", "doctor", "profiles", "plan", "check-server")


@pytest.mark.parametrize("command", [*FACTS, "results", "compare"])
def test_each_command_that_tells_facts_tells_them_as_json_too(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert "--json" in capsys.readouterr().out


def test_the_profiles_are_told_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["profiles", "--json"]) == 0
    told = {each["name"]: each["question"] for each in json.loads(capsys.readouterr().out)}
    assert told["smoke"].endswith("?")
    assert "soak" in told


@pytest.mark.parametrize(
    ("words", "tell"), [([], "all"), (["--quiet"], "quiet"), (["--json"], "json")]
)
def test_what_a_run_prints_is_handed_on(
    words: list[str], tell: str, launched: list[tuple[str, dict[str, Any]]]
) -> None:
    cli.main(["run", "smoke", *words])
    assert launched[0][1]["tell"] == tell


def test_a_run_is_not_quiet_and_json_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["run", "smoke", "--quiet", "--json"])
    assert left.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It knows every command, and the profiles by their names."""
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert {word for word in (*FACTS, "--quiet", "smoke", "soak-short") if word not in script} == (
        {"--quiet"} if shell == "fish" else set()
    )


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["loadkit", "comple"], {"completion"}),
        (["loadkit", "run", "smo"], {"smoke"}),
        (["loadkit", "run", "--qu"], {"--quiet"}),
        (["loadkit", "completion", "z"], {"zsh"}),
    ],
)
def test_bash_completes_words(
    words: list[str], completed: set[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Asked of a real one, in a folder with nothing in it."""
    cli.main(["completion", "bash"])
    ask = f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _shtab_loadkit; "
    asked = subprocess.run(
        ["bash", "-c", f'{capsys.readouterr().out}\n{ask}printf "%s\\n" "${{COMPREPLY[@]}}"'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert set(asked.stdout.split()) == completed, asked.stderr
