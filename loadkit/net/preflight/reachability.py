"""A look at the way to a target, without a secret: who answers, and by which certificate."""

from collections.abc import Iterator
from dataclasses import replace
from time import time
from typing import Final, Literal, NamedTuple

import gevent

from loadkit.errors import Failure, RemoteError, TargetError
from loadkit.net.http.happy_eyeballs import Address
from loadkit.net.http.target import Target
from loadkit.net.preflight.certificate import shown_by
from loadkit.net.preflight.diagnosis import PROBE, clock_word, diagnose
from loadkit.network import Network

DAYS_LEFT: Final = 14.0  # of a certificate; who has fewer is told
_DAY: Final = 86_400.0

Level = Literal["ok", "warn", "bad"]


class Finding(NamedTuple):
    """The outcome of one check; `mend` is empty where there is nothing to do."""

    level: Level
    check: str
    found: str
    mend: str = ""


def probe(url: str, network: Network) -> Iterator[Finding]:
    """Look at each address of a target, its certificate and its clock. Raises UsageError."""
    try:
        target = Target.resolve(url, network)
    except TargetError as error:
        yield Finding("bad", "target", str(error), "check the name, and this machine's name server")
        return
    answers = {address: _attempt(target, address) for address in target.addresses}
    failed = {each: error for each, error in answers.items() if error is not None}
    through = f", {target.proxy}" if target.proxy else ""
    if len(failed) < len(answers):
        found = f"{target}{through}: {_listed(set(answers) - set(failed))}"
        yield Finding("ok", "target", found)
    for address, refusal in failed.items():
        cause = diagnose(target, refusal, PROBE)
        level: Level = "warn" if len(failed) < len(answers) else "bad"
        yield Finding(level, "target", f"{_listed({address})} {cause.what}", cause.fix)
    if target.secure and len(failed) < len(answers):
        yield from _certificate(target)


def _certificate(target: Target) -> Iterator[Finding]:
    now = time()
    try:
        with gevent.Timeout(PROBE, RemoteError(Failure.CONNECT_TIMEOUT)):
            shown, ahead_s = shown_by(target, now)
    except (RemoteError, OSError):
        return
    if shown is not None:
        days = (shown.ends - now) / _DAY
        unverified = ", not verified (--insecure)" if target.network.insecure else ""
        names = ", ".join(shown.names[:5])
        text = f"for {names}, by {shown.issuer}, {days:,.0f} days left{unverified}"
        soon = days < DAYS_LEFT or bool(unverified)
        fix = "renew it before a long run" if days < DAYS_LEFT else ""
        yield Finding("warn" if soon else "ok", "certificate", text, fix)
    word = clock_word(target, ahead_s)
    if word is not None:
        yield Finding("warn", "time of day", word.what, word.fix)
    elif ahead_s is not None:
        yield Finding("ok", "time of day", "as the target has it")


def _attempt(target: Target, address: Address) -> RemoteError | None:
    late = RemoteError(Failure.CONNECT_TIMEOUT, f"no connection within {PROBE:g} s")
    try:
        with gevent.Timeout(PROBE, late):
            replace(target, addresses=(address,)).connect().sock.close()
    except RemoteError as error:
        return error
    return None


def _listed(addresses: set[Address]) -> str:
    return ", ".join(sorted(str(address[0]) for _, address in addresses))
