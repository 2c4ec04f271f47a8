"""The wheel and the source distribution: what is in them, and that they run away from the tree."""

import getpass
import json
import os
import re
import socket
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from processes import ROOT, profile

from loadkit import __version__, compiled

pytestmark = pytest.mark.slow

RUBBISH = re.compile(
    r"(^|/)(__pycache__|dist|\.venv|\.git|\.hypothesis|\.\w+_cache|\.env)(/|$)"
    r"|^results/(?!README\.md$)"
    r"|\.(pyc|hlog|log|sqlite|pem|key|p12)$|^(?!loadkit/_compiled/).*\.so$"
)


def built(tree: Path, out: Path, *kinds: str) -> None:
    flags = [f"--target={kind}" for kind in kinds]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", out, *flags],
        cwd=tree,
        check=True,
        capture_output=True,
    )


def wheel_files(folder: Path) -> dict[str, bytes]:
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist()}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where both lie."""
    folder = tmp_path_factory.mktemp("packages")
    built(ROOT, folder, "sdist", "wheel")
    return folder


@pytest.fixture(scope="module")
def source(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    folder = tmp_path_factory.mktemp("source")
    (path,) = out.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    (tree,) = folder.iterdir()
    return tree


def test_the_wheel_has_the_package_and_what_it_reads(out: Path) -> None:
    """Every module and profile, the dialogues, the file that Locust runs; and nothing else."""
    found = set(wheel_files(out))
    modules = [path.relative_to(ROOT) for path in ROOT.glob("loadkit/**/*") if path.is_file()]
    meant = {str(path) for path in modules if "__pycache__" not in path.parts}
    meant |= {f"loadkit/profiles/{path.name}" for path in ROOT.glob("profiles/*.toml")}
    meant.add("loadkit/locustfile.py")
    about = f"loadkit-{__version__}.dist-info"
    meant |= {f"{about}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    assert found == meant


def test_the_source_has_what_it_takes_to_build_and_test(out: Path, source: Path) -> None:
    """The wheel that is built of it is the one that is built of the tree."""
    top = {path.name for path in source.iterdir()}
    assert top >= {"loadkit", "profiles", "tests", "docs", "Makefile", "requirements.txt"}
    assert "build" not in top
    built(source, source / "again", "wheel")
    assert wheel_files(source / "again") == wheel_files(out)


def test_neither_holds_rubbish_or_a_word_about_this_machine(out: Path, source: Path) -> None:
    """No cache, result or key; no path, name or user of where they were built."""
    files = wheel_files(out)
    files |= {
        str(path.relative_to(source)): path.read_bytes()
        for path in source.rglob("*")
        if path.is_file() and not {"again", "build"} & {*path.parts}  # made of it since
    }
    assert [name for name in files if RUBBISH.search(name)] == []
    here = [str(ROOT), str(Path.home()) + "/", socket.gethostname()]
    if getpass.getuser() != "root":
        here.append(getpass.getuser())
    told = [re.escape(word) for word in here if len(word) > 5]
    words = re.compile(rf"(?<![\w.-])({'|'.join(told)})(?![\w-])".encode())
    assert {name: found[0] for name, data in files.items() if (found := words.search(data))} == {}


def test_the_wheel_runs_outside_the_tree(out: Path, tmp_path: Path) -> None:
    """With its own profiles, simulator and locustfile, from an empty folder."""
    (path,) = out.glob("*.whl")
    site, away = tmp_path / "site", tmp_path / "away"
    away.mkdir()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", site, path], check=True, timeout=120)
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def loadkit(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "loadkit", *words]
        return subprocess.run(
            command, cwd=away, env=environment, capture_output=True, text=True, timeout=200
        )

    where = [sys.executable, "-c", "import loadkit; print(loadkit.__file__)"]
    told = subprocess.check_output(where, cwd=away, env=environment, text=True)
    assert told.startswith(str(site))
    form = "compiled" if compiled.FOLDER.is_dir() else "pure Python: nothing is compiled"
    assert loadkit("--version").stdout.startswith(f"loadkit {__version__} ({form}")
    names = [path.stem for path in ROOT.glob("profiles/*.toml")]
    assert sorted(re.findall(r"(?m)^([\w-]+)  ", loadkit("profiles").stdout)) == sorted(names)
    run = loadkit("run", str(profile(tmp_path, seconds=2, users=2)))
    assert run.returncode == 0, run.stdout + run.stderr
    (folder,) = away.glob("results/*")
    summary = json.loads(folder.joinpath("summary.json").read_text())
    assert summary["turns"]["answered"] > 0
