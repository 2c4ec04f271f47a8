"""Whoever is started by a process of ours ends with it, on every level, however that one dies."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from loadkit.machine import lifeline

PATIENCE = 30.0  # seconds before a test gives up; nothing waits for it to pass
PARENT = """
import sys, time
from loadkit.machine import lifeline
lifeline.start([sys.executable, "-c", sys.argv[1]], {})
time.sleep(600)
"""
HEAD = "import _thread, os, signal, sys, time\nfrom loadkit.machine import lifeline\n"
HERE = "print(os.getpid(), flush=True)\n"
FOR_EVER = "while True: time.sleep(600)\n"
WATCH = f"lifeline.watch(60.0)\n{HERE}{FOR_EVER}"
TIE = "lifeline.tie_forks(lambda: 60.0, _thread.start_new_thread)\n"
CHILDREN = {
    "who watches": WATCH,
    "who finishes something": f"signal.signal(signal.SIGTERM, lambda *_: sys.exit())\n{WATCH}",
    "who is stuck": f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\nlifeline.watch(0.1)\n{HERE}"
    + FOR_EVER,
    "who is too late to see it": f"parent = os.getppid()\n{HERE}"
    + f"while os.getppid() == parent: time.sleep(0.01)\n{WATCH}",
    "who is to stay a little": f"lifeline.watch(60.0, after=0.1)\n{HERE}{FOR_EVER}",
    "whom that one has forked": f"{TIE}{TIE}if not os.fork():\n    {HERE}    {FOR_EVER}{WATCH}",
    "a fork of a fork": f"{TIE}if not os.fork():\n    os.fork()\n    {HERE}    {FOR_EVER}{WATCH}",
}


@pytest.mark.parametrize("who", CHILDREN)
def test_nobody_is_left_behind(who: str) -> None:
    """Standard output, which they share, ends with the last of them."""
    command = [sys.executable, "-c", PARENT, HEAD + CHILDREN[who]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        try:
            parent.communicate(timeout=PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_whoever_was_started_by_somebody_else_watches_nobody() -> None:
    """A terminal may go, and so may a script: that is what `nohup` and `setsid` are for."""
    lifeline.watch(0.0, thread=lambda *_: pytest.fail("it watches"))
    assert not lifeline.is_cut()


def test_a_hang_up_ends_a_process_unless_it_is_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        assert signal.SIGHUP in lifeline.stop_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert lifeline.stop_signals() == (signal.SIGINT, signal.SIGTERM)
    finally:
        signal.signal(signal.SIGHUP, before)
