"""Compiles the modules of the hot path with mypyc: for hatchling as it builds, and for `make`.

Where that cannot be done, for want of a compiler above all, it says so in one line and the modules
stay Python. `loadkit/compiled.py` is what chooses between the two as loadkit starts.
"""

import ast
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from importlib.util import module_from_spec, spec_from_file_location
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT: Final = Path(__file__).parent
# By its path: loadkit itself would load what is to be made anew.
_SPEC: Final = spec_from_file_location("compiled", ROOT / "loadkit" / "compiled.py")
assert _SPEC is not None
assert _SPEC.loader is not None
compiled: Final = module_from_spec(_SPEC)
_SPEC.loader.exec_module(compiled)
FOLDER: Final[Path] = compiled.FOLDER

HOT: Final = (
    "protocol/[!_]*.py",
    "chat/[!_p]*.py",  # not the personas
    "chat/*/[!_]*.py",
    "net/websocket/flood_allowance.py",
    "net/websocket/frames.py",
    "net/websocket/link.py",
    "net/websocket/stream.py",
    "net/websocket/timestamps.py",
    "actions.py",
    "figures.py",
)
"""What is compiled: what runs for each frame, and what that is made of."""


def hot() -> list[str]:
    """Those modules, as paths in this folder."""
    found = {path for each in HOT for path in ROOT.joinpath("loadkit").glob(each)}
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def reached(paths: list[str]) -> set[str]:
    """They and every module of ours that they know, round a corner too."""
    seen: set[str] = set()
    todo = list(paths)
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for node in ast.walk(ast.parse(ROOT.joinpath(path).read_bytes())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            for name in names:
                if name.split(".")[0] == "loadkit":
                    base = name.replace(".", "/")
                    found = (f"{base}.py", f"{base}/__init__.py")
                    todo += [each for each in found if ROOT.joinpath(each).is_file()]
    return seen


def unable() -> str:
    """Why C cannot be compiled here, found out with a line of it; empty if it can."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "")
    if not compiler or not shutil.which(compiler[0]):
        return f"there is no C compiler ({compiler[0] if compiler else 'CC'})"
    command = [*compiler, f"-I{sysconfig.get_path('include')}", "-fsyntax-only", "-x", "c", "-"]
    run = subprocess.run(command, input=b"#include <Python.h>\n", capture_output=True)
    return "" if run.returncode == 0 else f"{compiler[0]} does not find the headers of Python"


def maker() -> str:
    """What the result rests on besides the sources."""
    try:
        mypy = version("mypy")
    except PackageNotFoundError:
        mypy = ""
    return compiled.digest(Path(__file__).read_bytes() + mypy.encode())


def up_to_date(sources: set[str]) -> bool:
    """Whether what lies there was made of these sources, as they are now."""
    try:
        manifest = json.loads((FOLDER / compiled.MANIFEST).read_bytes())
        by, known = manifest["by"], manifest["sources"]
    except (OSError, ValueError, KeyError):
        return False
    return (
        by == maker() and known.keys() == set(map(within, sources)) and not compiled.changed(known)
    )


def within(path: str) -> str:
    """A path in this folder, as one in the package."""
    return path.removeprefix("loadkit/")


def compile_hot() -> str:
    """Compile them, unless it is done; return why that cannot be, or nothing."""
    if os.environ.get(compiled.SWITCH):
        return f"{compiled.SWITCH} is set"
    sources = reached(hot())
    if up_to_date(sources):
        return ""
    why_not = unable()
    if why_not:
        return why_not
    work = ROOT / "build" / FOLDER.name
    work.mkdir(parents=True, exist_ok=True)
    # Before it begins: what is edited meanwhile counts as changed.
    digests = {
        within(path): compiled.digest((ROOT / path).read_bytes()) for path in sorted(sources)
    }
    command = [sys.executable, __file__, "in-this-process", str(work)]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    (work / "log").write_bytes(run.stdout)
    if run.returncode:
        lines = [line for line in run.stdout.decode(errors="replace").splitlines() if line.strip()]
        return f"{lines[-1] if lines else 'it broke off'} (all of it: build/{FOLDER.name}/log)"
    fresh = FOLDER.with_name(f"{FOLDER.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    sizes = {}
    for path in sorted(work.joinpath("lib").rglob(f"*{compiled.SUFFIX}")):
        name = ".".join(path.relative_to(work / "lib").parts).removesuffix(compiled.SUFFIX)
        shutil.copy2(path, fresh / f"{name}{compiled.SUFFIX}")
        sizes[name] = path.stat().st_size
    manifest = {"by": maker(), "modules": sizes, "sources": digests}
    (fresh / compiled.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    shutil.rmtree(FOLDER, ignore_errors=True)
    fresh.rename(FOLDER)
    return ""


def build(work: Path) -> None:
    """Compile them into a folder, in this process; what its C has not changed for is kept."""
    from mypyc.build import mypycify  # not needed where nothing is compiled
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    class Build(build_ext):
        """One that compiles several files at once, and only those that have changed."""

        def build_extension(self, ext: Extension) -> None:
            """See `build_ext`."""
            headers = [Path(each) for each in ext.depends if Path(each).is_file()]
            newest = max((each.stat().st_mtime for each in headers), default=0.0)

            def made(source: str) -> str:
                (name,) = self.compiler.object_filenames([source], output_dir=self.build_temp)
                known = Path(name)
                if not known.is_file() or known.stat().st_mtime <= max(
                    newest, Path(source).stat().st_mtime
                ):
                    self.compiler.compile(
                        [source],
                        output_dir=self.build_temp,
                        include_dirs=ext.include_dirs,
                        extra_postargs=ext.extra_compile_args,
                    )
                return name

            with ThreadPool(os.cpu_count()) as pool:
                ext.extra_objects = pool.map(made, ext.sources, chunksize=1)
            ext.sources = []
            # Where the libraries of this machine's Python lie is of no use on another one.
            linker = self.compiler.linker_so
            linker[:] = [word for word in linker if not word.startswith(("-L", "-Wl,-rpath"))]
            super().build_extension(ext)

    paths = hot()
    names = ",".join(path.removesuffix(".py").replace("/", ".") for path in paths)
    config = work / "mypy.ini"
    # Of other packages nothing is known, whether they are here or not: the result is the same. But
    # a class of C that has a base which it does not know overwrites its memory.
    config.write_text(
        "[mypy]\nno_site_packages = true\nignore_missing_imports = true\n"
        f"[mypy-{names}]\ndisallow_subclassing_any = true\n"
    )
    options = [f"--config-file={config}", f"--cache-dir={work / 'mypy'}"]
    extensions = mypycify(
        [*options, *paths],
        only_compile_paths=paths,
        opt_level="2",
        debug_level="0",
        multi_file=True,
        target_dir=str(work / "c"),
        group_name="loadkit",
    )
    shutil.rmtree(work / "lib", ignore_errors=True)
    command = Build(Distribution({"name": "loadkit", "ext_modules": extensions}))
    command.build_lib, command.build_temp = str(work / "lib"), str(work / "objects")
    command.ensure_finalized()
    command.run()


class CustomBuildHook(BuildHookInterface[Any]):
    """What hatchling calls."""

    def dependencies(self) -> list[str]:
        """See `BuildHookInterface`; a test holds the version of mypy to that of the tests."""
        return [] if os.environ.get(compiled.SWITCH) or unable() else ["mypy==2.4.1", "setuptools"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See `BuildHookInterface`; the version is `editable` where this folder is installed."""
        why_not = compile_hot()
        if why_not:
            self.app.display_warning(f"loadkit is not compiled, and slower: {why_not}")
        elif version != "editable":
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            build_data["force_include"][str(FOLDER)] = f"loadkit/_compiled/{FOLDER.name}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["in-this-process"]:
        build(Path(sys.argv[2]))
    elif told := compile_hot():
        print(f"loadkit is not compiled, and slower: {told}")
