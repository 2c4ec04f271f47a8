"""`loadkit doctor`: what stands in the way of a load test on this machine, and how much it carries.

The rules are pure, facts in and findings out; docs/doctor.md has them with their reasons.
"""

import json
import math
from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from loadkit.exit_codes import ExitCode
from loadkit.net.preflight.preflight import raise_interrupts_quietly
from loadkit.net.preflight.reachability import Finding, Level, probe
from loadkit.network import DIRECT, Network
from loadkit.output import say
from loadkit.readiness.machine_facts import Facts, collect
from loadkit.readiness.room import Bound, Room
from loadkit.readiness.room import bounds as room_bounds
from loadkit.security.escaping import in_json
from loadkit.stats.number_format import plural

SCHEMA: Final = "loadkit.doctor/1"

SESSIONS_A_CORE: Final = 11_500
"""Sessions of people at their default pace that take half a core of the machine in
docs/doctor.md, where 3,000 took 13 %. The other half is for bursts: a fuller core answers late."""

BUSY_PERCENT: Final = 20.0
"""Above this, what else runs here moves the figures."""

FULL_PERCENT: Final = 80.0
"""Above this, there is no machine left to generate a load with."""

CLOCK_COST: Final = 1e-6
"""Seconds. A clock that is read without asking the kernel takes a tenth of it."""

CLOCK_STEP: Final = 1e-4
"""Seconds. A coarser clock shows in latencies of a millisecond."""

SLEEP_LATE: Final = 0.010
"""Seconds. A schedule delay of as much makes a run suspect."""

NEAR: Final = 0.8
"""Who asks for more than this share of what can be carried is told so."""

_MARKS: Final[dict[Level, Text]] = {
    "ok": Text("✓", "green"),
    "warn": Text("!", "bold yellow"),
    "bad": Text("✗", "bold red"),
}


def doctor(
    console: Console,
    *,
    users: int | None,
    workers: int,
    host: str | None = None,
    network: Network = DIRECT,
    as_json: bool = False,
) -> int:
    """Look at this machine and tell; returns the exit code: 1 if something is bad, else 0.

    Args:
        users: how many sessions there are to be at once; None only asks how many there may be.
        workers: how many processes are to generate the load.
        host: the target to look at, to which no secret is sent; None looks at none.
        network: how it is reached.
        as_json: whether it is told as one object.

    Raises:
        UsageError: the target's URL, or what the network has, cannot be used.
    """
    raise_interrupts_quietly()
    seen = [] if host is None else list(probe(host, network))
    facts = collect()
    findings = seen + examine(facts, users=users, workers=workers)
    limits = bounds(facts, workers, users)
    is_bad = any(finding.level == "bad" for finding in findings)
    code = ExitCode.FAILED if is_bad else ExitCode.OK
    if as_json:
        say(document(findings, limits, users, facts, code))
    else:
        render(findings, limits, users, facts, console)
    return code


def document(
    findings: list[Finding], limits: list[Bound], users: int | None, facts: Facts, code: int
) -> str:
    """Return it as JSON: `docs/doctor.md` has its keys."""
    told = {
        "schema": SCHEMA,
        "exit_code": code,
        "users": users,
        "sessions": limits[0].sessions,
        "limit": limits[0].check,
        "conclusion": conclusion(limits, users),
        "bounds": [{"check": bound.check, "sessions": bound.sessions} for bound in limits],
        "checks": [finding._asdict() for finding in findings],
        "versions": dict(facts.versions),
    }
    return in_json(json.dumps(told, indent=1, ensure_ascii=False))


def bounds(facts: Facts, workers: int, users: int | None = None) -> list[Bound]:
    """Return what each resource carries, the scarcest first; see `loadkit.readiness.room`."""
    return sorted(_bounds(facts, workers, users), key=lambda bound: bound.sessions)


def _bounds(facts: Facts, workers: int, users: int | None) -> Iterator[Bound]:
    room = Room(facts.files, facts.ports, facts.memory, facts.cores)
    yield from room_bounds(room, workers, users)

    of_machine = f" of {facts.machine_cores}" if facts.cores < facts.machine_cores else ""
    yield Bound(
        "cores",
        carried := int(min(workers, facts.cores) * facts.speed * SESSIONS_A_CORE),
        carried,
        f"{plural(workers, 'worker')} on {plural(facts.cores, 'core')}{of_machine}, each "
        f"{facts.speed:.1f} × as fast as the benchmarks', people at their default pace",
        f"--workers {int(facts.cores) - 1}"
        if workers < facts.cores - 1
        else "use a machine with more cores, or several",
    )


