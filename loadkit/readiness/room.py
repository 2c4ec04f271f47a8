"""Whether there is room on this machine for a load: files, ports, memory, cores, and a life.

The rules are pure; docs/doctor.md has them with their reasons.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, Self

from loadkit.chat.personas import PERSONAS, offered
from loadkit.errors import UsageError
from loadkit.figures import Client
from loadkit.machine.resources import (
    PortUse,
    ResourceLimit,
    cores,
    files_limit,
    memory_available,
    port_use,
)
from loadkit.profile.tables import Load
from loadkit.readiness.foresight import Doubt
from loadkit.stats.number_format import number, plural

LOCUST_FILES: Final = 10_000
"""Locust raises the limit of open files to this, where the hard limit lets it, and no further."""

SPARE_FILES: Final = 100
"""Files of a worker besides its sessions' sockets; 12 were counted."""

SESSION_BYTES: Final = 40_000
"""Twice what an idle session was measured to take in its worker (20 KB, docs/benchmarks.md): the
kernel's part and the growth of a long conversation are not in that figure."""

INFLATE_BYTES: Final = 40_000
DEFLATE_BYTES: Final = 23_000
"""What zlib takes in a session that reads, and in one that writes, what is compressed
(docs/benchmarks.md). Whatever is said: these are not doubled."""

ORDINARY_BYTES: Final = 1_000
"""Of a message; ours: few people write more, so who compresses longer ones only never does."""

PROCESS_BYTES: Final = 80_000_000
"""Of a worker without sessions, or a master; the simulator takes less."""

WORKERS_A_CORE: Final = 16
"""More only wait for each other. Ours: four times as many as anybody needs who waits for disks."""

ARRIVALS_A_CORE: Final = 5_000
"""Sessions a second, ours: two REST calls and an upgrade in 0.2 ms, which no core does; the machine
of docs/benchmarks.md takes ten times as long for a bare exchange of messages."""

LONGEST: Final = 366 * 86_400
"""Seconds of a run. Ours: nobody waits for more."""


class Room(NamedTuple):
    """What this process may use: cores by affinity and cgroup; ports None where nobody tells."""

    files: ResourceLimit
    ports: PortUse | None
    memory: int
    cores: float

    @classmethod
    def here(cls) -> Self:
        """Look at this machine; it takes no time."""
        return cls(files_limit(), port_use(), memory_available(), cores())


class Bound(NamedTuple):
    """How many sessions one resource carries, carefully reckoned."""

    check: str  # the resource, as findings have it
    sessions: int
    most: int  # how many it could be with luck; there is no room for one more
    found: str
    mend: str  # how to get more of it


def session_bytes(clients: Mapping[Client, float], deflate: bool | None) -> int:
    """Return the memory of a session where the target takes whatever compression is offered.

    The weights of clients are of `[clients]`, `deflate` of `[connection]`.
    """
    total = SESSION_BYTES * sum(clients.values())
    for client, weight in clients.items():
        if (offer := offered(PERSONAS[client], deflate)) is not None:
            writes = offer.at_least <= ORDINARY_BYTES
            total += weight * (INFLATE_BYTES + writes * DEFLATE_BYTES)
    return round(total / sum(clients.values()))


def files_of_a_worker(limit: ResourceLimit) -> int:
    """Return how many files a worker may have open, once Locust has raised the limit."""
    raised = limit.soft < LOCUST_FILES <= limit.hard
    return LOCUST_FILES if raised else limit.soft


