"""Which of the two forms runs: the modules as they were compiled, or as the sources are now."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ROOT

from loadkit import compiled

FORM = "import loadkit; print(loadkit.compiled.form())"
FILES = """
import importlib, json, loadkit
names = json.loads((loadkit.compiled.FOLDER / "manifest.json").read_bytes())["modules"]
print({importlib.import_module(name).__file__[-3:] for name in names if name != "loadkit__mypyc"})
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with a loadkit that may be damaged."""
    for name in ("loadkit", "hatch_build.py"):
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy2(ROOT / name, tmp_path)
    return tmp_path


def told(tree: Path, *command: str, **variables: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != compiled.SWITCH}
    run = subprocess.run(
        [sys.executable, *command],
        cwd=tree,
        env={**kept, **variables},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    assert run.returncode in (0, 1)  # the doctor's, where the machine is busy
    return run.stdout.strip()


def compiled_folder(tree: Path) -> Path:
    folder = tree / compiled.FOLDER.relative_to(ROOT)
    if told(tree, "-c", FORM) != "compiled":
        pytest.skip("nothing is compiled here: make compiled")
    return folder


def test_what_was_compiled_runs_unless_python_is_asked_for(tree: Path) -> None:
    compiled_folder(tree)
    assert told(tree, "-c", FILES) == "{'.so'}"
    assert told(tree, "-c", FORM, LOADKIT_PURE="1") == "pure Python: LOADKIT_PURE is set"
    assert told(tree, "-c", FILES, LOADKIT_PURE="1") == "{'.py'}"


@pytest.mark.parametrize("source", ["chat/session.py", "chat/personas.py", "protocol/__init__.py"])
def test_nothing_of_what_was_compiled_runs_once_a_source_has_changed(
    tree: Path, source: str
) -> None:
    """Neither the module itself nor another, whether the source was compiled or only used."""
    compiled_folder(tree)
    path = tree / "loadkit" / source
    before = path.stat()
    path.write_bytes(path.read_bytes() + b"\n")
    os.utime(path, (before.st_atime, before.st_mtime))
    why = f"pure Python: {source} has changed since it was compiled"
    assert told(tree, "-c", FORM) == why
    assert told(tree, "-c", FILES) == "{'.py'}"
    version = told(tree, "-m", "loadkit", "--version")
    assert " ".join(version.split()).endswith(f"({why})")
    doctor = json.loads(told(tree, "-m", "loadkit", "doctor", "--json", POLY_CONNECTOR_TOKEN="x"))
    (check,) = [check for check in doctor["checks"] if check["check"] == "code"]
    assert (check["level"], check["found"]) == ("warn", f"not compiled, {why}")


@pytest.mark.parametrize("damage", ["cut", "gone", "no manifest", "half a manifest"])
def test_what_cannot_be_loaded_is_left_alone(tree: Path, damage: str) -> None:
    """Made for another system, half copied, or removed: the sources run."""
    folder = compiled_folder(tree)
    library = folder / f"{compiled.LIBRARY}{compiled.SUFFIX}"
    manifest = folder / compiled.MANIFEST
    if damage == "cut":
        library.write_bytes(library.read_bytes()[:1000])
    elif damage == "gone":
        library.unlink()
    elif damage == "no manifest":
        manifest.unlink()
    else:
        manifest.write_bytes(manifest.read_bytes()[:100])
    assert told(tree, "-c", FORM).startswith("pure Python: ")
    assert told(tree, "-c", "import loadkit.chat.session as s; print(s.__file__)").endswith(".py")


def test_without_a_compiler_the_build_goes_on_and_says_so_in_a_line(tree: Path) -> None:
    shutil.rmtree(tree / "loadkit" / "_compiled", ignore_errors=True)
    said = told(tree, "hatch_build.py", CC="no-such-compiler")
    assert said == (
        "loadkit is not compiled, and slower: there is no C compiler (no-such-compiler)"
    )
    assert told(tree, "-c", FORM) == "pure Python: nothing is compiled for this Python"
