"""Whether memory and disk stay flat: master and worker under a steady load for a while.

All kinds of people at their own pace. After the ramp and a warm-up, resident memory is read from
the system every few seconds; its slope is Theil and Sen's (P. K. Sen, "Estimates of the regression
coefficient based on Kendall's tau", 1968) over the medians of forty stretches. Its interval takes
these as independent of each other, which memory that settles is not: the slope of the second half
stands beside it.
"""

import json
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil
from scipy.stats import theilslopes

from bench.figures import Figure
from bench.processes import ROOT, BenchError, Generator, Lab, Server

USERS: Final = 2000
SECONDS: Final = 1200
RAMP: Final = 60  # seconds
WARM_UP: Final = 540  # seconds after the ramp: ten minutes in all, every path walked many times
COUNTED_WITHIN: Final = 60.0  # seconds that the counting of objects may take at the end
ENDS: Final = 120.0  # seconds that the end of the run may take
READ_EVERY: Final = 5.0  # seconds
STRETCHES: Final = 40  # whose medians are the values
LEAST_STRETCHES: Final = 10  # below which no slope is told
TARGET_PERCENT: Final = 1  # an hour
LEAST: Final = (("bytes", "bytes of", 20_000), ("lengths", "entries of", 100))
"""What is compared, its unit, and the growth from which on it is told …"""
SHARE: Final = 0.01
"""… unless it is a smaller share than this of what there was."""
PROFILE: Final = """
# Does the generator itself grow?
[load]
stages = [{{ duration = "{ramp}s", users = {users} }}, {{ duration = "{hold}s", users = {users} }}]
warmup = "{ramp}s"
[mix]
CompleteChat = 45
StreamingChat = 35
FlakyNetworkChat = 8
HandoffChat = 5
AbandoningChat = 5
ResumingChat = 2
[conversation]
turns = {{ min = 2, max = 8 }}
"""

Counts = Mapping[str, Mapping[str, int]]
"""By `numbers`, `bytes` and `lengths`: by name, how many."""
Readings = dict[str, list[tuple[float, float]]]
"""By process: seconds, and resident bytes."""


def run(lab: Lab, repeat: int, users: int = USERS, seconds: int = SECONDS) -> list[Figure]:
    """Measure the slopes; `seconds` count from the end of the warm-up."""
    figures: list[Figure] = []
    for _ in range(repeat):
        figures += _soak(lab, users, seconds)
    return figures


