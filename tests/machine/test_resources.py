"""What a process may use of its machine, read from texts of the kernel and against the system."""

import os
import resource
import socket
import sys
from pathlib import Path

import psutil
import pytest

from loadkit.machine import resources
from loadkit.machine.resources import (
    CpuClock,
    cannot_listen,
    cgroup_cores,
    cgroup_memory,
    cores,
    files_limit,
    memory_available,
    open_files,
    parse_port_range,
    parse_sockstat,
    port_use,
    usable_cpus,
)

SOCKSTAT = """\
sockets: used 1915
TCP: inuse 1203 orphan 4 tw 377 alloc 1310 mem 58
UDP: inuse 9 mem 3
UDPLITE: inuse 0
RAW: inuse 0
FRAG: inuse 0 memory 0
"""
SOCKSTAT6 = "TCP6: inuse 20\nUDP6: inuse 5\nFRAG6: inuse 0 memory 0\n"

linux = pytest.mark.skipif(sys.platform != "linux", reason="read from Linux' /proc")


def test_ports_taken_are_sockets_of_both_families_and_those_in_time_wait() -> None:
    """TCP alone counts: in use over IPv4 and IPv6, and TIME_WAIT, which is of both."""
    assert parse_sockstat(SOCKSTAT) == 1203 + 377
    assert parse_sockstat(SOCKSTAT + SOCKSTAT6) == 1203 + 377 + 20


def test_both_ends_of_the_port_range_can_be_used() -> None:
    """The kernel's range includes its last port."""
    assert parse_port_range("32768\t60999\n") == 28_232


@linux
def test_a_connection_of_ours_shows_in_the_use_of_ports() -> None:
    """A pair of sockets over loopback is two more in use; others may come and go meanwhile."""
    import socket

    before = port_use()
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        clients = [socket.create_connection(listener.getsockname()) for _ in range(100)]
        during = port_use()
        for client in clients:
            client.close()
    assert before is not None
    assert during is not None
    assert during.used - before.used >= 100
    assert during.available == before.available > 0


def test_a_system_without_sockstat_leaves_the_ports_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where /proc does not tell, nothing is said in its place."""
    monkeypatch.setattr(resources, "_PROC", tmp_path)
    assert port_use() is None


@linux
def test_every_open_file_is_counted() -> None:
    """The count is what a listing of the folder gives, and follows each file opened."""
    handles = [os.open(os.devnull, os.O_RDONLY) for _ in range(50)]
    try:
        assert open_files() == len(os.listdir("/proc/self/fd")) - 1  # the listing has one open
    finally:
        for handle in handles:
            os.close(handle)


def test_files_are_counted_where_the_kernel_does_not_tell_their_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before Linux 6.2 the folder has no size, and elsewhere there is no folder: list them."""
    expected = psutil.Process().num_fds()
    monkeypatch.setattr(resources, "_folder_size", lambda: 0)
    assert open_files() == expected
    assert not resources.counting_files_is_cheap()


def test_the_limit_of_files_is_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what the system call says; "unlimited" is a number that no process reaches."""
    assert files_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, resource.RLIM_INFINITY))
    assert files_limit().soft == 1024
    assert files_limit().hard > 10**9


def cgroup(root: Path, path: str, **files: str) -> None:
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text + "\n")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc of a process in the cgroup /ci/job of version 2."""
    folder = tmp_path / "proc/self"
    folder.mkdir(parents=True)
    (folder / "cgroup").write_text("9:name=systemd:/\n1:cpu:/elsewhere\n0::/ci/job\n")
    return tmp_path / "proc"


def test_the_tightest_quota_above_a_process_is_its_cores(tmp_path: Path, proc: Path) -> None:
    """A cgroup may use no more than those it lies in."""
    root = tmp_path / "cgroup"
    cgroup(root, "ci/job", cpu_max="max 100000")
    cgroup(root, "ci", cpu_max="150000 100000")
    cgroup(root, ".", cpu_max="400000 100000")
    assert cgroup_cores(root, proc) == 1.5


def test_what_is_left_of_the_tightest_memory_limit_is_the_memory(
    tmp_path: Path, proc: Path
) -> None:
    """The rest counts, not the limit; one that is overdrawn leaves nothing."""
    root = tmp_path / "cgroup"
    cgroup(root, "ci/job", memory_max="1000000", memory_current="400000")
    cgroup(root, "ci", memory_max="max", memory_current="700000")
    assert cgroup_memory(root, proc) == 600_000
    cgroup(root, "ci", memory_max="500000", memory_current="700000")
    assert cgroup_memory(root, proc) == 0


