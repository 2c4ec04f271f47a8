"""The peer that loadkit is compared with."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_it_can_be_imported_by_itself() -> None:
    """Locust replaces the sockets of a process, and has to before others take hold of them."""
    code = "import bench.peer"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
