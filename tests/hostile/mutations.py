"""Folders of results that were damaged: whole ones, made by hand, and what is done to their files.

All of it hangs on one seed: `mutate(folder, Random(seed))` does the same to the same folder.
"""

import base64
import json
import os
import random
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from loadkit.capacity.document import completed, save
from loadkit.results.journal import JOURNAL
from loadkit.results.rebuild import rebuild
from loadkit.results.run_folder import write
from loadkit.results.series import HISTOGRAMS, TIMELINE
from loadkit.soak.run_analysis import RunAnalysis
from loadkit.verdict.summary import Summary, summarise
from tests.results.master import SPEC, Hand, Master

KINDS: Final = ("killed", "finished", "capacity")
"""What folders there are: of a run that was killed, of one that ended, of a capacity search."""

SPARSE: Final = 100 * 1024**3


# --- whole ones -----------------------------------------------------------------------------------


def make(kind: str, folder: Path) -> Path:
    """Make a whole folder, as a run leaves it."""
    folder.mkdir()
    master = _run(folder, seconds=8 if kind == "killed" else 12)
    if kind == "killed":
        return folder
    rebuild(folder, [])
    for name in (TIMELINE, HISTOGRAMS):  # nobody reads them again
        (folder / name).unlink()
    if kind == "capacity":
        save(folder, completed(_search()))
        return folder
    examples = {"errors.unanswered": "no [answer] | in 60 s", "violations.gap": "4 after 2"}
    write(folder, _summary(master), {"target": SPEC.target}, examples, master.ledger.evidence)
    return folder


def _run(folder: Path, seconds: int) -> Master:
    """Two workers, as far as the files go; the journal begins anew in its midst."""
    master, hands, chance = Master(folder), [Hand(), Hand()], random.Random(3)
    for second in range(1, seconds):
        for which, hand in enumerate(hands):
            seq, interval = hand.report(second - 0.1 + which / 20, chance.lognormvariate(-1, 0.8))
            if which == 0:
                scoped = hand.recorder.scoped("CompleteChat")
                scoped.session_started()
            master.add(f"w{which}", seq, interval, second - 0.05)
        if second == seconds // 2:
            master.journal._renew_at = 0
        master.tick(float(second))
    master.kill()
    return master


def _summary(master: Master) -> Summary:
    """With all that a summary may have: what a short run cannot find is written by hand."""
    facts = replace(
        master.facts(),
        duration_s=300.0,
        asked_sessions=9,
        own_code={"ZeroDivisionError: division by zero": "Traceback …\n  line 3"},
    )
    summary = summarise(master.ledger, SPEC, facts, RunAnalysis())
    figure = {
        "unit": "ms",
        "typical": 300.0,
        "per_hour": 9.0,
        "percent_per_hour": 3.1,
        "interval": [2.6, 3.7],
        "p": 0.001,
        "drifts": "line",
        "at_s": None,
        "moved": 3.1,
        "moved_interval": [2.6, 3.7],
        "before": 290.0,
        "after": 310.0,
        "first": 291.0,
        "last": 309.0,
        "change": 6.2,
        "change_interval": [5.0, 7.0],
        "visible": 1.0,
        "windows": 40,
    }
    drift = {
        "from_s": 10.0,
        "to_s": 290.0,
        "window_s": 7.0,
        "windows": 40,
        "figures": {
            "response.p95": figure,
            "throughput": figure | {"unit": "/s", "drifts": "step", "at_s": 100.0},
            "memory": figure | {"unit": "MB", "drifts": "no", "moved": None},
        },
        "ages": [
            {"from_s": 0, "to_s": 15, "count": 90, "p50": 300.0, "p95": 800.0},
            {"from_s": 15, "to_s": None, "count": 90, "p50": 310.0, "p95": 900.0},
        ],
        "by_age": "rises",
    }
    incident = {
        "begin_s": 50.0,
        "end_s": 61.5,
        "causes": {"connection_lost": 9, "disconnected": 3},
        "refused_with": {"503": 2},
        "without_answers_s": 4.0,
        "slow_responses": 12,
        "slow_over_ms": 900.0,
        "workers_gone": ["w1"],
        "sessions": {"before": 8, "lowest": 3, "lost": 1},
        "turns_lost": 2,
        "shortfall_session_s": 30.0,
        "load_back_s": 14.0,
        "response_p95_before_ms": 800.0,
        "response_back_s": None,
    }
    had = {
        "sessions": {"started": 4, "failed": 1},
        "turns": {"sent": 9, "answered": 8, "lost": 1, "open": 0},
        "errors": 1,
        "violations": 0,
        "latency_ms": {"response": dict(summary.latency_ms["response"])},
    }
    return Summary.from_dict(
        summary.to_dict()
        | {
            "drift": drift,
            "incidents": [incident, incident | {"begin_s": 200.0, "end_s": None}],
            "incidents_unlisted": 1,
            "user_classes": {"CompleteChat": had, "HandoffChat": had},
            "load": {"model": "closed", "points": [[n, 1.0, 8.0, 7.5] for n in range(120)]},
            "notes": ["certificates were not verified"],
        }
    )


