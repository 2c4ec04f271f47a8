"""Damaged folders of results: what is wrong is told with its place, what is well is reported.

A seed that once broke something is a row of `CASES` in words, since what a seed does changes with
`hostile.mutations`.
"""

import base64
import json
import os
import re
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from loadkit.results.run_folder import load_summary
from tests.hostile.memory import grows_less_than
from tests.hostile.mutations import KINDS, SPARSE, make
from tests.hostile.trial import COMMANDS, Outcome, Trials, quick, tried

MOST_MEMORY = 200e6  # bytes that one command takes
SEEDS = 60
ALL_SEEDS = 100_000
MOST_MB = 500  # of the process


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("whole")
    return {kind: make(kind, place / kind) for kind in KINDS}


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    with quick():
        yield


@pytest.mark.parametrize(
    ("kind", "command", "code"),
    [
        ("killed", "status", 1),
        ("killed", "report", 3),
        ("finished", "status", 0),
        ("finished", "report", 3),
        ("capacity", "report", 1),
        ("capacity", "plan", 0),
        ("capacity", "resume", 0),
    ],
)
def test_whole_folders_are_read_as_what_they_are(
    whole: dict[str, Path], tmp_path: Path, kind: str, command: str, code: int
) -> None:
    """Else damaged ones would say nothing."""
    found = tried(command, shutil.copytree(whole[kind], tmp_path / "run"))
    assert (found.code, found.said, found.flaw) == (code, "", "")


# --- the table ------------------------------------------------------------------------------------

Change = Callable[[Path], None]


class Case(NamedTuple):
    """A folder, what is done to it, and what its report says; it exits with 2."""

    name: str
    kind: str
    change: Change
    words: tuple[str, ...]
    command: str = "report"


def value(name: str, where: str, raw: str) -> Change:
    """Put something in the place of a value of a file of JSON, as it is."""

    def change(folder: Path) -> None:
        path = folder / name
        data = json.loads(path.read_text())
        *inner, last = where.split(".")
        within = data
        for key in inner:
            within = within[int(key) if isinstance(within, list) else key]
        within[last] = "put-it-here"
        path.write_text(json.dumps(data).replace('"put-it-here"', raw))

    return change


def line(begins: str, edit: Callable[[dict[str, Any]], object], last: bool = False) -> Change:
    """Edit the first line of the journal that begins so, or the last."""

    def change(folder: Path) -> None:
        path = folder / "journal.jsonl"
        lines = path.read_text().splitlines()
        found = [at for at, text in enumerate(lines) if text.startswith(f'{{"{begins}":')]
        at = found[-1 if last else 0]
        data = json.loads(lines[at])
        edit(data[begins])
        lines[at] = json.dumps(data, separators=(",", ":"))
        path.write_text("\n".join(lines) + "\n")

    return change


def text(name: str, old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        content = (folder / name).read_text()
        assert old in content
        (folder / name).write_text(content.replace(old, new, 1))

    return change


def histogram(edit: Callable[[bytearray], bytes]) -> Change:
    """Edit what is inside of the first histogram of `latency.hlog`."""

    def change(folder: Path) -> None:
        path = folder / "latency.hlog"
        lines = path.read_text().splitlines()
        at = next(at for at, one in enumerate(lines) if one.startswith("Tag="))
        head, old = lines[at].rsplit(",", 1)
        packed = zlib.compress(edit(bytearray(zlib.decompress(base64.b64decode(old)[8:]))))
        whole = struct.pack(">II", 0x1C849314, len(packed)) + packed
        lines[at] = f"{head},{base64.b64encode(whole).decode()}"
        path.write_text("\n".join(lines) + "\n")

    return change


def instead(name: str, put: Callable[[Path], object]) -> Change:
    """Something else in the place of a file."""

    def change(folder: Path) -> None:
        (folder / name).unlink()
        put(folder / name)

    return change


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, SPARSE)


def both(*changes: Change) -> Change:
    def change(folder: Path) -> None:
        for each in changes:
            each(folder)

    return change


def many_phases(interval: dict[str, Any]) -> None:
    tally = next(iter(interval["of"]["latency"].values()))
    interval["of"]["latency"] = {f"phase{n}": tally for n in range(5_000)}


