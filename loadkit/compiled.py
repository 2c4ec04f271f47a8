"""Whether the modules of the hot path run as C, made of them by mypyc, or as the Python they are.

What was compiled lies in a folder of its own, one for each kind of Python, beside the digests of
all sources that went into it. It runs if none of these has changed since, so that nobody who edits
a module runs what it was before; else the Python runs, which does the same and is slower.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

SWITCH: Final = "LOADKIT_PURE"
"""The variable of the environment that has the Python run, and nothing compiled, if it is set."""

PACKAGE: Final = Path(__file__).parent
SUFFIX: Final = EXTENSION_SUFFIXES[0]
FOLDER: Final = PACKAGE / "_compiled" / SUFFIX.split(".")[1]
MANIFEST: Final = "manifest.json"
LIBRARY: Final = "loadkit__mypyc"
"""The module that holds the code of all; the others are doors into it."""

why_not = "not asked yet"
"""Why the Python runs; empty where the compiled modules do."""


class CompiledFinder(MetaPathFinder):
    """Finds the compiled modules, by name, in `FOLDER`."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See `MetaPathFinder`."""
        if name not in self._names:
            return None
        file = str(FOLDER / f"{name}{SUFFIX}")
        return spec_from_file_location(name, file, loader=ExtensionFileLoader(name, file))


def digest(source: bytes) -> str:
    """What a source is known by again."""
    return hashlib.sha256(source).hexdigest()[:16]


def changed(sources: Mapping[str, str]) -> str | None:
    """The first of the sources, by path in the package, that has not its digest any more."""
    for path, known in sources.items():
        try:
            if digest((PACKAGE / path).read_bytes()) != known:
                return path
        except OSError:
            return path
    return None


def begin() -> None:
    """Choose, once, before any of them is imported."""
    global why_not
    why_not = _choose()


def _choose() -> str:
    if os.environ.get(SWITCH):
        return f"{SWITCH} is set"
    if not (FOLDER / MANIFEST).is_file():
        return "nothing is compiled for this Python"
    try:
        manifest = json.loads((FOLDER / MANIFEST).read_bytes())
        names, sources = manifest["modules"], manifest["sources"]
        path = changed(sources)
        if path is not None:
            return f"{path} has changed since it was compiled"
        for name, size in names.items():  # half a file is mapped and run all the same
            if size != (FOLDER / f"{name}{SUFFIX}").stat().st_size:
                return f"what was compiled is damaged: {name}"
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return f"what was compiled cannot be read: {error!r}"
    finder = CompiledFinder(names)
    sys.meta_path.insert(0, finder)
    try:
        __import__(LIBRARY)
    except ImportError as error:  # made for another system
        sys.meta_path.remove(finder)
        return f"what was compiled cannot be loaded: {error}"
    return ""


def form() -> str:
    """What runs, in a few words."""
    return f"pure Python: {why_not}" if why_not else "compiled"
