"""What a summary tells of a run besides its ledger, as of any moment of it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from loadkit.profile.delivery import Delivery
from loadkit.swarm.workers.membership import Roster

__all__ = ["besides"]


def besides(
    model: str,
    delivery: Delivery,
    roster: Roster | None,
    *,
    aborted: str | None,
    stopped: str | None,
    own_code: Mapping[str, str],
    fault: str | None,
) -> dict[str, Any]:
    """Return arguments of `loadkit.verdict.summary.summarise`, as plain types for the journal.

    Args:
        model: of the load, `closed` or `open`.
        delivery: how the load came about so far.
        roster: the workers so far; None for a process that is alone.
        aborted, stopped, own_code, fault: see there.
    """
    workers = Roster() if roster is None else roster
    return {
        "aborted": aborted,
        "stopped": stopped,
        "own_code": dict(own_code),
        "fault": fault,
        "asked_users": delivery.asked if model == "closed" else None,
        "peak_users": delivery.reached,
        "undelivered_s": round(delivery.undelivered_s, 1),
        "workers_lost": [asdict(loss) for loss in workers.lost.values()],
        "without_workers": [asdict(absence) for absence in workers.absences],
        "workers_refused": list(workers.refused),
        "heartbeats_lost": workers.heartbeats_lost,
    }