def examine(facts: Facts, *, users: int | None, workers: int) -> list[Finding]:
    """Judge a machine for so many sessions at once; for None no capacity is judged."""
    found = [_judge(bound, users) for bound in _bounds(facts, workers, users)]
    if facts.ports is None:
        found.insert(1, Finding("warn", "ports", "not known on this system"))
    found += [*_sharing(facts, workers), *_clock(facts), *_network(facts)]
    found.append(
        Finding(
            "warn",
            "secrets",
            facts.secrets,
            "export POLY_CONNECTOR_TOKEN=… POLY_HOST_IDENTIFIER=…; the simulator needs neither",
        )
        if facts.secrets
        else Finding("ok", "secrets", "both are in the environment")
    )
    found.append(
        Finding("warn", "code", f"not compiled, {facts.code}", "make compiled, or install it again")
        if facts.code != "compiled"
        else Finding("ok", "code", facts.code)
    )
    return found


def _judge(bound: Bound, users: int | None) -> Finding:
    text = f"{bound.found}: about {rounded(bound.sessions):,} sessions"
    if not bound.sessions or (users is not None and users > bound.sessions):
        return Finding("bad", bound.check, text, bound.mend)
    if users is not None and users > NEAR * bound.sessions:
        return Finding("warn", bound.check, text, bound.mend)
    return Finding("ok", bound.check, text)


def _sharing(facts: Facts, workers: int) -> Iterator[Finding]:
    # Without a target the simulator needs a core; with one the master still needs a share.
    if workers >= facts.cores:
        yield Finding(
            "warn",
            "workers",
            f"{plural(workers, 'worker')} on {plural(facts.cores, 'core')}: the master, and the "
            "simulator if there is one, take turns with them",
            f"--workers {max(1, int(facts.cores) - 1)}"
            if workers > 1
            else "use a machine with two cores or more",
        )
    text = f"{facts.busy_percent:.0f} % of the cores in use, load average {facts.load:.1f}"
    level: Level = "ok" if facts.busy_percent <= BUSY_PERCENT else "warn"
    if facts.busy_percent > FULL_PERCENT:
        level = "bad"
    mend = "end it, or wait: top shows what it is" if level != "ok" else ""
    yield Finding(level, "other load", text, mend)


def _clock(facts: Facts) -> Iterator[Finding]:
    source = facts.clock_source or "monotonic"
    text = f"{source}, {facts.clock_cost * 1e9:,.0f} ns to read"
    if facts.clock_cost > CLOCK_COST:
        yield Finding(
            "warn",
            "clock",
            f"{text}: every stamp asks the kernel",
            "echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource"
            ", if available_clocksource beside it has tsc",
        )
    elif facts.clock_step > CLOCK_STEP:
        step = f"{text}, steps of {facts.clock_step * 1000:.3g} ms"
        yield Finding("warn", "clock", step, "measure on another machine")
    else:
        yield Finding("ok", "clock", text)
    text = f"2 ms took up to {facts.sleep_late * 1000:.2f} ms too long, of 20"
    if facts.sleep_late > SLEEP_LATE:
        yield Finding(
            "warn",
            "sleep",
            f"{text}: messages would go out as late",
            "end other load; a virtual machine needs cores of its own",
        )
    else:
        yield Finding("ok", "sleep", text)


def _network(facts: Facts) -> Iterator[Finding]:
    if facts.listen_backlog is not None and facts.listen_backlog < 1024:
        yield Finding(
            "warn",
            "backlog",
            f"{facts.listen_backlog:,} connections may wait for the simulator's accept",
            "sudo sysctl -w net.core.somaxconn=4096",
        )
    if facts.tracked is not None and facts.tracked[1]:
        count, most = facts.tracked
        level: Level = "warn" if count > NEAR * most else "ok"
        mend = f"sudo sysctl -w net.netfilter.nf_conntrack_max={4 * most}" if level != "ok" else ""
        yield Finding(level, "firewall", f"tracks {count:,} connections of {most:,}", mend)


def render(
    findings: list[Finding], limits: list[Bound], users: int | None, facts: Facts, console: Console
) -> None:
    """Print it: a line a check, what to do below it, and how many sessions that makes."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for finding in findings:
        grid.add_row(_MARKS[finding.level], finding.check, Text(finding.found))
        if finding.mend:
            grid.add_row("", "", Text(f"→ {finding.mend}", "cyan"))
    versions = " · ".join(f"{name} {number}" for name, number in facts.versions.items())
    grid.add_row("", "versions", Text(versions))
    console.print(grid)
    console.print()
    console.print(Text(conclusion(limits, users)), soft_wrap=True)


def conclusion(limits: list[Bound], users: int | None) -> str:
    """Say in one line how many sessions a machine carries, and what would have to give way."""
    scarcest = limits[0]
    text = f"This machine can carry about {rounded(scarcest.sessions):,} sessions"
    if users is not None:
        text += f" ({users:,} were asked for)"
    return f"{text}: the limit is the {scarcest.check} ({scarcest.mend})"


def rounded(sessions: int) -> int:
    """Round down to two digits: "about" promises no more."""
    if sessions < 100:
        return sessions
    unit = 10 ** (math.floor(math.log10(sessions)) - 1)
    return int(sessions // unit * unit)
