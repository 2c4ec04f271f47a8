"""What one exchange costs the generator: a USER_MESSAGE out; echo, thinking and message in.

200 users in closed loop without think time. `run` lets the server answer at once: the generator is
as busy as it gets, and finds several messages at each read. `run_paced` has it take 60 ms: the
generator is about a third busy and wakes up for each message, as it does under an ordinary load.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import TEXT
from bench.figures import Figure, busy, ratios
from bench.processes import ROOT, Lab, truth_of, watch

USERS: Final = 200
WARM_UP: Final = 3.0  # seconds after the last user has connected
WINDOW: Final = 8.0  # seconds
_DIALS: Final = (
    "agent.join=0",
    "agent.greeting=1ms",
    "agent.suggestion_rate=0",  # nobody taps instead of saying what is to be said
    "heartbeat_interval_seconds=0",
)
AT_ONCE: Final = (*_DIALS, "agent.thinking=0", "agent.first_response=1ms")
PACED: Final = (*_DIALS, "agent.thinking=30ms", "agent.first_response=60ms")
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
# The exchange that is measured has no typing, so that it is the peer's, frame by frame.
UNSEEN: Final = {"BENCH_TYPING": "0"}
TARGET_US: Final = 110
TARGET_RATIO: Final = 2


@dataclass(frozen=True, slots=True)
class Run:
    """One of them."""

    cpu_us: float  # of the generator, an exchange
    rate: float  # exchanges a second
    busy: tuple[float, float, float]  # see `Window.busy`


def run(lab: Lab, repeat: int) -> list[Figure]:
    """Measure loadkit and its peers in turns, as busy as they get."""
    return _in_turns(lab, repeat, "exchange", AT_ONCE, TARGET_US, TARGET_RATIO)


def run_paced(lab: Lab, repeat: int) -> list[Figure]:
    """Measure the same with a server that takes its time."""
    return _in_turns(lab, repeat, "paced exchange", PACED)


def _in_turns(
    lab: Lab,
    repeat: int,
    name: str,
    dials: Sequence[str],
    at_most: float | None = None,
    at_least: float | None = None,
) -> list[Figure]:
    theirs = (ROOT / "bench" / "peer.py", ["--users", str(USERS), "--spawn-rate", "100"])
    sides = {"CompleteChat": ours(lab, PROFILE), "PlainChat": theirs, "UncheckedChat": theirs}
    runs: dict[str, list[Run]] = {user_class: [] for user_class in sides}
    for number in range(1, repeat + 1):
        for user_class, (locustfile, options) in sides.items():
            of_peer = None if user_class == "CompleteChat" else user_class
            done = measure(lab, dials, locustfile, options, of_peer)
            print(f"{name} {number}/{repeat}: {user_class} {done.cpu_us:.1f} µs", flush=True)
            runs[user_class].append(done)
    mine = runs["CompleteChat"]
    cost, plain, unchecked = ([one.cpu_us for one in done] for done in runs.values())
    return [
        Figure(f"CPU of one {name}, µs", cost, at_most=at_most),
        Figure("  websocket-client, µs", plain),
        Figure("  websocket-client ÷ loadkit", ratios(plain, cost), at_least=at_least),
        Figure("  websocket-client without UTF-8 check, µs", unchecked),
        Figure("  that ÷ loadkit", ratios(unchecked, cost)),
        Figure("  exchanges a second", [one.rate for one in mine]),
        *busy([one.busy for one in mine]),
    ]


def ours(lab: Lab, profile: str) -> tuple[Path, list[str]]:
    """The locustfile and the options of loadkit with this profile."""
    said = {"intent": "bench", "lines": [TEXT]}
    lab.profile("said.jsonl", json.dumps(said) + "\n")
    path = lab.profile("exchange.toml", profile)
    return ROOT / "bench" / "loadkit_chat.py", ["--profile", str(path), *lab.quiet]


def measure(
    lab: Lab, dials: Sequence[str], locustfile: Path, options: list[str], user_class: str | None
) -> Run:
    """Measure once; `user_class` is a peer's, of a locustfile without a profile."""
    with (
        lab.server(dials) as server,
        lab.generator(server, locustfile, options, user_class, UNSEEN) as generator,
    ):
        generator.await_descriptors(USERS)
        window = watch(server, generator, WARM_UP, WINDOW)
    truth = truth_of(server, generator, window)
    return Run(window.cpu_s / truth.turns * 1e6, truth.turns / window.seconds, window.busy)