def _search() -> dict[str, Any]:
    def step(number: int, load: float, verdict: str) -> dict[str, Any]:
        stats = {"count": 900, "min": 9.0, "mean": 320.0, "p50": 300.0 + load, "p90": 700.0}
        stats |= {"p95": 812.0 + load, "p99": 900.0, "p999": 950.0, "max": 990.0}
        line = {"metric": "response.p95", "limit": 2500.0, "actual": 812.0, "pass": True}
        line |= {"status": "fail" if verdict == "broken" else "pass", "samples": 900, "needed": 59}
        return {
            "number": number,
            "kind": "probe",
            "load": load,
            "outcome": {
                "load": load,
                "verdict": verdict,
                "margin": 0.3,
                "margins": [0.2, 0.4],
                "settled": True,
                "seconds": 60.0,
                "why": "response p95 812 ms",
            },
            "began_s": 60.0 * number,
            "measured_from_s": 60.0 * number + 10,
            "measured_to_s": 60.0 * number + 50,
            "delivered": {
                "concurrent": load,
                "sessions_per_second": 1.0,
                "turns_per_second": round(load / (1 + 0.02 * (load - 1)), 3),
            },
            "latency_ms": {"response": stats},
            "counts": {"turns.sent": 900},
            "slo": [line],
            "validity": {"level": "valid", "reasons": []},
            "generator": {"loop_lag_ms": stats},
        }

    loads = (100.0, 200.0, 400.0, 800.0)
    return {
        "schema": "loadkit.capacity/1",
        "profile": "shop",
        "model": "closed",
        "own_load": 100,
        "slo": [{"metric": "response.p95", "limit": 2500.0}],
        "settings": {"start": 100.0},
        "capacity": {
            "verdict": "out_of_budget",  # which can be gone on with
            "load": 400.0,
            "low": 398.0,
            "high": 421.0,
            "confirmed": False,
            "limit": "budget",
            "flips": None,
            "steps": 5,
            "seconds": 900.0,
            "notes": ["a note"],
        },
        "steps": [
            step(number, load, "broken" if load == 800 else "held")
            for number, load in enumerate(loads, start=1)
        ],
        "target": "http://127.0.0.1:8100",
        "notes": [],
        "started_at": "2026-11-22T15:06:54Z",
        "duration_s": 900.0,
        "subject": {"profile": {"conversation": {"time_scale": 0.5}}},
    }


# --- what is done to them -------------------------------------------------------------------------

Chance = random.Random
Change = Callable[[Path, Chance], str]

RAW: Final = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e308",
    "9" * 5_000,
    "[" * 5_000 + "]" * 5_000,
    '{"a":' * 200 + "1" + "}" * 200,
    '"\\ud800"',
    '"\\u0000\\u001b[31m\\u202e"',
    "0x10",
    "",
    "{",
)
"""What stands in the place of a value as it is, be it JSON or not."""

VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    -0.0,
    0.5,
    1e-308,
    1e15,
    1e308,
    2**31,
    2**32,
    2**53,
    2**63 - 1,
    2**63,
    10**9,
    10**18,
    10**30,
    -(10**18),
    "",
    "nan",
    "no",
    "1e5",
    "x" * 300,
    "x" * 300_000,
    "\x1b]0;title\x07\r\n::error::",
    "2026-11-22T15:06:54Z",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+23:59",
    [],
    {},
    [[]],
    {"": ""},
    [0, 0],
    [1, 2, 3],
    list(range(3_000)),
    {str(n): n for n in range(1_200)},
)


def mutate(folder: Path, chance: Chance) -> str:
    """Change one file of a folder, or several; tells what was done."""
    done = [_change(folder, chance)]
    while chance.random() < 0.2:
        done.append(_change(folder, chance))
    return "; ".join(done)


