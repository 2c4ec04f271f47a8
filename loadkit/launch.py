"""Processes of a run: the simulator where no target is given, and Locust, each in its own."""

import json
import os
import random
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from loadkit.config.mistakes import ConfigError, Key
from loadkit.errors import LoadkitError, UsageError
from loadkit.exit_codes import of_signal
from loadkit.flags import TYPED, Tell
from loadkit.machine import lifeline
from loadkit.machine.resources import cannot_listen
from loadkit.net.http.target import Target
from loadkit.net.preflight.permit import permit
from loadkit.network import DIRECT, LOOPBACK, Network
from loadkit.output import never_wait, say, share_terminal, stand
from loadkit.profile.profile import Profile, load_profile, profile_folders
from loadkit.readiness.room import Room, check
from loadkit.report.screen import Screen
from loadkit.security.credentials import HOST_VARIABLE, TOKEN_VARIABLE, WORKER_KEY_VARIABLE
from loadkit.security.redaction import remember

SIMULATOR_STARTS: Final = 15.0  # seconds until it must have named its address
LAST_LOOK: Final = 2  # seconds after a run for its page to hear of the end
SIMULATOR_STOPS: Final = 5.0  # seconds from SIGTERM to SIGKILL
_HERE: Final = Path(__file__).parent


def launch(
    profile: str,
    *,
    host: str | None,
    workers: int,
    overrides: Sequence[str],
    out: Path,
    ui_port: int | None,
    once: bool = True,
    locustfile: Path | None = None,
    allow_production: bool = False,
    force: bool = False,
    network: Network = DIRECT,
    tell: Tell = "all",
    typed: Sequence[str] = (),
    further: Sequence[str] = (),
) -> int:
    """Run a profile through Locust and wait for its end.

    Args:
        profile: a name or a path.
        host: the target; None starts the simulator on a free loopback port, its dials turned as
            the profile's `[simulator]` says.
        workers: how many processes generate load.
        overrides: `KEY=VALUE` for the profile.
        out: the parent of the results folder.
        ui_port: where Locust's web UI is to be; None runs headless.
        once: whether there is just one run, which begins at once, and the UI ends with it.
        locustfile: the user classes; None for those that come with the tool.
        force: whether it is to begin though this machine has no room for the load.
        network: how the target is reached; `further` has the words of it.
        tell: what is printed.
        typed: the command that asks for it, for the run's record.
        further: options that Locust's command line takes in the same words.

    Returns:
        Locust's exit code, which is the verdict's.

    Raises:
        UsageError: a mistake that can be told before a process starts.
        TargetError: nobody knows the target's host.
        LoadkitError: the simulator does not start.
    """
    never_wait()  # once Locust runs, this watches over it
    if Screen().is_live:
        share_terminal()
    if ui_port is not None:
        ui_port = ui_port or _free_port()
        if reason := cannot_listen(LOOPBACK, ui_port):
            raise UsageError(
                f"the web UI cannot be served on {LOOPBACK}:{ui_port}: {reason}; choose another "
                f"port with {'--web' if once else '--port'}"
            )
    check(None, Room.here(), workers, force=force)  # of the rest Locust's process knows more
    locustfile = _locustfile(locustfile)
    plan = _check(profile, overrides, host, locustfile, network, allow_production=allow_production)
    # Not even others on this machine can join as workers, or send ours elsewhere.
    environment = _environment() | {WORKER_KEY_VARIABLE: secrets.token_urlsafe(32)}
    environment[TYPED] = json.dumps(typed)
    remember(environment[WORKER_KEY_VARIABLE])
    with ExitStack() as stack:
        # Before anything starts: what is started in a session of its own outlives us else.
        signals = stack.enter_context(_Signals())
        if host is None:
            # Both ends get a token that nobody else knows, through the environment alone.
            environment[TOKEN_VARIABLE] = secrets.token_urlsafe(24)
            remember(environment[TOKEN_VARIABLE])
            environment[HOST_VARIABLE] = "simulated.localhost"
            host = _start_simulator(stack, environment, _dials(plan.simulator))
        if tell == "all":
            if plan.dialogues_told:
                say(f"dialogues: {plan.dialogues_told}")
            say(f"{plan.name} → {host}, {workers} worker{'s' if workers > 1 else ''}")
        if ui_port is not None and tell == "all":
            ends = "it ends with the run" if once else "Ctrl-C ends it"
            say(f"web UI: http://{LOOPBACK}:{ui_port}  ({ends})")
        command = _locust_command(locustfile, profile, host, workers, overrides, out, ui_port)
        command += ["--allow-production"] if allow_production else []
        command += ["--force"] if force else []
        command += ["--tell", tell]
        if ui_port is not None and once:
            command += ["--autostart", "--autoquit", str(LAST_LOOK)]
        command += further
        # A session of its own: Ctrl-C reaches this process alone, which passes it on to Locust's
        # master; that ends the run in order before anyone else goes.
        if signals.received:
            return of_signal(signals.received[0])
        # Nor does any reach it as it imports, where Python may swallow what a signal raises:
        # it is kept until Locust's process has a handler for it.
        taken = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            locust = lifeline.start(command, environment, start_new_session=True)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, taken)
        try:
            return signals.wait(locust)
        finally:
            stand(())  # what a Locust that was killed has left


