"""What a scrape of Prometheus sees of the process that leads."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from locust.runners import MasterRunner, Runner

from loadkit.measure.ledger import Ledger
from loadkit.measure.timeline import Timeline
from loadkit.stats.histogram import Histogram
from loadkit.swarm.run_controller import RunController


@dataclass(frozen=True, slots=True)
class Scrape:
    """How all stands at one moment."""

    # of the run under way, or of the last one; no name before the first
    ledger: Ledger
    profile: str = ""
    run: str = ""
    users_asked: float = 0  # how many users the profile asks for now
    users: int = 0
    workers: Mapping[str, int] = field(default_factory=dict)  # how many in each of Locust's states
    # by worker, what it said of itself last
    generator: Mapping[str, Mapping[str, Histogram]] = field(default_factory=dict)

    @classmethod
    def of(cls, controller: RunController, runner: Runner) -> "Scrape":
        """Return how the run of a controller stands now."""
        run, pool = controller.run, controller.pool
        clients = runner.clients.all if isinstance(runner, MasterRunner) else []
        workers = Counter(client.state for client in clients)
        if run is None:
            return cls(Ledger(Timeline()), users=runner.user_count, workers=workers)
        return cls(
            run.ledger,
            profile=run.profile.name,
            run=run.name,
            users_asked=run.asked_users if controller.stage == "under way" else 0,
            users=runner.user_count,
            workers=workers,
            generator={
                worker: figures
                for worker, figures in run.generator.items()
                if pool is None or worker in pool.membership.present
            },
        )
