"""What is fuzzed: a check that takes bytes, whoever made them."""

import atexit
import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from hypothesis import strategies as st

CASES = Path(__file__).parent / "cases"
"""A folder for each target: the input of every fault that was found, a file each."""


@dataclass(frozen=True)
class Target:
    """A reader of foreign input, and what must hold whatever it is given."""

    name: str  # of its folder of cases, too
    check: Callable[[bytes], object]  # raises anything at all where something does not hold
    # for hypothesis: bytes that have a form to begin with
    inputs: st.SearchStrategy[bytes] = field(default_factory=lambda: st.binary(max_size=400))
    seeds: tuple[bytes, ...] = (b"",)  # for atheris, which makes its inputs of them
    words: tuple[bytes, ...] = ()  # for atheris, too: what it would hardly hit upon by chance


def cases_of(name: str, folder: Path = CASES) -> Iterator[Path]:
    """The cases that are kept of a target, in a fixed order."""
    return iter(sorted(path for path in (folder / name).glob("*") if path.is_file()))


def keep(name: str, data: bytes, folder: Path = CASES) -> Path:
    """Keep an input as a case; the same input is the same file."""
    path = folder / name / hashlib.sha256(data).hexdigest()[:12]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def told_well(mistakes: Sequence[str], data: bytes) -> None:
    """Whoever gave this is told of a mistake, and not at any length."""
    assert mistakes
    assert sum(map(len, mistakes)) < 5000 + 50 * len(data), "it tells too much"


def scratch() -> Path:
    """Make a folder that goes away with this process."""
    memory = Path("/dev/shm")
    folder = Path(mkdtemp(prefix="loadkit-fuzz-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
