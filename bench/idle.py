"""What a session that joined and now only beats costs the generator in memory."""

import time
from typing import Final

from bench.figures import Figure, busy
from bench.processes import ROOT, Lab, watch

__all__ = ["run"]

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


def run(lab: Lab, repeat: int) -> list[Figure]:
    """Measure the growth of the worker from few sessions to many."""
    profile = lab.profile("idle.toml", PROFILE)
    options = ["--profile", str(profile), *lab.quiet]
    each, whole, shares = [], [], []
    for number in range(1, repeat + 1):
        with (
            lab.server(DIALS) as server,
            lab.generator(server, ROOT / "locustfile.py", options) as generator,
        ):
            generator.await_descriptors(FEW)
            time.sleep(SETTLE)
            held, rss = generator.descriptors(), generator.rss()
            generator.await_descriptors(held + MANY - FEW)
            window = watch(server, generator, SETTLE, SETTLE)
            grown = generator.descriptors() - held
            each.append((generator.rss() - rss) / grown / 1000)
            whole.append(generator.rss() / 1e6)
        shares.append(window.busy)
        print(f"idle {number}/{repeat}: {each[-1]:.1f} KB a session", flush=True)
    return [
        Figure("memory an idle session, KB", each, at_most=TARGET_KB),
        Figure(f"  the worker with {MANY:,} sessions, MB", whole),
        *busy(shares),
    ]