def _check(
    profile: str,
    overrides: Sequence[str],
    host: str | None,
    locustfile: Path,
    network: Network,
    *,
    allow_production: bool,
) -> Profile:
    """Tell mistakes before anything starts, and before the target's URL is shown: it might hold
    a password.
    """
    read = partial(
        load_profile,
        profile,
        overrides=overrides,
        search=profile_folders(),
        check_dials=_dial_flaws,
    )
    try:
        plan = read()
    except ConfigError:
        # User classes are Locust's to know; asked for only now, so that all is told at once.
        read(known_classes=_user_classes(locustfile))
        raise
    if host is not None:
        permit(host, host, plan.allow_hosts, production=allow_production)
    Target.resolve(host or "http://127.0.0.1", network)
    return plan


def _dials(table: Mapping[str, Any]) -> list[str]:
    """The simulator's dials as its command line takes them."""
    return [f"{name}={_toml(value)}" for name, value in table.items()]


def _dial_flaws(table: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    # Only here: it brings the whole server along, which most runs have no use for.
    if table:
        from loadkit.simulator import dial_flaws

        yield from dial_flaws(table)


def _user_classes(locustfile: Path) -> list[str] | None:
    """The user classes of a locustfile; None if it does not tell."""
    command = [sys.executable, "-m", "loadkit.start_locust", "-f", str(locustfile), "--list"]
    told = subprocess.run(command, env=_environment(), capture_output=True, check=False)
    # "Available Users:", and a name a line, indented.
    lines = told.stdout.decode(errors="replace").splitlines()
    return [line.strip() for line in lines if line.startswith(" ")] or None


def _toml(value: Any) -> str:
    """A value as TOML writes it in one line."""
    if isinstance(value, Mapping):
        fields = (f"{json.dumps(name)} = {_toml(each)}" for name, each in value.items())
        return "{ " + ", ".join(fields) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)


def _environment() -> dict[str, str]:
    """Ours without what would steer Locust behind the command line's back."""
    return {name: text for name, text in os.environ.items() if not name.startswith("LOCUST_")}


def _locust_command(
    locustfile: Path,
    profile: str,
    host: str,
    workers: int,
    overrides: Sequence[str],
    out: Path,
    ui_port: int | None,
) -> list[str]:
    port = str(_free_port())
    command = [sys.executable, "-m", "loadkit.start_locust", "-f", str(locustfile)]
    command += ["--loglevel", "WARNING"]
    command += ["--processes", str(workers), "--profile", profile, "-H", host, "--out", str(out)]
    command += ["--master-bind-host", LOOPBACK, "--master-host", LOOPBACK]
    command += ["--master-bind-port", port, "--master-port", port]
    for override in overrides:
        command += ["--set", override]
    if ui_port is None:
        command.append("--headless")
    else:
        command += ["--web-host", LOOPBACK, "--web-port", str(ui_port)]
    return command


def _locustfile(own: Path | None) -> Path:
    """The user's own; or ours: beside the package in a checkout, inside it in a wheel."""
    if own is not None:
        if not own.is_file():
            raise UsageError(f"{own}: there is no such locustfile")
        return own
    for path in (_HERE.parent / "locustfile.py", _HERE / "locustfile.py"):
        if path.is_file():
            return path
    raise UsageError("locustfile.py is missing from the installation: install loadkit again")


def _free_port() -> int:
    # Not one of those that the system gives to outgoing connections (32768 and up): of these,
    # one that is free now may be taken by a session before the master gets round to it.
    while True:
        port = random.randint(10_000, 32_000)
        with socket.socket() as listener, suppress(OSError):
            listener.bind((LOOPBACK, port))
            return port


def _start_simulator(stack: ExitStack, environment: dict[str, str], dials: Sequence[str]) -> str:
    command = [sys.executable, "-m", "loadkit", "simulate"]
    for dial in dials:
        command += ["--set", dial]
    process = lifeline.start(
        command, environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    stack.callback(_stop, process)
    assert process.stdout is not None
    stack.enter_context(process.stdout)
    ready, _, _ = select.select([process.stdout], [], [], SIMULATOR_STARTS)
    said = process.stdout.readline().strip() if ready else ""
    prefix = "listening on "
    if not said.startswith(prefix):
        raise LoadkitError(f"the simulator did not start: it said {said!r}")
    return said.removeprefix(prefix)


def _stop(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(SIMULATOR_STOPS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class _Signals:
    """What ends a run, while it is entered: passed on to Locust; the third kills it all.

    A hang-up is a SIGTERM, however often the kernel and the shell tell of it.
    """

    def __init__(self) -> None:
        self.received: list[int] = []  # their numbers, in order
        self._locust: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        numbers = lifeline.stop_signals()
        self._before = {number: signal.signal(number, self._take) for number in numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait(self, locust: "subprocess.Popen[bytes]") -> int:
        """Wait for Locust's end; returns the exit code of it all."""
        self._locust = locust
        if self.received:  # before it was known here
            locust.send_signal(self.received[0])
        try:
            code = locust.wait()
        finally:
            _reap(locust.pid)
        if self.received:
            return of_signal(self.received[0])
        return code if code >= 0 else of_signal(-code)

    def _take(self, number: int, _: object) -> None:
        if number == signal.SIGHUP:
            if self.received:
                return
            number = signal.SIGTERM
        self.received.append(number)
        if self._locust is None:
            return
        if len(self.received) < 3:
            self._locust.send_signal(number)
        else:
            os.killpg(self._locust.pid, signal.SIGKILL)


def _reap(group: int) -> None:
    """No worker stays behind, whatever became of its master."""
    for number, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)):
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            return
        until = time.monotonic() + patience
        while time.monotonic() < until:
            try:
                os.killpg(group, 0)
            except ProcessLookupError:
                return
            time.sleep(0.05)
