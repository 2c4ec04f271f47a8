"""Locust's runners, which only write down what they are told, and what a process was started with.

No socket is opened and no user started; whoever is told something else than by a message of a
worker's is told by Locust's own `Environment`.
"""

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from locust.env import Environment
from locust.event import Events
from locust.rpc import Message
from locust.runners import STATE_INIT, STATE_RUNNING, MasterRunner, WorkerNode, WorkerRunner

from loadkit.swarm.messages import decode, encode
from loadkit.swarm.worker.users import CompleteChat

PROFILE = """# Ok?
[load]
{model}stages = [{{ duration = "0s", {load} = 4 }}, {{ duration = "60s", {load} = 4 }}]
[mix]
CompleteChat = 1
[slo]
"response.p50" = "1s"
"""
OPEN = PROFILE.format(model='model = "open"\n', load="arrivals_per_second")
CLOSED = PROFILE.format(model="", load="users")


def options(folder: Path, text: str = CLOSED, **others: Any) -> Namespace:
    """What Locust's command line comes to, with a profile in `folder`."""
    path = folder / "tiny.toml"
    path.write_text(text)
    usual = {
        "headless": True,
        "profile": str(path),
        "profile_overrides": [],
        "processes": 2,
        "results_parent": str(folder / "results"),
        "strict": False,
        "force": False,
        "capacity": False,
        "resume": None,
        "baseline": None,
        "fail_on": [],
        "tell": "all",
        "allow_production": False,
        "worker_patience": 30.0,
        "metrics_port": None,
        "metrics_host": "",
        "print_stats": True,
        "autostart": False,
        "autoquit": -1,
        "web_base_path": "",
        "network_ca": None,
        "network_cert": None,
        "network_key": None,
        "network_insecure": False,
        "network_header": [],
    }
    return Namespace(**usual | others)


def environment(asked: Namespace) -> Environment:
    """Locust's, for one user class and the target of a test."""
    return Environment(
        events=Events(),
        user_classes=[CompleteChat],
        parsed_options=asked,
        host="http://127.0.0.1:8100",
    )


class Wired:
    """One end of the messages between a master and its workers."""

    state = STATE_INIT
    client_id = "w1"
    worker_index = 0

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        environment.runner = self  # type: ignore[assignment]
        self.done: list[str] = []
        self.said: list[tuple[str, Any, str | None]] = []
        self.heard: dict[str, Any] = {}
        self.shape_greenlet: Any = None
        self.user_greenlets = SimpleNamespace(kill=lambda block: self.done.append("kill users"))
        self.greenlet = SimpleNamespace(kill=lambda block: self.done.append("kill"))

    def __del__(self) -> None:
        """Locust's looks after greenlets that there are none of."""

    def register_message(self, kind: str, listener: Any, concurrent: bool = False) -> None:
        self.heard[kind] = listener

    def send_message(self, kind: str, data: Any = None, worker: str | None = None) -> None:
        self.said.append((kind, data, worker))

    def told(self, kind: Any) -> list[Any]:
        """All messages of a kind that were sent from here."""
        return [decode(kind, data) for said, data, _ in self.said if said == kind.KIND]

    def hears(self, message: Any, sender: str = "w1") -> None:
        """A message comes from the other end."""
        told = Message(message.KIND, encode(message), sender)
        self.heard[message.KIND](environment=self.environment, msg=told)

    def stop(self, **_: Any) -> None:
        self.done.append("stop")

    def quit(self) -> None:
        self.done.append("quit")


class Master(Wired, MasterRunner):
    """Locust's master, with two workers that take part."""

    user_count = 4  # type: ignore[assignment]
    _users_dispatcher = None
    target_user_count = 4

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.clients: Any = Nodes()

    def get_worker_index(self, _: str) -> int:
        return 0

    def handle_message(self, worker: str, msg: Message) -> None:
        self.clients[worker] = WorkerNode(worker, state=STATE_RUNNING)

    def start(self, *_: Any, **__: Any) -> None:
        self.done.append("start")


class WorkerEnd(Wired, WorkerRunner):
    """Locust's worker."""

    def _send_stats(self) -> None:
        self.done.append("send stats")


class Nodes(dict[str, WorkerNode]):
    """Locust's own list of workers, as far as it is asked."""

    @property
    def all(self) -> list[WorkerNode]:
        return list(self.values())

    @property
    def running(self) -> list[WorkerNode]:
        return self.all

    @property
    def ready(self) -> list[WorkerNode]:
        return []

    spawning = ready
