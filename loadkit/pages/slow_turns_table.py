"""The slowest turns of a run as a table: the ids to find them by, and the life of each."""

from pathlib import Path
from typing import Any, Final

from loadkit.measure.slow_turns import SLOW_TURN, SLOWEST, SlowTurn
from loadkit.pages.page import section, text
from loadkit.pages.run_files import lines as lines_of
from loadkit.pages.time_charts import clock
from loadkit.security.textfile import clipped
from loadkit.stats.number_format import number, plural

_WORDS: Final = ' class="words"'
_MORE: Final = ' class="out" data-more'


def slow_turns(folder: Path, wrong: list[str]) -> str:
    turns = [
        found
        for line in lines_of(folder / "slow_turns.jsonl", wrong)
        if (found := _slow_turn(line, folder, wrong)) is not None
    ]
    if not turns:
        return ""
    slowest_first = sorted(turns, key=lambda each: -each.took_ms)
    lines = "".join(_slow_row(turn, rank) for rank, turn in enumerate(slowest_first))
    names = (
        *("took, ms", "second", "UTC", "turn", "session, and X-Polyai-Correlation-Id"),
        *("its life", "sent late, ms", "echo, ms", "thinking, ms", "first chunk, ms", "chunks"),
        "user class",
    )
    of_words = (names[4], names[5], names[-1])
    head = "".join(
        f'<th scope="col"{_WORDS if name in of_words else ""}>{text(name)}</th>' for name in names
    )
    slowest = slowest_first[0]
    told = (
        f"The slowest took {number(slowest.took_ms)} ms, {clock(slowest.at_s)} into the run: turn "
        f"{number(slowest.number)} of session {slowest.session}, whose correlation id was "
        f"{slowest.correlation_id}."
    )
    about = (
        f"The slowest {min(SLOWEST, len(turns))} of the run. Zoom a chart, or click the heat map, "
        f"and those of that time are here, {plural(len(turns), 'turn')} in all."
    )
    keys = "".join(
        f'<i class="key" style="background:var(--{phase})"></i>{until}'
        for phase, until in (
            ("echo", "until the echo"),
            ("thinking", "until the agent thinks"),
            ("first_chunk", "until the first chunk"),
            ("response", "until the answer was complete"),
            ("ink", "a chunk"),
        )
    )
    return section(
        "slow-turns",
        "The slowest turns",
        f'<p>{text(told)}</p><p class="about">{text(about)} Their life, from when they were sent: '
        f'{keys}</p><p id="none-then" class="none" hidden>None of the slow turns that were kept is '
        f'of this time.</p><div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>",
        "Which turn was slowest, and how do I find it in the target's logs?",
    )


def _slow_row(turn: SlowTurn, rank: int) -> str:
    late = None if turn.due_ms is None else abs(turn.due_ms)
    first_chunk = turn.chunks_ms[0] if turn.chunks_ms else None
    cells = (
        *(_ms(at) for at in (late, turn.echo_ms, turn.thinking_ms, first_chunk)),
        number(len(turn.chunks_ms)) if turn.chunks_ms else "–",
    )
    first = (clock(turn.at_s), text(turn.at[11:23]), number(turn.number))
    return (
        f'<tr data-at="{turn.at_s:.3f}"{_MORE if rank >= SLOWEST else ""}>'
        f'<th scope="row">{number(turn.took_ms)}</th>'
        + "".join(f"<td>{cell}</td>" for cell in first)
        + f'<td class="id"><code>{text(turn.session)}</code><br>'
        f"<code>{text(turn.correlation_id)}</code></td><td>{_life(turn)}</td>"
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + f"<td{_WORDS}>{text(turn.user_class)}</td></tr>"
    )


def _slow_turn(line: Any, folder: Path, wrong: list[str]) -> SlowTurn | None:
    try:
        return SLOW_TURN.decode(line)
    except ValueError as error:
        wrong.append(f"{folder / 'slow_turns.jsonl'}: {clipped(str(error))}")
        return None


def _life(turn: SlowTurn) -> str:
    """A turn as a bar: what was seen of it, in the colours of the phases."""
    width, end = 256.0, max(turn.took_ms, 0.001)
    ends = [
        ("echo", turn.echo_ms),
        ("thinking", turn.thinking_ms),
        ("first_chunk", turn.chunks_ms[0] if turn.chunks_ms else None),
        ("response", turn.took_ms),
    ]
    bars, begin = [], 0.0
    for phase, at in ends:
        if at is None or at < begin:
            continue
        bars.append(
            f'<rect x="{width * begin / end:.1f}" y="3" height="12" '
            f'width="{max(1.0, width * (at - begin) / end):.1f}" fill="var(--{phase})"/>'
        )
        begin = at
    ticks = "".join(
        f'<rect x="{width * at / end:.1f}" y="0" width="1" height="18" fill="var(--ink)"/>'
        for at in turn.chunks_ms
        if 0 <= at <= end
    )
    said = ", ".join(f"{phase} {number(at)} ms" for phase, at in ends if at is not None)
    return (
        f'<svg class="life" viewBox="0 0 256 18" preserveAspectRatio="none" role="img" '
        f'aria-label="{text(said)}">{"".join(bars)}{ticks}</svg>'
    )


def _ms(value: float | None) -> str:
    return "–" if value is None else number(value)