def test_a_quota_of_version_1_counts_too(tmp_path: Path, proc: Path) -> None:
    """In its own hierarchy; what a container sees of it may be the top alone."""
    (proc / "self/cgroup").write_text("9:memory:/docker/a1\n4:cpu,cpuacct:/docker/a1\n0::/\n")
    root = tmp_path / "cgroup"
    assert cgroup_cores(root, proc) is None
    for folder, quota in (("cpu,cpuacct", "250000"), ("cpu,cpuacct/docker/a1", "-1")):
        (root / folder).mkdir(parents=True)
        (root / folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
        (root / folder / "cpu.cfs_period_us").write_text("100000\n")
    assert cgroup_cores(root, proc) == 2.5
    (root / "memory").mkdir()
    (root / "memory/memory.limit_in_bytes").write_text("500000\n")
    (root / "memory/memory.usage_in_bytes").write_text("200000\n")
    assert cgroup_memory(root, proc) == 300_000


@pytest.mark.parametrize("lines", ["0::/ci/job\n", "0::/\n", "3:cpu:/a\n", ""])
def test_no_cgroup_of_version_2_is_no_limit(tmp_path: Path, proc: Path, lines: str) -> None:
    """Nothing to read is nothing known."""
    (proc / "self/cgroup").write_text(lines)
    assert cgroup_cores(tmp_path / "cgroup", proc) is None
    assert cgroup_memory(tmp_path / "cgroup", proc) is None


def test_no_file_about_cgroups_is_no_limit(tmp_path: Path) -> None:
    """As on macOS."""
    assert cgroup_cores(tmp_path, tmp_path) is None


@pytest.mark.parametrize(("quota", "expected"), [(None, 4.0), (1.5, 1.5), (64.0, 4.0)])
def test_cores_are_those_of_the_affinity_unless_the_quota_is_less(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, expected: float
) -> None:
    """A quota above the number of cores gives none more."""
    monkeypatch.setattr(resources, "usable_cpus", lambda: frozenset(range(4)))
    monkeypatch.setattr(resources, "cgroup_cores", lambda: quota)
    assert cores() == expected


@linux
def test_cores_follow_the_process_when_it_is_moved() -> None:
    """The affinity is asked for each time."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cpus() == {min(before)}
        assert cores() <= 1.0
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(("rest", "expected"), [(None, 1000), (600, 600), (5000, 1000)])
def test_memory_is_the_machines_unless_the_cgroup_has_less(
    monkeypatch: pytest.MonkeyPatch, rest: int | None, expected: int
) -> None:
    """A generous cgroup makes no memory."""

    class Memory:
        available = 1000

    monkeypatch.setattr(resources.psutil, "virtual_memory", Memory)
    monkeypatch.setattr(resources, "cgroup_memory", lambda: rest)
    assert memory_available() == expected


class Times:
    """A core's seconds as psutil gives them."""

    def __init__(self, user: float, idle: float, iowait: float = 0, steal: float = 0) -> None:
        self.user, self.idle, self.iowait, self.steal = user, idle, iowait, steal
        self.guest = user / 2  # which `user` holds already

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter((self.user, self.idle, self.iowait, self.steal, self.guest))


def test_the_share_of_busy_time_is_of_the_cores_that_can_be_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Steal is busy, waiting for a disk is not, and a core that is not ours does not count."""
    then = [Times(10, 10), Times(10, 10), Times(0, 0)]
    now = [Times(11, 12, iowait=1), Times(12, 10, steal=2), Times(8, 0)]
    looks = iter([then, now, now])
    monkeypatch.setattr(resources.psutil, "cpu_times", lambda percpu: next(looks))
    monkeypatch.setattr(resources, "usable_cpus", lambda: frozenset({0, 1, 7}))
    clock = CpuClock()
    assert clock.busy_percent() == pytest.approx(100 * (1 + 4) / (4 + 4))
    assert clock.busy_percent() == 0.0  # no time has passed by the system's clock


def test_an_address_that_somebody_listens_at_cannot_be_listened_at() -> None:
    """Nor one that this machine does not have; one that was let go is free."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cannot_listen("127.0.0.1", port) == "Address already in use"
    assert cannot_listen("127.0.0.1", port) is None
    assert cannot_listen("203.0.113.1", 0) == "Cannot assign requested address"