EDITS = {
    "verdict.exit_code": ("NaN", "0.5", "0", "99", "null", '"3"', "true", "-1", "9" * 5_000),
    "verdict.slo": ('"held"', "0"),
    "verdict.validity": ('"certain"',),
    "verdict.reasons": ("[]", '"one"', "[1]"),
    "verdict.reasons_detail": ("[]", "[3]", '[{"kind": "odd", "text": "a", "remedy": ""}]'),
    "verdict": ("null", "[]", "3"),
    "schema": ('"loadkit.summary/9"', "null"),
    "started_at": ('"yesterday"', '"0001-01-01T00:00:00Z"', "1e9"),
    "duration_s": ("1e308", "Infinity", "-1", "[" * 5_000 + "]" * 5_000),
    "sessions.ended": ("[]", '{"user_end": "3"}'),
    "turns.sent": ("null", "1e400", '"\\ud800"'),
    "latency_ms.response": ("{}", "null", '{"count": 3}'),
    "latency_ms.response.p95": ("NaN", '"fast"'),
    "slo": ('[{"metric": "no.such", "limit": 1, "actual": 1, "pass": true}]', "{}"),
    "errors": ('{"a": -1}', '{"a": 1e30}', "[]"),
    "generator.workers": ("-1", "0.5"),
    "generator.cpu_percent": ('{"p50": 1}', "3"),
    "profile": ('"' + "x" * 10_000_000 + '"', "[]"),
}
"""Of `summary.json`: what no report can do without."""

SPARED = {
    "drift.figures.memory.drifts": ('"much"',),
    "incidents.0.begin_s": ("1e300",),
    "load.points": ("[[0, 0, 1, 1]]",),
    "user_classes.HandoffChat.turns": ("null",),
    "throughput": ("[1]",),
    "load": ("null",),
    "drift": ('{"figures": {}}',),
}
"""Likewise: what a report can do without."""

NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "of 100 GB": (sparse, "is larger than"),
    "is a pipe": (os.mkfifo, "is a pipe"),
    "is a folder": (Path.mkdir, "is a folder"),
    "is a link to itself": (lambda path: path.symlink_to(path.name), "cannot be read"),
    "is a device": (lambda path: path.symlink_to("/dev/zero"), "is a device"),
}
"""What stands in the place of a file, and how that is told."""

