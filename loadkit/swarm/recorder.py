"""The worker's recorder, which also feeds Locust's own table.

Locust's table is a convenience: its buckets are coarse. So that its *Aggregated* row and its
first chart show the headline and nothing else, only `response` goes in as a request; the other
phases get rows that stay out of the total.
"""

from typing import Any, Final

from locust.env import Environment
from locust.stats import StatsError

from loadkit.errors import Failure
from loadkit.figures import Phase
from loadkit.measure.recorder import Recorder

__all__ = ["SwarmRecorder"]

METHOD: Final = "chat"
_LOST_TURN: Final = frozenset({Failure.UNANSWERED, Failure.UNACKNOWLEDGED})


class SwarmRecorder(Recorder):
    """Records for the summary and for Locust."""

    def __init__(self, environment: Environment, measure_from: float) -> None:
        super().__init__(measure_from)
        self._fire: Any = environment.events.request.fire
        self._stats = environment.stats
        self._rows: dict[Phase, Any] = {
            phase: environment.stats.get(phase.value, METHOD)
            for phase in Phase
            if phase is not Phase.RESPONSE
        }

    def sample(self, phase: Phase, due: float | None, sent: float, end: float) -> None:
        super().sample(phase, due, sent, end)
        if phase is Phase.RESPONSE:
            self._fire(
                request_type=METHOD,
                name=Phase.RESPONSE.value,
                response_time=(end - sent) * 1000,
                response_length=0,
                exception=None,
                context={},
            )
        else:
            self._rows[phase].log((end - sent) * 1000, 0)

    def fail(self, kind: Failure, detail: str) -> None:
        super().fail(kind, detail)
        if kind in _LOST_TURN:
            # A failed request without a time: counted in the headline's row, not in percentiles.
            self._fire(
                request_type=METHOD,
                name=Phase.RESPONSE.value,
                response_time=None,
                response_length=0,
                exception=kind.value,
                context={},
            )
        else:
            self._log_error("session", kind.value)

    def violate(self, kind: str, detail: str) -> None:
        super().violate(kind, detail)
        self._log_error("violation", kind)

    def _log_error(self, name: str, kind: str) -> None:
        """An occurrence in Locust's failures tab, kept out of the headline's row."""
        key = StatsError.create_key(METHOD, name, kind)
        errors = self._stats.errors
        if key not in errors:
            errors[key] = StatsError(METHOD, name, kind)
        errors[key].occurred()
