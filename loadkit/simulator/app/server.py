"""The whole service on one port: put together, started, stopped."""

import asyncio
import gc
import logging
import resource
import time
from pathlib import Path
from typing import Any, Final, Self

import uvloop
from aiohttp import web

from loadkit.errors import UsageError
from loadkit.machine import lifeline
from loadkit.output import never_wait, say
from loadkit.simulator.app.connection import HttpConnection, told
from loadkit.simulator.app.registry import Registry
from loadkit.simulator.app.rest_api import Rest, correlate, errors_as_json, under_incidents
from loadkit.simulator.app.tokens import ConnectorCredentials, Tokens
from loadkit.simulator.app.truth_log import TruthLog
from loadkit.simulator.app.websocket_endpoint import SocketEndpoint
from loadkit.simulator.clock import LoopClock, Timer
from loadkit.simulator.dials import Dials
from loadkit.simulator.faults.incidents import ServerIncident
from loadkit.simulator.shared import SharedState

_log = logging.getLogger(__name__)

_GRACE: Final = 0.5  # seconds that clients have for their half of the close when we stop
_FLUSH: Final = 0.5  # seconds between writes of the truth log
_BACKLOG: Final = 4096  # connections that may knock at one moment
_AGAIN: Final = 0.1  # seconds until the port is asked for again after a restart
_GC_THRESHOLD: Final = 20_000  # objects; see _until_stopped


class Simulator:
    """A simulated Messaging API in the running event loop, as an asynchronous context.

    Args:
        dials: its settings.
        host: the address to bind.
        port: the port to bind, 0 for any that is free.
        truth: where to write the truth log; None keeps none.
        credentials: the registered connector; None takes the environment's.

    Raises:
        UsageError: on entering, when the address is taken or not ours, or the truth log cannot
            be opened.
    """

    url: str  # where it listens, such as `http://127.0.0.1:8100`, once it has been entered

    def __init__(
        self,
        dials: Dials,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        truth: Path | None = None,
        credentials: ConnectorCredentials | None = None,
    ) -> None:
        self._dials, self._host, self._port, self._path = dials, host, port, truth
        self._credentials = credentials or ConnectorCredentials.from_environment()

    async def __aenter__(self) -> Self:
        dials = self._dials
        clock = LoopClock(asyncio.get_running_loop())
        self._truth = TruthLog(self._path)
        self._setting = setting = SharedState.of(dials, clock, self._truth)
        tokens = Tokens(dials.token_lifetime_seconds)
        self._registry = Registry(setting)
        self._sockets = SocketEndpoint(setting, tokens, self._registry)
        rest = Rest(setting, self._credentials, tokens, self._registry)
        app = web.Application(middlewares=[errors_as_json, under_incidents(setting)])
        app.on_response_prepare.append(correlate)
        app.router.add_post("/api/v1/access-token", rest.access_token)
        app.router.add_post("/api/v1/sessions", rest.sessions)
        app.router.add_get("/ws", self._sockets.handle, allow_head=False)
        self._runner = web.AppRunner(app, shutdown_timeout=_GRACE)
        await self._runner.setup()
        self._clock = clock
        try:
            self._listening: asyncio.Server | None = await self._listen()
        except (OSError, UnicodeError) as error:  # the latter of a host that is no name
            await self._runner.cleanup()
            self._truth.close()
            # asyncio repeats the address in front of the system's words
            reason = "no host can be called so"
            if isinstance(error, OSError):
                reason = str(error.strerror or error).rpartition(": ")[2]
            raise UsageError(
                f"cannot listen on {self._host}:{self._port}: {reason}; "
                "choose another port with --port, or an address of this machine with --host"
            ) from error
        port = self._listening.sockets[0].getsockname()[1]
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"http://{host}:{port}"
        self._port = port  # whoever asked for any gets the same one after a restart
        self._restarting: asyncio.Task[None] | None = None
        self._flushing: Timer = clock.later(_FLUSH, self._flush)
        setting.incidents.start(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._setting.incidents.stop()
        if self._restarting is not None:
            self._restarting.cancel()
        if self._listening is not None:
            self._listening.close()
        self._registry.cut()
        await self._sockets.close_all(_GRACE)
        await self._runner.cleanup()
        self._flushing.cancel()
        self._truth.close()

    def befall(self, incident: ServerIncident) -> None:
        """See `IncidentTarget.befall`."""
        if incident.kind == "freeze":
            self._truth.flush()
            time.sleep(incident.duration)  # the whole process, as a stopped one: nothing goes on
        elif incident.kind == "half_open":
            self._sockets.fall_silent()
        elif incident.kind == "restart":
            self._restarting = asyncio.create_task(self._go_down(forget=incident.forget))

    def recover(self, incident: ServerIncident) -> None:
        """See `IncidentTarget.recover`."""
        if incident.kind == "restart":
            self._restarting = asyncio.create_task(self._come_up())

    async def _go_down(self, *, forget: bool) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()
        self._sockets.cut_all()
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        if forget:
            self._registry.cut()

    async def _come_up(self) -> None:
        self._setting.drift.restart()
        while self._listening is None:
            try:
                self._listening = await self._listen()
            except OSError as error:
                _log.warning("the port is not free yet: %s", error.strerror)
                await asyncio.sleep(_AGAIN)

    async def _listen(self) -> asyncio.Server:
        server, loop = self._runner.server, asyncio.get_running_loop()
        assert server is not None
        return await loop.create_server(
            lambda: HttpConnection(server, loop=loop), self._host, self._port, backlog=_BACKLOG
        )

    def _flush(self) -> None:
        self._truth.flush()
        self._flushing = self._clock.later(_FLUSH, self._flush)


def serve(
    dials: Dials, *, host: str = "127.0.0.1", port: int = 0, truth: Path | None = None
) -> None:
    """Run the simulator in this process until SIGINT, SIGTERM or SIGHUP, then return.

    It does not outlive the run that has started it.

    Prints `listening on http://HOST:PORT` as the one line on standard output once clients may
    come. Arguments and errors are those of a `Simulator`.
    """
    lifeline.watch(lifeline.TARGET_ENDS, after=lifeline.TARGET_STAYS)
    _raise_file_limit()
    never_wait()
    uvloop.run(_until_stopped(Simulator(dials, host=host, port=port, truth=truth)))


async def _until_stopped(simulator: Simulator) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in lifeline.stop_signals():
        loop.add_signal_handler(number, stopped.set)
    loop.set_exception_handler(_tell)
    async with simulator:
        # Thousands of long-lived sessions make every full collection a pause that clients would
        # measure as our latency: leave out what is here for good, and collect more rarely.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD, 10, 10)
        say(f"listening on {simulator.url}")
        await stopped.wait()


def _tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what failed outside a request, without a word of what it failed at."""
    _log.error("a connection or a timer failed: %s", told(context.get("exception")))


def _raise_file_limit() -> None:
    """Take as many file descriptors as the system allows: each socket is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError) as error:
        _log.warning("cannot raise the limit of open files: %s", error)
