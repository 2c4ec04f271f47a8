"""The kernel's stamps on our own clock: two clocks whose hands we turn, and one real socket."""

import socket
import struct
import sys
from time import perf_counter, sleep, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.net.websocket.timestamps import NOTE_SIZE, ArrivalClock, ask_for_stamps

WALL = 1.79e9  # seconds since 1970 when the tests begin
MICROSECOND = 1e-6  # a float that holds WALL is good to 0.24 of them

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux stamps what arrives")


class Clocks:
    """A wall clock and a monotonic one; the wall clock can be set."""

    def __init__(self) -> None:
        self.monotonic, self.ahead = 1000.0, WALL
        self.stamps = ArrivalClock(lambda: self.monotonic + self.ahead, lambda: self.monotonic)

    def note(self) -> list[tuple[int, int, bytes]]:
        """What the kernel would note now."""
        nanoseconds = round((self.monotonic + self.ahead) * 1e9)
        spec = struct.pack("@ll", *divmod(nanoseconds, 10**9))
        return [(socket.SOL_SOCKET, 35, spec)]


def test_what_lay_in_the_kernel_is_dated_to_its_arrival():
    """The time from the arrival to the read is not the server's."""
    clocks = Clocks()
    clocks.monotonic = 1005.0
    note = clocks.note()
    clocks.monotonic = 1005.15
    arrived, now = clocks.stamps.read(note, since=1000.0)
    assert arrived == pytest.approx(1005.0, abs=MICROSECOND)
    assert now == 1005.15


@pytest.mark.parametrize(
    "notes",
    [
        [],
        [(socket.SOL_SOCKET, 2, struct.pack("@ll", round(WALL) + 1001, 0))],
        [(socket.SOL_SOCKET, 35, b"\0\0\0\0")],
    ],
    ids=["none", "another kind", "another size"],
)
def test_without_a_stamp_it_is_the_time_of_the_read(notes):
    """A kernel that has just been asked may have bytes that it did not stamp."""
    clocks = Clocks()
    clocks.monotonic = 1005.0
    assert clocks.stamps.read(notes, since=1000.0) == (1005.0, 1005.0)


def test_an_arrival_just_before_the_last_read_is_dated_to_that_read():
    """The clock is looked at a little after the read, and bytes may come in between."""
    clocks = Clocks()
    note = clocks.note()
    clocks.monotonic = 1000.5
    arrived, _ = clocks.stamps.read(note, since=1000.0004)
    assert arrived == 1000.0004


@pytest.mark.parametrize("age", [-3600.0, -0.01, 61.0, 3600.0])
def test_an_impossible_age_is_no_age(age):
    """A kernel with another wall clock than ours, as under a faked one, is not believed."""
    clocks = Clocks()
    clocks.monotonic = 1060.0 - age
    note = clocks.note()
    clocks.monotonic = 1060.0
    assert clocks.stamps.read(note, since=1000.0) == (1060.0, 1060.0)


@pytest.mark.parametrize("step", [-3600.0, -0.03, -0.002, 0.002, 0.03, 3600.0])
def test_a_step_of_the_wall_clock_takes_only_the_stamps_from_before_it(step):
    """What arrived before the step is dated to its read, what arrives after it as ever."""
    clocks = Clocks()
    clocks.monotonic = 1005.0
    before = clocks.note()
    clocks.monotonic, clocks.ahead = 1005.02, WALL + step
    arrived, _ = clocks.stamps.read(before, since=1000.0)
    assert arrived == 1005.02
    clocks.monotonic = 1006.0
    after = clocks.note()
    clocks.monotonic = 1006.1
    arrived, _ = clocks.stamps.read(after, since=1005.02)
    assert arrived == pytest.approx(1006.0, abs=MICROSECOND)


def test_a_slewed_wall_clock_is_no_step():
    """NTP moves the wall clock by up to half a millisecond a second, all the time."""
    clocks = Clocks()
    for second in range(1, 60):
        clocks.monotonic, clocks.ahead = 1000.0 + second, WALL + second * 0.0005
        note = clocks.note()
        clocks.monotonic += 0.05
        arrived, _ = clocks.stamps.read(note, since=999.0 + second)
        assert arrived == pytest.approx(1000.0 + second, abs=MICROSECOND)


@given(
    reads=st.lists(
        st.tuples(
            st.floats(0.0, 5.0),  # seconds from the last read to the arrival
            st.floats(0.0, 5.0),  # and on to this read
            st.sampled_from([0.0, 0.0, 0.0, 1e-4, -1e-4, 0.5, -0.5, 86400.0, -86400.0]),
        ),
        max_size=30,
    )
)
@settings(max_examples=50)
def test_stamps_run_one_way_whatever_the_wall_clock_does(reads):
    """A stamp is never before the read that preceded it, never before the last, never to come."""
    clocks = Clocks()
    since = last = clocks.monotonic
    for wait, lie, step in reads:
        clocks.monotonic += wait
        note = clocks.note()
        clocks.ahead += step
        clocks.monotonic += lie
        arrived, now = clocks.stamps.read(note, since)
        assert max(since, last) <= arrived <= now == clocks.monotonic
        since, last = now, arrived


@linux
def test_the_kernel_stamps_what_a_socket_reads():
    """The number of the option, the note's size and its layout are those of this machine."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as ours,
        listener.accept()[0] as theirs,
    ):
        clock = ArrivalClock(time, perf_counter)
        assert ask_for_stamps(ours)
        sleep(0.05)  # the kernel begins to stamp in the background
        since = perf_counter()
        theirs.sendall(b"x")
        sent = perf_counter()
        sleep(0.1)
        _, notes, flags, _ = ours.recvmsg(16, NOTE_SIZE)
        arrived, now = clock.read(notes, since)
    assert not flags & socket.MSG_CTRUNC
    assert since <= arrived < sent + 0.05
    assert now >= sent + 0.1


def test_a_socket_that_cannot_be_asked_is_read_without_stamps():
    """A closed one, say: the reading itself finds out what is wrong."""
    sock = socket.socket()
    sock.close()
    assert not ask_for_stamps(sock)
