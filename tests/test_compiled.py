"""What is compiled: that it is what the sources say, and that it can be read where it fails."""

import importlib
import re
import traceback
from pathlib import Path
from random import Random

import pytest

import hatch_build
from loadkit import compiled
from loadkit.chat.inputs import Opened
from loadkit.chat.personas import Policy
from loadkit.chat.session import Session
from loadkit.errors import LocalError

from .sources import ROOT


def test_every_module_that_is_compiled_runs_so_or_none() -> None:
    """None is left out, as code of both forms would know two classes of one name."""
    names = [path.removesuffix(".py").replace("/", ".") for path in hatch_build.hot()]
    files = {Path(importlib.import_module(name).__file__ or "").suffix for name in names}
    assert len(names) > 30
    assert len(files) == 1
    assert (files == {".py"}) is bool(compiled.why_not)


def test_what_is_compiled_rests_on_every_source_that_it_knows() -> None:
    """One that it inherits from or takes a constant of is as good as its own."""
    reached = hatch_build.reached(["loadkit/chat/session.py"])
    assert {"loadkit/chat/table.py", "loadkit/chat/personas.py", "loadkit/errors.py"} <= reached
    assert "loadkit/net/driver.py" not in reached


def test_a_traceback_names_the_file_and_the_line() -> None:
    """Though no frame of Python is run."""
    with pytest.raises(LocalError) as caught:
        Session(Policy(), Random(1)).step(0.0, Opened())
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    source = ROOT / "loadkit" / "chat" / "socket" / "connection.py"
    assert last.filename in (str(source), "loadkit/chat/socket/connection.py")
    line = source.read_text().splitlines()[(last.lineno or 0) - 1]
    assert "raise LocalError" in line


def test_a_changed_or_a_missing_source_is_found(tmp_path: Path) -> None:
    """By what is in it, not by its date."""
    own = compiled.PACKAGE / "errors.py"
    known = {"errors.py": compiled.digest(own.read_bytes())}
    assert compiled.changed(known) is None
    assert compiled.changed({**known, "exit_codes.py": "0" * 16}) == "exit_codes.py"
    assert compiled.changed({**known, "no_more.py": "0" * 16}) == "no_more.py"


def test_an_install_compiles_with_the_mypy_that_the_tests_are_run_with() -> None:
    """Which is pinned in one more place than it should be."""
    (pinned,) = re.findall(r"(?m)^(mypy==[\d.]+) ", (ROOT / "requirements.txt").read_text())
    assert f'"{pinned}"' in (ROOT / "hatch_build.py").read_text()