def bounds(
    room: Room, workers: int, users: int | None = None, *, session: int = SESSION_BYTES
) -> Iterator[Bound]:
    """Tell what files, ports and memory carry.

    Args:
        workers: how many processes are to generate the load.
        users: how many sessions the mends should do for; None for no certain number.
        session: bytes of one, carefully reckoned: see `session_bytes`.
    """
    limit, files = room.files, files_of_a_worker(room.files)
    wanted = max(65_536, 2 * files, math.ceil((users or 0) / workers) + SPARE_FILES)
    command = "ulimit -n " if wanted <= limit.hard else "sudo prlimit --pid $$ --nofile="
    yield Bound(
        "open files",
        max(0, files - SPARE_FILES) * workers,
        files * workers,
        f"a worker may have {files:,} open (limit {limit.soft:,}, at most {limit.hard:,})",
        f"{command}{wanted}, in the shell that starts loadkit",
    )

    if room.ports is not None:
        used, available = room.ports
        yield Bound(
            "ports",
            max(0, available - used),
            available,
            f"{available:,} to one address of the target, {used:,} of them may be taken",
            'sudo sysctl -w net.ipv4.ip_local_port_range="1024 65535"'
            if available < 64_000
            else "spread the load over several machines",
        )

    # The master and the simulator are processes too.
    left = room.memory - (workers + 2) * PROCESS_BYTES
    packed = session > SESSION_BYTES
    of_which = f", {session // 1000} KB for each as it may be compressed" if packed else ""
    yield Bound(
        "memory",
        max(0, left // session),
        max(0, room.memory // (SESSION_BYTES // 2)),
        f"{room.memory / 1e9:,.1f} GB can be had{of_which}",
        "end what takes memory here, or use a larger machine",
    )


def check(
    load: Load | None,
    room: Room,
    workers: int | None,
    *,
    addresses: int = 1,
    session: int = SESSION_BYTES,
    force: bool = False,
) -> list[Doubt]:
    """Hold a load against this machine, before it begins; returns what it will hardly do.

    Args:
        load: what is asked for; None where only the workers are to be looked at.
        workers: how many processes generate it; None if they are on other machines.
        addresses: of the target: each has the machine's ports once more.
        session: bytes of one, as of `session_bytes`.

    Raises:
        UsageError: it cannot work, and is not forced.
    """
    refused, doubted = list[Doubt](), list[Doubt]()
    if workers is not None:
        refused += _crowded(room, workers)
    if load is not None:
        refused += _lasting(load)
    if load is not None and workers is not None:
        refused += _hasty(load, room, workers)
        sessions = _at_once(load)
        for bound in bounds(room, workers, sessions, session=session):
            times = addresses if bound.check == "ports" else 1
            if sessions > times * bound.sessions:
                far = sessions > times * bound.most
                (refused if far else doubted).append(_short_of(bound, sessions, times))
    if refused and not force:
        raise UsageError(
            "\n".join(f"{each}; or add --force, to try all the same" for each in refused)
        )
    return [*(each._replace(why=f"forced: {each.why}") for each in refused), *doubted]


def _at_once(load: Load) -> int:
    if load.model == "closed":
        return load.peak_users
    assert load.max_concurrent is not None
    # A session lasts a second at least; how much longer only the target knows.
    return math.floor(min(load.max_concurrent, load.peak_rate, load.expected_arrivals))


def _short_of(bound: Bound, sessions: int, times: int) -> Doubt:
    why = (
        f"{sessions:,} sessions at once are more than this machine has {bound.check} for "
        f"(about {times * bound.sessions:,}: {bound.found})"
    )
    return Doubt(None, why, bound.mend)


def _crowded(room: Room, workers: int) -> Iterator[Doubt]:
    told, most = plural(workers, "worker"), max(1, int(room.cores)) * WORKERS_A_CORE
    if workers > most:
        had = plural(room.cores, "core")
        why = f"{told} on {had} would only wait for each other"
        yield Doubt(None, why, f"--workers {most} or fewer")
    elif (needed := workers * PROCESS_BYTES) > room.memory:
        why = f"{told} take {needed / 1e9:,.1f} GB of memory, and {room.memory / 1e9:,.1f} GB can "
        yield Doubt(None, f"{why}be had", "start fewer, or use a larger machine")


def _hasty(load: Load, room: Room, workers: int) -> Iterator[Doubt]:
    most = ARRIVALS_A_CORE * min(workers, math.ceil(room.cores))
    if load.peak_rate > most:
        why = (
            f"{number(load.peak_rate)} arrivals a second are more than {plural(workers, 'worker')} "
        )
        fix = "ask for fewer, or spread the load over several machines"
        yield Doubt(None, f"{why}can bring about here ({most:,} at most)", fix)


def _lasting(load: Load) -> Iterator[Doubt]:
    if load.duration_s > LONGEST:
        days = load.duration_s / 86_400
        yield Doubt(None, f"the stages last {days:,.0f} days", "make it 366 days or less")