def _change(folder: Path, chance: Chance) -> str:
    """Mostly those files that are read again."""
    names = sorted(path.name for path in folder.iterdir())
    read = [name for name in names if name in (JOURNAL, TIMELINE, HISTOGRAMS)]
    if JOURNAL not in names:
        read = [name for name in names if name in ("summary.json", "capacity.json", "run.json")]
    path = folder / chance.choice(read if read and chance.random() < 0.97 else names or ["new"])
    if not path.is_file() or path.is_symlink() or path.stat().st_size > 50_000_000:
        return f"{path.name} again as it is"
    changes: tuple[tuple[int, Change], ...] = (
        (8, _json),
        (6, _bytes),
        (3, _lines),
        (1, _file),
        (4 if path.name.endswith(".csv") else 0, _cells),
        (4 if path.name == HISTOGRAMS else 0, _histogram),
    )
    (change,) = chance.choices([one for _, one in changes], [weight for weight, _ in changes])
    return f"{path.name}: {change(path, chance)}"


def _json(path: Path, chance: Chance) -> str:
    """A value somewhere in a document, or in a line of one."""
    text = path.read_bytes()
    lines = text.split(b"\n") if path.suffix == ".jsonl" else [text]
    at = chance.randrange(len(lines))
    try:
        data = json.loads(lines[at])
    except (ValueError, RecursionError):
        return _bytes(path, chance)
    holder, key, where = _place(data, chance)
    raw = chance.choice(RAW)
    what, mark = _put(holder, key, chance)
    told = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    lines[at] = told.replace(f'"{mark}"', raw).encode("utf-8", "surrogatepass")
    path.write_bytes(b"\n".join(lines))
    return f"line {at + 1}, {where}: {raw[:20] if what == 'raw' else what}"


def _place(data: Any, chance: Chance) -> tuple[Any, Any, str]:
    """Somewhere in a tree: who holds the value, under what, and where that is."""
    box = {"": data}
    holder, key, where = box, "", []
    while True:
        value = holder[key]
        deeper = isinstance(value, dict | list) and value and chance.random() < 0.85
        if not deeper:
            return holder, key, ".".join(map(str, where)) or "all"
        holder = value
        key = (
            chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
        )
        where.append(key)


def _put(holder: Any, key: Any, chance: Chance) -> tuple[str, str]:
    """Put something else there."""
    mark = "put-it-here"
    kind = chance.choice(["value"] * 6 + ["raw"] * 3 + ["gone", "wrapped", "near", "near", "named"])
    value = holder[key]
    if kind == "gone":
        del holder[key]
    elif kind == "named" and isinstance(holder, dict):
        holder[f"{key}2"] = holder.pop(key)
    elif kind == "wrapped":
        holder[key] = [value]
    elif kind == "near" and type(value) in (int, float):
        holder[key] = chance.choice([-value, value * 10, value + 1, value / 2, value * 1e6])
    elif kind == "near" and isinstance(value, str):
        at = chance.randrange(len(value) + 1)
        holder[key] = (
            value[:at] + chance.choice(["", "e9", "9" * 20, " ", "\x00"]) + value[at + 1 :]
        )
    elif kind == "near" and isinstance(value, list):
        holder[key] = value * 2 if chance.random() < 0.5 else value[:-1]
    elif kind == "raw":
        holder[key] = mark
    else:
        holder[key] = chance.choice(VALUES)
        kind = f"{holder[key]!r}"[:60]
    return kind, mark


def _bytes(path: Path, chance: Chance) -> str:
    data = bytearray(path.read_bytes())
    at = chance.randrange(len(data) + 1)
    to = min(len(data), at + chance.choice([1, 1, 1, 4, 100, 5_000]))
    kind = chance.choice(
        ["flip", "flip", "flip", "cut", "gone", "new", "twice", "nul", "16", "bom"]
    )
    match kind:
        case "flip" if data:
            at = min(at, len(data) - 1)
            data[at] = chance.choice([data[at] ^ 1 << chance.randrange(8), chance.randrange(256)])
        case "cut":
            del data[at:]
        case "gone":
            del data[at:to]
        case "new":
            data[at:at] = chance.randbytes(to - at)
        case "twice":
            data[at:at] = data[at:to]
        case "nul":
            data[at:to] = bytes(to - at)
        case "16":
            data = bytearray(data.decode("latin-1").encode("utf-16"))
        case "bom":
            data[:0] = b"\xef\xbb\xbf"
    path.write_bytes(data)
    return f"{kind} at byte {at}"


