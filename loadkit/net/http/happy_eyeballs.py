"""TCP to a name with several addresses: who stays silent is overtaken, as RFC 8305 has it."""

import errno
import os
import select
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final, NamedTuple, TypeAlias

import gevent.select
import gevent.socket

from loadkit.machine.resources import files_limit

Address: TypeAlias = tuple[int, tuple[Any, ...]]  # family, what connect() takes

ATTEMPT_DELAY: Final = 0.25
"""Seconds that an address has to answer before the next one is tried beside it (RFC 8305, 5)."""

SPARE_FILES: Final = 24
"""That no session may take: whatever else this process opens, its own figures first of all, must
not fail for a target that takes too many."""


class Reached(NamedTuple):
    """How a connection came about."""

    sock: gevent.socket.socket  # connected, cooperative, without a time-out
    address: Address  # whose it is
    # By address that was tried before, the seconds until the next one was.
    waits: dict[Address, float]
    # Those of them that had said neither yes nor no when another one answered.
    silent: tuple[Address, ...]


class _Attempt(NamedTuple):
    sock: gevent.socket.socket
    address: Address
    is_open: bool  # else nothing has come back yet


def reach(addresses: Sequence[Address]) -> Reached:
    """Connect to the first address that answers. The caller bounds the wait.

    Args:
        addresses: at least one, the best first. The next is tried as soon as one refuses, or has
            been silent for `ATTEMPT_DELAY`; the silent ones may still answer meanwhile.

    Raises:
        OSError: none can be connected to; what the last one came to.
    """
    if len(addresses) == 1:
        return Reached(_begin(addresses[0], None).sock, addresses[0], {}, ())
    refusal: OSError | None = None
    begun: dict[Address, float] = {}
    pending: dict[int, _Attempt] = {}
    last = len(addresses)
    try:
        for number, address in enumerate(addresses, 1):
            begun[address] = perf_counter()
            # Alone it is waited for in the plain way, which is the cheapest and nearly always it.
            patience = 0.0 if pending else None if number == last else ATTEMPT_DELAY
            try:
                attempt = _begin(address, patience)
            except OSError as error:
                refusal = error
                continue
            if attempt.is_open:
                return _won(attempt, begun, pending)
            pending[attempt.sock.fileno()] = attempt
            until = None if number == last else begun[address] + ATTEMPT_DELAY
            while pending and (until is None or perf_counter() < until):
                for done in _answered(pending, until):
                    code = done.sock.getsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_ERROR)
                    if not code:
                        return _won(done, begun, pending)
                    done.sock.close()
                    refusal = OSError(code, os.strerror(code))
        assert refusal is not None, "there is at least one address"
        raise refusal
    finally:
        for attempt in pending.values():
            attempt.sock.close()


def _begin(address: Address, patience: float | None) -> _Attempt:
    sock = gevent.socket.socket(address[0], gevent.socket.SOCK_STREAM)
    try:
        # The lowest number that is free is given out, so that all below are taken.
        if sock.fileno() >= files_limit().soft - SPARE_FILES:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        # A frame must leave when it is written, not when the last one was acknowledged.
        sock.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
        sock.settimeout(patience)
        try:
            sock.connect(address[1])
        except (TimeoutError, BlockingIOError) as error:
            if error.errno == errno.ETIMEDOUT:  # the system's own limit, minutes long
                raise
            return _Attempt(sock, address, is_open=False)
        return _Attempt(sock, address, is_open=True)
    except BaseException:
        sock.close()
        raise


def _answered(pending: dict[int, _Attempt], until: float | None) -> list[_Attempt]:
    """Wait for an answer of one; those that have one are pending no more."""
    poll = gevent.select.poll()
    for fd in pending:
        poll.register(fd, select.POLLOUT)
    ready = poll.poll(None if until is None else max(0.0, until - perf_counter()) * 1000)
    return [pending.pop(fd) for fd, _ in ready]


def _won(done: _Attempt, begun: dict[Address, float], pending: dict[int, _Attempt]) -> Reached:
    done.sock.settimeout(None)
    waits: dict[Address, float] = {}
    if len(begun) > 1:
        moments = list(begun.items())
        before = list(begun).index(done.address)
        waits = {
            address: moments[i + 1][1] - at for i, (address, at) in enumerate(moments[:before])
        }
    silent = tuple(each.address for each in pending.values() if each.address in waits)
    return Reached(done.sock, done.address, waits, silent)