CASES = [
    *(
        Case(
            f"{where}={raw[:12]}-{len(raw)}",
            "finished",
            value("summary.json", where, raw),
            ("summary.json", "summary.md beside it says what the run came to"),
        )
        for where, every in EDITS.items()
        for raw in every
    ),
    Case(
        "summary cut",
        "finished",
        lambda folder: os.truncate(folder / "summary.json", 2_000),
        ("summary.json is not JSON", "was it cut short"),
    ),
    *(
        Case(f"{name} {what}", kind, instead(name, put), (name, words), command)
        for name, kind, commands in (
            ("summary.json", "finished", ("report",)),
            ("journal.jsonl", "killed", ("report", "status")),
        )
        for what, (put, words) in NO_FILES.items()
        for command in commands
    ),
    Case(
        "summary beside a journal",
        "killed",
        lambda folder: (folder / "summary.json").write_text("{}") and None,
        ("its schema is None", "delete summary.json", "makes it anew from journal.jsonl"),
    ),
    Case(
        "examples that are none",
        "finished",
        value("run.json", "examples", "[1]"),
        ("run.json", "examples: should be", "left out: the examples"),
    ),
    Case(
        "capacity with an unknown verdict",
        "capacity",
        value("capacity.json", "capacity.verdict", '"huge"'),
        ("capacity.json", "capacity.verdict: should be"),
    ),
    Case(
        "a law without its warnings",
        "capacity",
        value("capacity.json", "model_fit.law", "{}"),
        ("model_fit.law.rate is missing", "left out"),
    ),
    Case(
        "capacity with endless steps",
        "capacity",
        value("capacity.json", "steps.0.load", "1e308"),
        ("steps.0.load: should be less",),
        "resume",
    ),
    Case(
        "a search at no pace",
        "capacity",
        value("capacity.json", "subject.profile.conversation.time_scale", "0"),
        ("time_scale should be a number above 0",),
        "plan",
    ),
    Case(
        "a row that is closed already",  # report never ended, and took 4.8 GB
        "killed",
        line("state", lambda of: of["books"]["concurrency"].update(highest=-1)),
        ("journal.jsonl", "line 3: books.concurrency.highest", "from a copy"),
    ),
    *(
        Case(
            f"{kind} in a thousand years",
            "killed",
            line(kind, lambda of: of.update(at=3e8), last=True),
            ("journal.jsonl: line", "rows after the one before", "left out"),
        )
        for kind in ("interval", "tick")
    ),
    Case(
        "an interval that lasts a century",
        "killed",
        line("interval", lambda of: of["of"].update({"from": -3e9}), last=True),
        ("lasts 3,0",),
    ),
    Case(
        "thousands of phases",
        "killed",
        line("interval", many_phases, last=True),
        ("no phase is called so",),
    ),
    Case(
        "a value of no bucket",
        "killed",
        line("interval", lambda of: of["of"]["latency"]["response"].update(counts=[10**9, 1])),
        ("1000000000 is the value of no bucket",),
    ),
    Case(
        "counts that fill the memory",
        "killed",
        line("interval", lambda of: of["of"]["waiting"].update(latency={"response": [5, 10**12]})),
        ("how often should be from 0",),
    ),
    Case(
        "a load of a thousand years",
        "killed",
        line("known", lambda of: of["load"]["stages"][0].update(duration=1e300)),
        ("line 2: load", "1e+300", "take it from a copy"),
    ),
    Case(
        "a journal of a later version",
        "killed",
        text("journal.jsonl", "loadkit.journal/2", "loadkit.journal/9"),
        ("journal.jsonl is no journal of this version", "does not begin as loadkit.journal/2"),
    ),
    Case(
        "a row of the timeline without an end",
        "killed",
        text("timeline.csv", "\n0,1,", "\n0,inf,"),
        ("timeline.csv is damaged", "line 2: length_s is inf", "left out: drift"),
    ),
    Case(
        "a timeline with too few columns",
        "killed",
        text("timeline.csv", ",sessions,", ","),
        ("timeline.csv is damaged", "columns, not"),
    ),
    Case(
        "a timeline of 100 GB",
        "killed",
        instead("timeline.csv", sparse),
        ("timeline.csv", "is longer than", "it is left as it is", "left out: drift"),
    ),
    Case(
        "a timeline that leads elsewhere",
        "killed",
        instead("timeline.csv", lambda path: path.symlink_to(path.with_name("outside"))),
        ("timeline.csv", "nothing is written through a link", "left as it is"),
    ),
    Case(
        "a histogram that unpacks to 20 MB",
        "killed",
        histogram(lambda plain: plain + bytes(20_000_000)),
        ("latency.hlog is damaged", "line 6: not an HdrHistogram", "longer than a histogram"),
    ),
    Case(
        "a histogram of other values",
        "killed",
        histogram(lambda plain: plain[:12] + struct.pack(">I", 5) + plain[16:]),
        ("line 6: not an HdrHistogram: it is a histogram of another kind",),
    ),
    Case(
        "a histogram of no phase",
        "killed",
        text("latency.hlog", "Tag=response", "Tag=reesponse"),
        ("latency.hlog is damaged", "has a Tag=reesponse"),
    ),
    Case(
        "a histogram of no time",
        "killed",
        text("latency.hlog", "Tag=response,0.000", "Tag=response,nan"),
        ("latency.hlog is damaged", "begins at nan"),
    ),
]


def within_bounds(command: str, folder: Path) -> Outcome:
    with grows_less_than(MOST_MEMORY):
        return tried(command, folder)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_wrong_is_told_with_its_place(
    whole: dict[str, Path], tmp_path: Path, case: Case
) -> None:
    """It is exit code 2, without a traceback, in bounded time and memory."""
    folder = shutil.copytree(whole[case.kind], tmp_path / "run")
    case.change(folder)
    found = within_bounds(case.command, folder)
    assert found.flaw == ""
    assert found.code == 2
    for words in case.words:
        assert words in found.said
    assert not (folder / "outside").exists()


@pytest.mark.parametrize(
    ("where", "raw"), [(where, raw) for where, every in SPARED.items() for raw in every]
)
def test_what_no_verdict_hangs_on_is_left_out_and_the_rest_is_shown(
    whole: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str, raw: str
) -> None:
    """With the verdict at the end; the exit code says that not all could be read."""
    from loadkit.cli import main

    folder = shutil.copytree(whole["finished"], tmp_path / "run")
    value("summary.json", where, raw)(folder)
    assert main(["report", str(folder)]) == 2
    told = capsys.readouterr()
    assert "INVALID" in told.out.splitlines()[-1]
    assert "not all of it could be read" in told.err
    assert f"left out: {where.partition('.')[0]}" in told.err