def _lines(path: Path, chance: Chance) -> str:
    lines = path.read_bytes().splitlines(keepends=True)
    if not lines:
        return "no lines"
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    kind = chance.choice(["drop", "double", "swap", "turn", "mix", "many", "join", "crlf"])
    match kind:
        case "drop":
            del lines[one]
        case "double":
            lines.insert(other, lines[one])
        case "swap":
            lines[one], lines[other] = lines[other], lines[one]
        case "turn":
            lines.reverse()
        case "mix":
            chance.shuffle(lines)
        case "many":
            lines[one:one] = [lines[one]] * min(1_000, 1 + 2_000_000 // len(lines[one]))
        case "join":
            lines[one] = lines[one].rstrip(b"\n")
        case "crlf":
            lines = [line.replace(b"\n", b"\r\n") for line in lines]
    path.write_bytes(b"".join(lines))
    return f"{kind} lines {one + 1}, {other + 1}"


def _cells(path: Path, chance: Chance) -> str:
    lines = path.read_text("utf-8", "replace").split("\n")
    at = chance.randrange(len(lines))
    cells = lines[at].split(",")
    column = chance.randrange(len(cells))
    nasty = [
        "",
        "nan",
        "inf",
        "-1",
        "1e308",
        "9" * 5_000,
        "x",
        '"',
        "\0",
        "1e9",
        "0",
        "1,1",
        "=1+1",
    ]
    cells[column] = chance.choice([*nasty, str(chance.randrange(10**12))])
    lines[at] = ",".join(cells)
    path.write_text("\n".join(lines), "utf-8")
    return f"line {at + 1}, column {column + 1}: {cells[column][:20]}"


def _histogram(path: Path, chance: Chance) -> str:
    """What is inside of a line: another start, a bomb, another head, other counters."""
    lines = path.read_text("latin-1").split("\n")
    tagged = [
        at for at, line in enumerate(lines) if line.startswith("Tag=") and line.count(",") == 4
    ]
    if not tagged:
        return "no histogram"
    at = chance.choice(tagged)
    tag, start, length, highest, text = lines[at].split(",")
    kind = chance.choice(["start", "bomb", "head", "counters", "tag", "text"])
    try:
        data = base64.b64decode(text)
        plain = bytearray(zlib.decompress(data[8:]))
    except (ValueError, zlib.error):
        kind, plain = "start", bytearray()
    match kind:
        case "start":
            start = chance.choice(["nan", "inf", "-1", "1e308", "0.000", "3.000", "", "9" * 400])
        case "bomb":
            plain += bytes(chance.choice([200_000, 20_000_000]))
        case "head":
            where = chance.choice([0, 4, 8, 12, 16, 24, 32])
            plain[where : where + 8] = struct.pack(">Q", chance.choice([0, 1, 5, 2**31, 2**63]))
        case "counters":
            body = chance.choice(
                [b"\xff" * 9, b"\xff" * 8, b"\x80", b"\xfe\xff\xff\xff\x1f", b"\x01"]
            )
            plain[40:] = body * chance.choice([1, 3, 30_000])
            plain[4:8] = struct.pack(">I", len(plain) - 40)
        case "tag":
            tag = chance.choice(["Tag=", "Tag=nothing", "Tag=lost.response", "Tag=open.echo"])
        case "text":
            text = chance.choice(["", "=", text[:-3], text * 2, "A" * 3_000_000])
    if plain and kind in ("bomb", "head", "counters"):
        packed = zlib.compress(bytes(plain))
        told = struct.pack(">II", 0x1C849314, len(packed)) + packed
        text = base64.b64encode(told).decode()
    lines[at] = ",".join([tag, start, length, highest, text])
    path.write_text("\n".join(lines), "latin-1")
    return f"line {at + 1}, {kind}"


FILES: Final = (
    "gone",
    "empty",
    "folder",
    "pipe",
    "loop",
    "dangling",
    "device",
    "sparse",
    "swap",
    "copy",
    "long",
    "zeros",
)


def _file(path: Path, chance: Chance) -> str:
    """Something else in the place of a file."""
    kind = chance.choice(FILES)
    others = [each for each in path.parent.iterdir() if each.is_file() and each != path]
    other = chance.choice(sorted(others)) if others else path
    if kind not in ("swap", "copy", "sparse", "long"):
        path.unlink()
    match kind:
        case "empty":
            path.touch()
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "loop":
            path.symlink_to(path.name)
        case "dangling":
            path.symlink_to(path.with_name("outside"))
        case "device":
            path.symlink_to("/dev/zero")
        case "sparse":
            os.truncate(path, SPARSE)
        case "swap":
            data = path.read_bytes()
            shutil.copyfile(other, path)
            other.write_bytes(data)
        case "copy":
            shutil.copyfile(other, path)
        case "long":
            path.write_bytes(path.read_bytes() + b"x" * 10_000_000)
        case "zeros":
            path.write_bytes(bytes(1_000_000))
    return kind if kind not in ("swap", "copy") else f"{kind} {other.name}"
