"""What a session that joined and now only beats costs the generator in memory."""

import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from bench.figures import Figure, busy
from bench.processes import ROOT, Lab, watch

FEW, MANY = 50, 3000
SETTLE: Final = 5.0  # seconds from the last connect to a reading
DIALS: Final = ("agent.join=0", "agent.greeting=1ms", "agent.thinking=0")
PROFILE: Final = f"""
# What does an idle session weigh?
[load]
stages = [
    {{ duration = "1s", users = {FEW} }},
    {{ duration = "7s", users = {FEW} }},
    {{ duration = "15s", users = {MANY} }},
    {{ duration = "5m", users = {MANY} }},
]
[mix]
CompleteChat = 1
[human]
thinking = {{ median = "1h", sigma = 0.0 }}
"""
TARGET_KB: Final = 30


class Run(NamedTuple):
    """One of them."""

    each_kb: float  # a session
    whole_mb: float  # the worker, with all of them
    busy: tuple[float, float, float]  # see `Window.busy`


def run(lab: Lab, repeat: int) -> list[Figure]:
    """Measure the growth of the worker from few sessions to many."""
    runs = []
    for number in range(1, repeat + 1):
        runs.append(measure(lab, DIALS, PROFILE))
        print(f"idle {number}/{repeat}: {runs[-1].each_kb:.1f} KB a session", flush=True)
    return [
        Figure("memory an idle session, KB", [one.each_kb for one in runs], at_most=TARGET_KB),
        Figure(f"  the worker with {MANY:,} sessions, MB", [one.whole_mb for one in runs]),
        *busy([one.busy for one in runs]),
    ]


def measure(lab: Lab, dials: Sequence[str], profile: str) -> Run:
    """Measure once, with a profile such as `PROFILE`."""
    options = ["--profile", str(lab.profile("idle.toml", profile)), *lab.quiet]
    with (
        lab.server(dials) as server,
        lab.generator(server, ROOT / "locustfile.py", options) as generator,
    ):
        generator.await_descriptors(FEW)
        time.sleep(SETTLE)
        held, rss = generator.descriptors(), generator.rss()
        generator.await_descriptors(held + MANY - FEW)
        window = watch(server, generator, SETTLE, SETTLE)
        grown = generator.descriptors() - held
        each = (generator.rss() - rss) / grown / 1000
        return Run(each, generator.rss() / 1e6, window.busy)
