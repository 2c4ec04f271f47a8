"""Debian's chromium without a window, asked through its DevTools protocol."""

import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websocket import WebSocket, create_connection

BINARY = shutil.which("chromium") or shutil.which("chromium-browser")
needs_browser = pytest.mark.skipif(
    BINARY is None, reason="needs a browser: apt-get install chromium"
)


class Page:
    """One page in a browser.

    Attributes:
        complaints: what its console was told of errors, and which of its requests failed.
    """

    def __init__(self, socket: WebSocket) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the browser for something; returns its answer."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            told = json.loads(self._socket.recv())
            if told.get("id") == number:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result
            self._hear(told)

    def open(self, address: str, *, width: int = 1400, dark: bool = False) -> None:
        """Go to a page, and wait until it is there."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        wished = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce",  # a link leads there at once
        }
        features = [{"name": name, "value": value} for name, value in wished.items()]
        self.ask("Emulation.setEmulatedMedia", features=features)
        self.ask("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """Return what an expression comes to; a promise is waited for."""
        found = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, condition: str, seconds: float = 30.0) -> None:
        """Wait until an expression is true."""
        wait = (
            "new Promise((done) => { const end = Date.now() + "
            f"{1000 * seconds}; const look = () => ({condition}) ? done(true) : "
            "Date.now() > end ? done(false) : setTimeout(look, 20); look(); })"
        )
        assert self.run(wait), f"never came: {condition}"

    def _hear(self, told: dict[str, Any]) -> None:
        params = told.get("params", {})
        match told.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning"):
                self.complaints.append(str(params["args"]))
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.complaints.append(str(params["entry"]))
            case "Network.requestWillBeSent" if params["type"] != "Document":
                if not params["request"]["url"].startswith(("data:", "blob:")):
                    self.complaints.append(f"fetches {params['request']['url']}")


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """Start one, with what it keeps in a folder, and end it."""
    assert BINARY is not None
    with subprocess.Popen(
        [
            *(BINARY, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--remote-debugging-port=0", f"--user-data-dir={folder}", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "about:blank"),
        ],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            found = next(m for line in lines if (m := re.search(r"ws://([\d.]+:\d+)/", line)))
            socket = create_connection(_page(found[1]), timeout=60, suppress_origin=True)
            try:
                yield Page(socket)
            finally:
                socket.close()
        finally:
            process.kill()


def _page(host: str) -> str:
    from urllib.request import urlopen

    with urlopen(f"http://{host}/json", timeout=30) as answer:
        pages = json.load(answer)
    return str(next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"))
