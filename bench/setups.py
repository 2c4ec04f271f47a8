"""How many sessions a second one worker can begin and end.

Token, session, connect, history, join, greeting, one turn with its typing, end: in closed loop
without think time.
"""

from typing import Final

from bench.figures import Figure, busy
from bench.processes import ROOT, Lab, truth_of, watch

USERS: Final = 100
WARM_UP: Final = 3.0  # seconds
WINDOW: Final = 8.0  # seconds
DIALS: Final = (
    "agent.join=0",
    "agent.greeting=1ms",
    "agent.thinking=0",
    "agent.first_response=1ms",
)
PROFILE: Final = f"""
# How fast do sessions begin and end?
[load]
stages = [{{ duration = "1s", users = {USERS} }}, {{ duration = "5m", users = {USERS} }}]
[mix]
CompleteChat = 1
[conversation]
turns = {{ min = 1, max = 1 }}
time_scale = 1e-9
pause = 0
"""


def run(lab: Lab, repeat: int) -> list[Figure]:
    """Measure whole short sessions."""
    profile = lab.profile("setups.toml", PROFILE)
    options = ["--profile", str(profile), *lab.quiet]
    rates, cost, shares = [], [], []
    for number in range(1, repeat + 1):
        with (
            lab.server(DIALS) as server,
            lab.generator(server, ROOT / "locustfile.py", options) as generator,
        ):
            generator.await_descriptors(USERS // 2)
            window = watch(server, generator, WARM_UP, WINDOW)
        truth = truth_of(server, generator, window)
        rates.append(truth.ends / window.seconds)
        cost.append(window.cpu_s / truth.ends * 1000)
        shares.append(window.busy)
        print(f"setups {number}/{repeat}: {rates[-1]:.0f} sessions a second", flush=True)
    return [
        Figure("sessions a second, token to end", rates),
        Figure("  CPU a session, ms", cost),
        *busy(shares),
    ]
