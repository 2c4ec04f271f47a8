"""What one exchange costs the generator: a USER_MESSAGE out; echo, thinking and message in.

200 users in closed loop without think time, so that the generator is as busy as it gets.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import TEXT
from bench.figures import Figure, ratios
from bench.processes import ROOT, Lab, truth_of, watch

__all__ = ["run"]

USERS: Final = 200
WARM_UP: Final = 3.0  # seconds after the last user has connected
WINDOW: Final = 8.0  # seconds
DIALS: Final = (
    "agent.join=0",
    "agent.greeting=1ms",
    "agent.thinking=0",
    "agent.first_response=1ms",
    "heartbeat_interval_seconds=0",
)
PROFILE: Final = f"""
# What does one exchange cost?
[load]
stages = [{{ duration = "2s", users = {USERS} }}, {{ duration = "5m", users = {USERS} }}]
[mix]
CompleteChat = 1
[conversation]
turns = {{ min = 1500, max = 1500 }} # more than a run has time for: no session ends
dialogues = "said.jsonl"
time_scale = 1e-9
pause = 0
"""
TARGET_US: Final = 110
TARGET_RATIO: Final = 2


@dataclass(frozen=True, slots=True)
class _Run:
    cpu_us: float  # of the generator, an exchange
    rate: float  # exchanges a second
    busy: float  # percent of its core that the generator used
    server_busy: float


def run(lab: Lab, repeat: int) -> list[Figure]:
    """Measure loadkit and its peer in turns."""
    said = {"intent": "bench", "lines": [TEXT]}
    lab.profile("said.jsonl", json.dumps(said) + "\n")
    profile = lab.profile("exchange.toml", PROFILE)
    ours, peers = [], []
    for number in range(1, repeat + 1):
        options = ["--profile", str(profile), *lab.quiet]
        ours.append(_measure(lab, ROOT / "bench" / "terse.py", options))
        print(f"exchange {number}/{repeat}: loadkit {ours[-1].cpu_us:.1f} µs", end="", flush=True)
        options = ["--users", str(USERS), "--spawn-rate", str(USERS)]
        peers.append(_measure(lab, ROOT / "bench" / "peer.py", options))
        print(f", websocket-client {peers[-1].cpu_us:.1f} µs", flush=True)
    cost, peer_cost = [one.cpu_us for one in ours], [one.cpu_us for one in peers]
    return [
        Figure("CPU an exchange, µs", cost, at_most=TARGET_US),
        Figure("  websocket-client, µs", peer_cost),
        Figure("  websocket-client ÷ loadkit", ratios(peer_cost, cost), at_least=TARGET_RATIO),
        Figure("  exchanges a second", [one.rate for one in ours]),
        Figure("  generator's core, % busy", [one.busy for one in ours]),
        Figure("  server's core, % busy", [one.server_busy for one in ours]),
    ]


def _measure(lab: Lab, locustfile: Path, options: list[str]) -> _Run:
    with lab.server(DIALS) as server, lab.generator(server, locustfile, options) as generator:
        generator.await_descriptors(USERS)
        window = watch(server, generator, WARM_UP, WINDOW)
    truth = truth_of(server, generator, window)
    return _Run(
        window.cpu_s / truth.turns * 1e6,
        truth.turns / window.seconds,
        window.cpu_s / window.seconds * 100,
        window.server_cpu_s / window.seconds * 100,
    )
