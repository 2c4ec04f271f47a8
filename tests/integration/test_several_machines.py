"""The commands of docs/distributed.md, as they stand there, each on a machine of its own.

A machine is a network namespace with one address, and a wire to a switch that all hang on. Where
namespaces cannot be had, the addresses are moved to the loopback network.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from processes import ROOT, SECRETS, Started, profile, started, summary, unless_busy

PAGE = ROOT / "docs" / "distributed.md"
NETWORK = "10.20.0."
KEY = {"LOADKIT_WORKER_KEY": "a text that all of them know"}
TARGET, MASTER, WORKER, WORKERS = (f"{NETWORK}{host}" for host in (9, 1, 2, 3))


def commands() -> dict[str, str]:
    """What the page says to run, by the address in the heading above it."""
    found = re.findall(
        rf"^### .*({re.escape(NETWORK)}\d+)\n(?:(?!^#)[\s\S])*?^```sh\n(.*)\n```$",
        PAGE.read_text(),
        re.MULTILINE,
    )
    return dict(found)


class Machines:
    """Hosts of one network, known by their addresses."""

    def __init__(self, stack: ExitStack, addresses: Sequence[str]) -> None:
        self._names: dict[str, str] = {}
        if os.geteuid() or not shutil.which("ip"):
            return
        switch = f"loadkit-{os.getpid()}"
        self._namespace(stack, switch)
        _ip("-n", switch, "link", "add", "switch", "type", "bridge")
        _ip("-n", switch, "link", "set", "switch", "up")
        for address in addresses:
            host = address.removeprefix(NETWORK)
            name = self._names[address] = f"{switch}-{host}"
            self._namespace(stack, name)
            _ip("-n", name, "link", "set", "lo", "up")
            wire = ("link", "add", "wire", "type", "veth", "peer", "name", f"port{host}")
            _ip("-n", name, *wire, "netns", switch)
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", "wire")
            _ip("-n", name, "link", "set", "wire", "up")
            _ip("-n", switch, "link", "set", f"port{host}", "master", "switch", "up")

    @staticmethod
    def _namespace(stack: ExitStack, name: str) -> None:
        _ip("netns", "add", name)
        stack.callback(_ip, "netns", "del", name)

    def command(self, address: str, line: str, folder: Path) -> list[str]:
        """What runs a line of the page on a machine, in a folder with a locustfile."""
        enter = ["ip", "netns", "exec", self._names[address]] if self._names else []
        if not self._names:
            line = line.replace(NETWORK, "127.20.0.")
        # As on a machine where .venv/bin is on the PATH.
        path = f"PATH={Path(sys.executable).parent}:{os.environ['PATH']}"
        return [*enter, "env", "-C", str(folder), path, "sh", "-c", f"exec {line}"]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=10)


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    with ExitStack() as stack:
        try:
            found = Machines(stack, [TARGET, MASTER, WORKER, WORKERS])
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        yield found


def test_the_page_has_a_command_for_every_machine() -> None:
    """Else the next test would try nothing."""
    assert list(commands()) == [TARGET, MASTER, WORKER, WORKERS]


def test_a_run_over_four_machines(machines: Machines, tmp_path: Path) -> None:
    """One machine leads, two load with three workers, all against the fourth."""
    shutil.copy(ROOT / "locustfile.py", tmp_path)
    (tmp_path / "profiles").mkdir()
    # The page's profile takes half a minute; one of the same name in the folder comes first.
    profile(tmp_path / "profiles", name="smoke", users=9, seconds=4)
    with ExitStack() as stack:

        def start(address: str) -> Started:
            command = machines.command(address, commands()[address], tmp_path)
            return stack.enter_context(started(command, tmp_path, SECRETS | KEY))

        target = start(TARGET)
        target.wait_for(lambda: "listening on http://" in target.output, "listening")
        master, *workers = (start(address) for address in (MASTER, WORKER, WORKERS))
        ended = master.finish()
        for worker in workers:
            assert worker.finish().code == 0, worker.output
        target.send(signal.SIGTERM)
        assert target.finish().code == 0
    told: dict[str, Any] = summary(tmp_path / "results")
    assert ended.code == unless_busy(0, told), ended.output
    assert told["generator"]["workers"] == 3
    assert told["generator"]["workers_refused"] == told["generator"]["workers_lost"] == []
    assert told["sessions"]["peak_concurrent"] == 9
    assert told["turns"]["answered"] > 0
    assert (told["errors"], told["violations"]) == ({}, {})
