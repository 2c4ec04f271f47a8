"""A folder of results, whatever was done to its files: it is reported, or what is wrong is told."""

import io
import random
import shutil
from contextlib import suppress
from functools import cache
from pathlib import Path

from hypothesis import strategies as st
from rich.console import Console

from fuzz.target import Target, scratch
from loadkit.capacity import document
from loadkit.errors import UsageError
from loadkit.report.terminal import render
from loadkit.results.rebuild import needed, rebuild
from loadkit.results.run_folder import load_examples, load_summary
from loadkit.stats.distribution import Distribution
from tests.hostile.mutations import KINDS, make, mutate
from tests.hostile.trial import quick


@cache
def _whole() -> tuple[Path, dict[str, Path]]:
    """A place to work in, and whole folders."""
    place = scratch()
    return place, {kind: make(kind, place / kind) for kind in KINDS}


_whole()  # at once: it takes longer than an input may


def check(data: bytes) -> None:
    """Of a folder that the bytes mutate, of a file that they are, or of a histogram's text."""
    what, rest = data[:1], data[1:]
    if what == b"h":
        with suppress(ValueError):
            Distribution.decode(rest.decode("latin-1"))
        return
    files = {b"s": "summary.json", b"c": "capacity.json", b"j": "journal.jsonl"}
    kind = {b"s": "finished", b"c": "capacity", b"j": "killed"}.get(what, KINDS[len(rest) % 3])
    place, whole = _whole()
    folder = place / "run"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole[kind], folder)
    if what in files:
        (folder / files[what]).write_bytes(rest)
    else:
        mutate(folder, random.Random(rest))
    with quick():
        _reported(folder)


def _reported(folder: Path) -> None:
    """As `loadkit report` does."""
    left_out: list[str] = []
    console = Console(file=io.StringIO(), width=80)
    try:
        if needed(folder):
            rebuild(folder, left_out)
        if (folder / document.FILE).is_file():
            found = document.load(folder, left_out)
            assert document.exit_code(found) in (0, 1, 3)
            document.render(found, console)
        else:
            summary = load_summary(folder, left_out)
            assert summary.verdict.exit_code in (0, 1, 2, 3, 70)
            render(summary, console, load_examples(folder, left_out))
    except UsageError as error:
        left_out.append(str(error))
    assert all(left_out)
    assert not (folder / "outside").exists(), "it writes through a link"


HISTOGRAM = "HISTFAAAAB542pNpmSzMwMDAxAABzFCaEUzOmNZg/wEiwAQAKwQCkQ=="
TARGET = Target(
    name="folders",
    check=check,
    inputs=st.one_of(
        st.binary(min_size=1, max_size=12).map(lambda seed: b"m" + seed),
        st.builds(
            bytes.__add__, st.sampled_from([b"h", b"s", b"c", b"j"]), st.binary(max_size=400)
        ),
    ),
    seeds=(b"m0", b"m1", b"m22", b"m333", b"h" + HISTOGRAM.encode()),
    words=(b'{"schema": "loadkit.summary/1", ', b'{"head": ', b"HISTFAAAA"),
)
