"""What a generator does in a row of the table: one script, told to every tool in the same words.

A session: token, session, socket, join, greeting; then turns. A turn: after THINK seconds, KEYS
times USER_TYPING STARTED with KEY_S seconds behind each, STOPPED, USER_MESSAGE, and the wait until
the answer is complete. After TURNS turns USER_END_SESSION and the next session, with 0 never. A
HEARTBEAT as often as SESSION_START says.
"""

import math
from dataclasses import dataclass
from typing import Final

from bench import TEXT
from bench.processes import BenchError
from bench.truth import Seen

_DIALS: Final = (
    "agent.join=0",
    "agent.suggestion_rate=0",
    "agent.attachment_rate=0",
    "agent.rich_greeting=false",  # nobody taps instead of saying what is to be said
)
AT_ONCE: Final = (
    *_DIALS,
    "agent.greeting=1ms",
    "agent.thinking=0",
    "agent.first_response=1ms",
    "heartbeat_interval_seconds=0",
)
BEATS: Final = 10.0  # seconds between two, of people at their pace: so that a short window has some
LIVELY: Final = (
    *_DIALS,
    "agent.greeting=50ms",
    "agent.first_response={ kind = 'lognormal', median = '300ms', sigma = 0.4, max = '1s' }",
    "agent.gap={ kind = 'lognormal', median = '60ms', sigma = 0.4, max = '150ms' }",
    "agent.chunks={ min = 6, max = 6 }",
    f"heartbeat_interval_seconds={BEATS:g}",
)
ANSWER: Final = 0.7  # seconds that an answer takes with these dials, on average
EDGE: Final = 1.0  # seconds
TOLERANCE: Final = 0.05  # by which a tool's counts may differ from the script's
LEAST_MISS: Final = 6  # of a count so small that this is more


@dataclass(frozen=True, slots=True)
class Script:
    """One row's load."""

    users: int
    dials: tuple[str, ...]  # of the simulator
    streaming: bool = False
    ramp: float = 1.0  # seconds in which they come
    turns: int = 0  # a session
    keys: int = 0
    key_s: float = 0.0
    think: float = 0.0
    # People at their pace: a turn takes so many seconds with its answer, and each session is found
    # somewhere on the way to its first message, evenly, with what keys were due by then.
    spread: float = 0.0
    settle: float = 0.7  # seconds from the last arrival to the window
    window: float = 3.0  # seconds that are measured
    quiet: float = 0.0  # seconds behind it in which nothing new is said; 0: the tool is killed

    @property
    def typing(self) -> int:
        """USER_TYPING frames of a turn."""
        return self.keys + (self.keys > 0)

    def environment(self, begin: float) -> dict[str, str]:
        """How a tool is told; `begin` is when the window does, in seconds of the wall clock."""
        words: dict[str, object] = {
            "TEXT": TEXT,
            "USERS": self.users,
            "START": begin - self.settle - self.ramp,
            "RAMP": self.ramp,
            "STREAMING": int(self.streaming),
            "TURNS": self.turns,
            "KEYS": self.keys,
            "KEY_S": self.key_s,
            "THINK": self.think,
            "SPREAD": self.spread,
            # Without an end that is told, the window is where it comes to: all is recorded.
            "BEGIN": begin if self.quiet else 0,
            "END": begin + (self.window if self.quiet else 600),
            "QUIET": self.quiet,
        }
        return {name: str(value) for name, value in words.items()}

    def profile(self) -> str:
        """The same as a profile of loadkit's."""
        hold = self.settle + self.window + self.quiet if self.quiet else 600
        warmup = f'warmup = "{self.ramp + self.settle}s"' if self.quiet else ""
        human = ""
        if self.keys:  # one STARTED every 3 s; where all is at once, 2 s of typing have one
            typed = self.keys * self.key_s if self.spread else 2.0
            human = f"""
[human]
typing_wpm = {{ median = {len(TEXT) * 12 / typed:.2f}, sigma = 0 }}
reading_wpm = {{ median = 100000, sigma = 0 }}
thinking = {{ median = "{self.think or 1}s", sigma = 0 }}
typing_pause = 0
drafts = 0
"""
        turns = self.turns or 1500  # more than a run has time for: no session ends
        return f"""
# {self.users} sessions of the table's script
[load]
stages = [
    {{ duration = "{self.ramp}s", users = {self.users} }},
    {{ duration = "{hold}s", users = {self.users} }},
]
{warmup}
[mix]
{"StreamingChat" if self.streaming else "CompleteChat"} = 1
[conversation]
turns = {{ min = {turns}, max = {turns} }}
dialogues = "said.jsonl"
time_scale = {1 if self.spread else 1e-9}
pause = 0
{human}"""

    def check(self, seen: Seen) -> None:
        """Hold what the server saw against the script.

        Raises:
            BenchError: the tool did another thing, or less or more of it.
        """
        if seen.refused or seen.nonsense:
            raise BenchError(f"{seen.refused} refused, {seen.nonsense} without sense")
        if not self.turns:
            _same("sessions", seen.sessions, self.users, 0)
            _same("sessions greeted", seen.greeted, self.users, 0)
        if self.spread:
            turns = seen.talk_s / self.spread
            _same("turns", seen.turns_begun, turns)
            _same("typing events", seen.typing, turns * self.typing)
            # Who lived for about as long as it is to the next one may have sent it, or not.
            least, most = (
                sum(math.floor(max(0.0, life + by) / BEATS) for life in seen.lives)
                for by in (-EDGE, EDGE)
            )
            asked = (least + most) / 2
            edge = (most - least) / 2 + max(LEAST_MISS, TOLERANCE * asked)
            _same("heartbeats", seen.heartbeats, asked, edge)
            return
        if self.turns:  # whole sessions, but for those that were cut at the end
            cut = self.users * self.turns
            _same("turns", seen.turns_begun, seen.ended * self.turns, cut)
        # Each user may have typed for a message that the end of the run kept back.
        _same(
            "typing events", seen.typing, seen.turns_begun * self.typing, self.users * self.typing
        )
        _same("heartbeats", seen.heartbeats, 0, 0)
        if not (seen.ends if self.turns else seen.turns):
            raise BenchError("nothing happened in the window")


def _same(what: str, count: float, asked: float, off: float | None = None) -> None:
    allowed = max(LEAST_MISS, TOLERANCE * asked) if off is None else off
    if abs(count - asked) > allowed:
        raise BenchError(f"{count:.0f} {what}, the script asks for {asked:.0f}")


def people(users: int, ramp: float, *, settle: float = 1.0, **more: float) -> Script:
    """People at their own pace, a turn every 21 s, each found somewhere in the first of theirs."""
    think, keys, key_s = 10.0, 4, 2.625
    return Script(
        users,
        LIVELY,
        streaming=True,
        ramp=ramp,
        keys=keys,
        key_s=key_s,
        think=think,
        spread=think + keys * key_s + ANSWER,
        settle=settle,
        window=more.get("window", 10.0),
        quiet=more.get("quiet", 0.0),
    )
