"""What this process may use of its machine: cores, memory, open files, ports.

Linux tells all of it. Elsewhere some is unknown, which is None here, never a guess.
"""

import contextlib
import errno
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from socket import AI_PASSIVE
from typing import Final, NamedTuple

import psutil

_CGROUPS: Final = Path("/sys/fs/cgroup")
_LIMITS: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM}
)
_PROC: Final = Path("/proc")


class ResourceLimit(NamedTuple):
    """The limit of open files: `soft` holds now, a process may raise it up to `hard`."""

    soft: int
    hard: int


class PortUse(NamedTuple):
    """How many of the machine's ephemeral ports may be taken, and how many there are."""

    used: int
    available: int


# --- open files -----------------------------------------------------------------------------------


def files_limit() -> ResourceLimit:
    """Return how many files this process may have open; "unlimited" is a very high number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = 2**31 - 1
    return ResourceLimit(*(highest if n == resource.RLIM_INFINITY else n for n in (soft, hard)))


def open_files() -> int:
    """Return how many files, sockets included, this process has open."""
    # Linux 6.2 and later: the size of the folder is the count, 3 µs whatever the number. Listing
    # it takes 5 ms for 10,000 files and 15 ms for 19,000 (measured, Linux 6.18, AMD EPYC).
    return _folder_size() or psutil.Process().num_fds()


def counting_files_is_cheap() -> bool:
    """Tell whether `open_files` costs the same however many there are."""
    return _folder_size() > 0


def _folder_size() -> int:
    try:
        return os.stat("/proc/self/fd").st_size
    except OSError:
        return 0


def ran_out(error: BaseException) -> bool:
    """Tell whether an exception says that this machine has no file, port or memory left."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _LIMITS)


# --- ports ----------------------------------------------------------------------------------------


def port_use() -> PortUse | None:
    """Return how the ephemeral ports stand; None where the system does not tell (macOS)."""
    try:
        sockets = (_PROC / "net/sockstat").read_text()
        ports = (_PROC / "sys/net/ipv4/ip_local_port_range").read_text()
    except OSError:
        return None
    with contextlib.suppress(OSError):  # a kernel without IPv6
        sockets += (_PROC / "net/sockstat6").read_text()
    return PortUse(parse_sockstat(sockets), parse_port_range(ports))


def parse_sockstat(text: str) -> int:
    """Return the TCP sockets in use and in TIME_WAIT, from `/proc/net/sockstat` and `sockstat6`.

    It is an upper bound of the ports taken: sockets that listen or were accepted take none of the
    range, and two targets may share one. TIME_WAIT is counted for both families at once.
    """
    found = 0
    for line in text.splitlines():
        name, *words = line.split()
        if name in ("TCP:", "TCP6:"):
            numbers = dict(zip(words[::2], map(int, words[1::2]), strict=True))
            found += numbers.get("inuse", 0) + numbers.get("tw", 0)
    return found


def parse_port_range(text: str) -> int:
    """Return how many ports `ip_local_port_range` holds; its two numbers are the first and last."""
    first, last = map(int, text.split())
    return last - first + 1


def cannot_listen(host: str, port: int) -> str | None:
    """Return why one cannot listen at an address now, in the system's words; None if one can."""
    try:
        host.encode("idna")  # as it is looked up; gevent would print how that fails
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as listener:
            # One that was listened at until a moment ago is free: servers take it all the same.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
    except UnicodeError:
        return "no host can be called so"
    except (OSError, OverflowError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None


# --- cores and memory -----------------------------------------------------------------------------


def usable_cpus() -> frozenset[int]:
    """Return the numbers of the cores that this process may run on, as things are now."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def cores() -> float:
    """Return how many cores this process may use: its affinity, or its cgroup's quota if less."""
    quota = cgroup_cores()
    usable = float(len(usable_cpus()))
    return usable if quota is None else min(usable, quota)


def memory_available() -> int:
    """Return the bytes of memory that can be had without swapping, or the cgroup's rest if less."""
    available = int(psutil.virtual_memory().available)
    rest = cgroup_memory()
    return available if rest is None else min(available, rest)


def cgroup_cores(root: Path = _CGROUPS, proc: Path = _PROC) -> float | None:
    """Return the tightest quota above this process, in cores; None without one.

    It is `cpu.max` in version 2 of cgroups, `cpu.cfs_quota_us` and `cpu.cfs_period_us` in 1.
    """
    quotas = []
    for folder in _cgroup(root, proc, "cpu"):
        words = _words(folder / "cpu.max")
        words = words or [
            *_words(folder / "cpu.cfs_quota_us"),
            *_words(folder / "cpu.cfs_period_us"),
        ]
        if len(words) == 2 and words[0] not in ("max", "-1"):
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def cgroup_memory(root: Path = _CGROUPS, proc: Path = _PROC) -> int | None:
    """Return what is left of the tightest limit above this process, in bytes; None without one.

    It is `memory.max` in version 2 of cgroups, `memory.limit_in_bytes` in 1.
    """
    rests = []
    for folder in _cgroup(root, proc, "memory"):
        most = _words(folder / "memory.max") or _words(folder / "memory.limit_in_bytes")
        used = _words(folder / "memory.current") or _words(folder / "memory.usage_in_bytes")
        if most and used and most[0] != "max":
            rests.append(max(0, int(most[0]) - int(used[0])))
    return min(rests, default=None)


def _cgroup(root: Path, proc: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process' cgroups and those above them: each may set a limit.

    Version 2 has one hierarchy for all controllers, version 1 one for each or a few.
    """
    try:
        text = (proc / "self/cgroup").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = folder = root / controllers
        folder /= path.strip().lstrip("/")
        yield folder
        while folder != top:
            folder = folder.parent
            yield folder


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


class CpuClock:
    """How busy the cores are that this process may use, by anyone, since the last look."""

    def __init__(self) -> None:
        self._before = _cpu_times()

    def busy_percent(self) -> float:
        """Return the busy share since the last call in percent: 100 is every usable core.

        Waiting for a disk is not busy; what a hypervisor gave to others (steal) is.
        """
        before, self._before = self._before, _cpu_times()
        busy = every = 0.0
        for cpu in usable_cpus() & before.keys() & self._before.keys():
            (busy_then, every_then), (busy_now, every_now) = before[cpu], self._before[cpu]
            busy += busy_now - busy_then
            every += every_now - every_then
        # Counters of a virtual machine may step back.
        return min(100.0, max(0.0, 100 * busy / every)) if every > 0 else 0.0


def _cpu_times() -> dict[int, tuple[float, float]]:
    """Return for each core its busy seconds and all its seconds."""
    found = {}
    for number, times in enumerate(psutil.cpu_times(percpu=True)):
        # `guest` is part of `user` already, and `guest_nice` of `nice`.
        every = sum(times) - getattr(times, "guest", 0) - getattr(times, "guest_nice", 0)
        found[number] = (every - times.idle - getattr(times, "iowait", 0), every)
    return found
