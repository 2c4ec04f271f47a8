"""What fuzzing has found is tried each time; and what it would find, it does find."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import __main__ as command
from fuzz.engines import Outcome
from fuzz.target import Target, cases_of

KEPT = [(name, path) for name in command.TARGETS for path in cases_of(name)]


def target_of(name: str) -> Target:
    target: Target = importlib.import_module(f"fuzz.targets.{name}").TARGET
    return target


@pytest.mark.parametrize(("name", "path"), KEPT, ids=[f"{name}-{path.name}" for name, path in KEPT])
def test_a_fault_that_was_found_does_not_come_back(name: str, path: Path) -> None:
    target_of(name).check(path.read_bytes())


@pytest.mark.parametrize("name", command.TARGETS)
def test_what_a_target_starts_from_is_no_fault(name: str) -> None:
    """Its seeds, whole and cut somewhere."""
    target = target_of(name)
    assert target.name == name
    for data in target.seeds:
        for end in {*range(0, len(data), max(7, len(data) // 3)), len(data)}:
            target.check(data[:end])


PLANTED = """
import time
from pathlib import Path
from fuzz import engines
from fuzz.target import Target

def check(data):
    if b"!" in data:
        {fault}

engines.TICK = 0.15
engines.try_target(Target("planted", check), "hypothesis", 60, Path({folder!r}))
"""


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("raise KeyError(data)", "KeyError"),
        ("while True: time.sleep(9)", "HangError"),
        ("bytearray(3 << 30)", "MemoryError"),
    ],
    ids=["an exception", "a hang", "memory without end"],
)
def test_a_fault_is_found_and_its_input_kept(tmp_path: Path, fault: str, told: str) -> None:
    """The smallest one, in a file of its own, for the next run and for the tests."""
    code = PLANTED.format(fault=fault, folder=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, timeout=100
    )
    outcome = Outcome(**json.loads(done.stdout))
    assert told in outcome.fault
    assert outcome.inputs > 0
    (kept,) = cases_of("planted", tmp_path)
    assert (str(kept), kept.read_bytes()) == (outcome.case, b"!")


@pytest.mark.parametrize("fault", ["", "Traceback: boom"])
def test_a_fault_is_told_and_is_an_exit_code(
    fault: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the inputs of each target, and where the one lies that broke it."""
    case = "cases/decode/abc" if fault else ""
    monkeypatch.setattr(command, "start", lambda *_: Outcome(1234567, 10.0, fault, case))
    monkeypatch.setattr(command, "available", lambda: ["hypothesis"])
    monkeypatch.setattr(sys, "argv", ["fuzz", "decode"])
    assert command.main() == bool(fault)
    said = capsys.readouterr().out
    assert "1,234,567" in said
    assert "by hypothesis alone" in said
    assert ("cases/decode/abc" in said) is bool(fault)
    assert fault in said