def test_a_damaged_line_costs_a_killed_run_what_that_line_told(
    whole: dict[str, Path], tmp_path: Path
) -> None:
    """The rest is in the results, which say so, and the journal is still there."""
    folder = shutil.copytree(whole["killed"], tmp_path / "run")
    path = folder / "journal.jsonl"
    lines = path.read_bytes().split(b"\n")
    at = max(n for n, one in enumerate(lines) if one.startswith(b'{"interval":'))
    lines[at] = lines[at].replace(b'"seq":', b'"seq"!')
    path.write_bytes(b"\n".join(lines))
    found = tried("report", folder)
    assert found.code == 2
    assert f"journal.jsonl: line {at + 1}: " in found.said
    summary = load_summary(folder)
    assert summary.cut is not None
    assert len(summary.cut.left_out) == 1
    assert any("less 1 damaged part" in reason.text for reason in summary.verdict.reasons)
    assert path.exists()
    again = tried("report", folder)
    assert (again.code, again.said) == (3, "")


def test_a_number_of_reports_that_never_came_takes_no_room(
    whole: dict[str, Path], tmp_path: Path
) -> None:
    """They are counted; one changed digit made a list of them, of gigabytes."""
    folder = shutil.copytree(whole["killed"], tmp_path / "run")
    line("interval", lambda of: of.update(seq=10**9), last=True)(folder)
    found = within_bounds("report", folder)
    assert (found.code, found.flaw) == (3, "")
    reasons = load_summary(folder).verdict.reasons
    assert any("999,999," in reason.text for reason in reasons), reasons


def test_many_mutated_folders(tmp_path: Path) -> None:
    """No traceback, no hang, no message without a word, and nothing is written elsewhere."""
    trials = Trials(tmp_path)
    trials.many(range(SEEDS))
    assert trials.flaws == []
    assert trials.tried == SEEDS
    assert {code for _, _, code in trials.codes} >= {0, 1, 2, 3}


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_all_mutated_folders(tmp_path: Path) -> None:
    """The same of very many, in a process that never takes more than so much."""
    trials = Trials(tmp_path)
    trials.many(range(SEEDS, SEEDS + ALL_SEEDS))
    assert trials.flaws == []
    assert trials.peak_mb < MOST_MB


DOCUMENTS = {"killed": "journal.jsonl", "finished": "summary.json", "capacity": "capacity.json"}


def places(data: Any) -> Iterator[tuple[Any, Any, str]]:
    """Each value within a document: who holds it, under what, and where that is."""
    keys = list(data) if isinstance(data, dict) else range(len(data))
    for key in keys:
        yield data, key, str(key)
        if isinstance(data[key], dict | list):
            yield from ((holder, at, f"{key}.{where}") for holder, at, where in places(data[key]))


PUT: tuple[Any, ...] = (None, [], {}, "", 0, -1, 1e14, True)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("kind", KINDS)
def test_each_value_is_checked_before_anything_is_made_of_it(
    whole: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    """Gone, or another one in its place: of each list the first, of each kind of line one."""
    name = DOCUMENTS[kind]
    text = (whole[kind] / name).read_text()
    lines = text.split("\n") if kind == "killed" else [text]
    seen, flaws, folder = set(), list[str](), tmp_path / "run"
    for at, one in enumerate(lines):
        for number in range(len(list(places(json.loads(one)))) if one else 0):
            for put in (..., *PUT):
                data = json.loads(one)
                holder, key, where = list(places(data))[number]
                once = (repr(put), re.sub(r"\.\d+", ".N", where))
                if once in seen:
                    continue
                seen.add(once)
                if put is ...:
                    del holder[key]
                else:
                    holder[key] = put
                told = [*lines[:at], json.dumps(data, separators=(",", ":")), *lines[at + 1 :]]
                for command in dict.fromkeys(COMMANDS[kind]):
                    shutil.copytree(whole[kind], folder)
                    (folder / name).write_text("\n".join(told))
                    if (found := tried(command, folder)).flaw:
                        flaws.append(f"{where} {put!r}, {command}: {found.flaw}\n{found.said}")
                    shutil.rmtree(folder)
    assert flaws == []
