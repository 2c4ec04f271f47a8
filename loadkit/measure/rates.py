"""How much a run got through a second, and how each user class and each client fared in it."""

from collections.abc import Callable
from typing import Any

from loadkit.figures import CLIENTS, Count, Ending, Phase
from loadkit.measure.ledger import Ledger


def throughput(ledger: Ledger, duration_s: float, warmup_s: float) -> dict[str, float]:
    """Return what was done a second, as plain values for `summary.json`.

    `sessions_per_second`, those that were started, and `turns_per_second`, those that were
    answered, over the `measured_s` seconds behind the warm-up. A rate over no time is absent.
    """
    rates = {}
    if duration_s > 0:
        started = ledger.counts[Count.SESSIONS_STARTED]
        rates["sessions_per_second"] = round(started / duration_s, 3)
    if (measured := duration_s - warmup_s) > 0:
        rates["turns_per_second"] = round(ledger.counts[Count.TURNS_ANSWERED] / measured, 3)
        rates["measured_s"] = round(measured, 3)
    return rates


def by_class(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """Return the figures of each user class that had a session, as plain values, by its name."""
    return _by_name(ledger, lambda name: name not in CLIENTS)


def by_client(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """Return those of each kind of client; none where all had the same."""
    found = _by_name(ledger, lambda name: name in CLIENTS)
    return found if len(found) > 1 else {}


def _by_name(ledger: Ledger, wanted: Callable[[str], bool]) -> dict[str, dict[str, Any]]:
    found = {}
    for name, scope in sorted(ledger.scopes.items()):
        counts = scope.counts
        if not (wanted(name) and counts[Count.SESSIONS_STARTED]):
            continue
        latency = scope.latency.get(Phase.RESPONSE)
        stats = {} if latency is None else latency.stats()
        found[name] = {
            "sessions": {
                "started": counts[Count.SESSIONS_STARTED],
                "failed": counts[f"ended.{Ending.FAILED}"],
            },
            "turns": {
                "sent": counts[Count.TURNS_SENT],
                "answered": counts[Count.TURNS_ANSWERED],
                "lost": counts[Count.TURNS_LOST],
                "open": counts[Count.TURNS_OPEN],
            },
            "errors": sum(n for key, n in counts.items() if key.startswith("errors.")),
            "violations": sum(n for key, n in counts.items() if key.startswith("violations.")),
            "latency_ms": {Phase.RESPONSE.value: stats} if stats else {},
        }
    return found
