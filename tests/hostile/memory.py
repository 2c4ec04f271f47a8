"""How much memory a process takes, as Linux counts it: exact, and at no cost to what is tried."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

OWN: Final = os.getpid()


def resident(pid: int = OWN) -> float:
    """Bytes that it has now."""
    return _figure(pid, "VmRSS")


def most(pid: int = OWN) -> float:
    """The most bytes that it had since `forget`."""
    return _figure(pid, "VmHWM")


def forget(pid: int = OWN) -> None:
    """See proc_pid_clear_refs(5)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _figure(pid: int, name: str) -> float:
    with open(f"/proc/{pid}/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


@contextlib.contextmanager
def grows_less_than(limit: float) -> Iterator[None]:
    """This process never takes so many bytes more than it has now."""
    forget()
    before = resident()
    yield
    grown = most() - before
    assert grown < limit, f"{grown / 1e6:,.0f} MB more"