def _soak(lab: Lab, users: int, seconds: int) -> list[Figure]:
    text = PROFILE.format(ramp=RAMP, users=users, hold=WARM_UP + seconds + 60)
    options = ["--profile", str(lab.profile("soak.toml", text)), *lab.quiet]
    objects = lab.folder / "objects"
    objects.mkdir(exist_ok=True)
    for old in objects.iterdir():
        old.unlink()
    asking = {"BENCH_OBJECTS": str(objects)}
    with (
        lab.server(()) as server,
        lab.generator(
            server, ROOT / "bench" / "counted.py", options, environment=asking
        ) as generator,
    ):
        generator.await_descriptors(users // 2, RAMP + 60.0)
        print(f"soak: {users:,} users; {WARM_UP} s of warm-up, {seconds} s measured", flush=True)
        _read(server, generator, RAMP / 2 + WARM_UP)
        folder = max((lab.folder / "results").iterdir())
        before = _sizes(folder)
        _ask(generator)
        found = _read(server, generator, seconds / 2)
        _ask(generator)
        for name, more in _read(server, generator, seconds / 2).items():
            found[name] += more
        _ask(generator)
        after = _sizes(folder)
        took = found["worker"][-1][0] - found["worker"][0][0]
        counted = [_counted(objects, role) for role in ("worker", "master")]
        generator.finish(WARM_UP + ENDS)
        _tell(folder)
    for role, counts in zip(("worker", "master"), counted, strict=True):
        grown = "".join(f"\n  {line}" for line in steadily_more(counts)) or " nothing"
        print(f"soak: what the {role} had more of, each time it was counted:{grown}", flush=True)
    return [*slopes(found), *growth(before, after, took)]


def _read(server: Server, generator: Generator, seconds: float) -> Readings:
    """Read everybody's memory for so long."""
    processes = {
        "worker": generator.process,
        "master": psutil.Process(generator.master.pid),
        "simulator": server.process,
    }
    found: Readings = {name: [] for name in processes}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(READ_EVERY)
        for name, process in processes.items():
            try:
                rss = float(process.memory_info().rss)
            except psutil.Error as error:
                raise BenchError(f"the {name} is gone: {error}\n{generator}") from error
            found[name].append((time.monotonic(), rss))
    return found


def _ask(generator: Generator) -> None:
    """Have master and worker count their objects; they take a moment."""
    generator.master.send_signal(signal.SIGUSR2)
    generator.process.send_signal(signal.SIGUSR2)


def _counted(folder: Path, role: str) -> list[Counts]:
    """Wait for all counts of a process; on a busy machine they take their time."""
    paths = [folder / f"{role}-{number}.json" for number in (1, 2, 3)]
    until = time.monotonic() + COUNTED_WITHIN
    while not all(path.exists() for path in paths):
        if time.monotonic() > until:
            raise BenchError(f"the {role}'s objects were not counted within {COUNTED_WITHIN:g} s")
        time.sleep(0.5)
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def slopes(found: Readings) -> list[Figure]:
    """The slopes of memory; a figure's values are the interval's lower end, slope, upper end."""
    figures = []
    for name, readings in found.items():
        began = readings[0][0]
        each = (readings[-1][0] - began) / STRETCHES + 0.001
        stretches: dict[int, list[tuple[float, float]]] = {}
        for moment, rss in readings:
            stretches.setdefault(int((moment - began) / each), []).append((moment - began, rss))
        times = [median(at for at, _ in stretch) / 3600 for stretch in stretches.values()]
        values = [median(rss for _, rss in stretch) for stretch in stretches.values()]
        middle = median(values)
        ours = name != "simulator"
        for when, start in (("", 0), (", second half", len(values) // 2)):
            if len(values) - start < LEAST_STRETCHES:
                continue
            slope, _, low, high = theilslopes(values[start:], times[start:], 0.95)
            ends = low, slope, high
            percent = [100 * one / middle for one in ends]
            target = TARGET_PERCENT if ours and not when else None
            figures.append(Figure(f"{name}'s memory, % an hour{when}", percent, at_most=target))
            if not when:
                figures.append(Figure("  KB a minute", [one / 60 / 1000 for one in ends]))
        figures.append(Figure("  MB", [rss / 1e6 for _, rss in readings]))
    return figures


def _sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def growth(before: Mapping[str, int], after: Mapping[str, int], took: float) -> list[Figure]:
    """What each file grew by, a second."""
    grown = {name: (size - before.get(name, 0)) / took for name, size in after.items()}
    names = sorted(name for name, rate in grown.items() if rate)
    return [Figure(f"{name}, bytes a second", [grown[name]]) for name in names]


def _tell(folder: Path) -> None:
    """What kind of run it was, in a line."""
    told: Any = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    sessions, turns, verdict = told["sessions"], told["turns"], told["verdict"]
    text = f"soak: {sessions['started']:,} sessions, {sessions['peak_concurrent']:,} at once, "
    text += f"{turns['answered']:,} turns answered; {verdict['validity']}"
    print("; ".join([text, *verdict["reasons"]]))
    run: Any = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    for kind in ("errors", "violations"):
        for name, number in told[kind].items():
            print(f"  {kind}.{name}: {number}, such as {run['examples'].get(f'{kind}.{name}')}")


def steadily_more(moments: Sequence[Counts]) -> Iterator[str]:
    """Tell what there was more of at the second of three counts, and still more at the third."""
    for what, unit, least in LEAST:
        first, second, third = (moment[what] for moment in moments)
        for name in sorted(third, key=lambda name: first.get(name, 0) - third[name]):
            one, two, three = first.get(name, 0), second.get(name, 0), third[name]
            if one < two < three and three - one >= max(least, SHARE * one):
                yield f"{unit} {name}: {one:,} → {two:,} → {three:,}"
