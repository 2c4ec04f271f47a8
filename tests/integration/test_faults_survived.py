"""Targets and networks that fail in mid-run: what a run survives, and what its report says of it.

Three runs at once, each a process of its own beside its simulator's; they mostly wait. The faults
come at seconds of the run, one after the other, so that each has an incident of its own; where a
machine is slower than the plan, the next one waits until all is well again.
"""

import re
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest
from processes import (
    READY_LOCUST,
    ROOT,
    SECRETS,
    SimulatorProcess,
    Started,
    Truth,
    free_port,
    profile,
    results,
    simulator_process,
    started,
    summary,
    timeline,
)
from relay import Relay, relay

USERS = 16
RATE = 6  # arrivals a second
RESULTS = '[results]\ninterval = "250ms"\n'
DIALS = (
    "heartbeat_interval_seconds=1.5",
    "agent.first_response=100ms",
)
LATE = 3.0  # seconds until a fault shows: slow answers take one, and a busy machine another
WELL = 4.0  # seconds without trouble before the next fault: three end an incident
SLOWER = 20.0  # seconds after a fault from which fewer answers than before it are the machine's


class Fault(NamedTuple):
    """What is done to a run, and when, in seconds of the run."""

    begin: float
    end: float
    struck: float  # on the clock of the simulator's log


class Survived(NamedTuple):
    """A run that is over, with the faults that it met."""

    summary: dict[str, Any]
    page: str
    output: str
    rows: list[dict[str, str]]
    faults: dict[str, Fault]
    truths: list[Truth]
    reset: int  # connections that the network cut

    def incident(self, name: str) -> dict[str, Any]:
        """The one that a fault led to: of those that lie over it, that which began with it."""
        fault = self.faults[name]
        over = [
            found
            for found in self.summary["incidents"]
            if found["begin_s"] <= fault.end + LATE
            and (found["end_s"] is None or found["end_s"] >= fault.begin)
        ]
        assert over, f"none for {name}, {fault}: {self.summary['incidents']}"
        return min(over, key=lambda found: abs(found["begin_s"] - fault.begin))

    def sessions_at(self, second: float) -> float:
        """Those that have an open socket, on average over a second."""
        found = [
            connected(row) for row in self.rows if second <= float(row["elapsed_s"]) < second + 1
        ]
        return sum(found) / len(found)


def connected(row: dict[str, str]) -> float:
    """Sessions that have an open socket."""
    away = ("state_starting", "state_reconnecting")
    return float(row["sessions"]) - sum(float(row[state]) for state in away)


def answered(rows: list[dict[str, str]]) -> float:
    """Answers in a row, on average."""
    return sum(int(row["turns_answered"]) for row in rows) / len(rows)


def is_well(row: dict[str, str]) -> bool:
    """Whether every user is there, and nothing went wrong."""
    troubles = ("errors", "disconnects_unexpected")
    return connected(row) >= 0.9 * USERS and not any(int(row[trouble]) for trouble in troubles)


class Run:
    """A run under way, whose faults are told its seconds."""

    def __init__(self, folder: Path, plan: Path, url: str) -> None:
        self._out = folder / "out"
        self._folder, self._url, self._plan = folder, url, plan
        self.faults: dict[str, Fault] = {}
        self._delay = 0.0  # seconds behind the plan
        self._last = 0.0  # second at which the last fault was over

    def command(self) -> list[str | Path]:
        command: list[str | Path] = [READY_LOCUST, "-f", ROOT / "locustfile.py", "--headless"]
        return [*command, "--profile", self._plan, "-H", self._url, "--out", self._out]

    def begin(self, process: Started) -> None:
        """Wait for its first row, which says when second 0 was."""
        self._process = process
        rows = process.wait_for(self.rows, "a row was written")
        self._began = datetime.fromisoformat(rows[0]["utc"]).timestamp()

    def wait_until_well(self, second: float) -> None:
        """Until all is, which may put off what the plan has at that second and later."""
        self._sleep_until(second)
        self._process.wait_for(self._is_well, f"well again, for second {second}")
        self._delay = max(self._delay, time.time() - self._began - second)

    def _is_well(self) -> bool:
        """Whether nothing is wrong, and sessions are answered as before any fault."""
        rows = self.rows()
        second = float(rows[-1]["elapsed_s"])
        late = [row for row in rows if float(row["elapsed_s"]) > second - WELL]
        usual = [row for row in rows if 5 < float(row["elapsed_s"]) < 10]
        # A machine that has got slower since is as well as it will be.
        slower = second > self._last + SLOWER
        return all(map(is_well, late)) and (slower or answered(late) > 0.7 * answered(usual))

    def end(self, second: float) -> None:
        """End it once all is well again after the last fault."""
        self.wait_until_well(second)
        self._process.send(signal.SIGTERM)

    def rows(self) -> list[dict[str, str]]:
        return timeline(self._out)

    def fault(
        self,
        name: str,
        begin: float,
        strike: Callable[[], Any],
        end: float,
        mend: Callable[[], Any],
    ) -> None:
        """Strike and mend at two seconds of the run."""
        begun, struck = self._at(begin, strike), time.monotonic()
        self._last = self._at(end, mend)
        self.faults[name] = Fault(begun, self._last, struck)

    def _sleep_until(self, second: float) -> None:
        time.sleep(max(0.0, self._began + second + self._delay - time.time()))

    def _at(self, second: float, do: Callable[[], Any]) -> float:
        self._sleep_until(second)
        do()
        return time.time() - self._began

    def survived(self, process: Started, truths: Callable[[], list[Truth]], reset: int) -> Survived:
        ended = process.finish()
        page = (results(self._out) / "summary.md").read_text()
        told = summary(self._out)
        return Survived(told, page, ended.output, self.rows(), self.faults, truths(), reset)


def of_users(folder: Path, *, turns: str) -> Path:
    path = profile(folder, seconds=600, users=USERS, turns=turns, pause="1s", more=RESULTS)
    path.write_text(path.read_text().replace("time_scale = 0.02", "time_scale = 0.05"))
    return path


def nothing() -> None:
    """A fault that is over as soon as it struck."""


def network(folder: Path) -> Survived:
    """The network stands still, cuts, refuses and swallows; the target knows of nothing."""
    plan = of_users(folder, turns="{ min = 20, max = 40 }")
    # Whose last word the cut has swallowed still hears of the end.
    dials = (*DIALS, "ended_session_linger_seconds=10")
    with simulator_process(folder, *dials) as server, relay(server.url) as between:
        run = Run(folder, plan, between.url)
        with started(run.command(), folder, SECRETS) as process:
            run.begin(process)
            # Silence is told from what was usual, and where answers come in groups that takes long.
            run.fault("freeze", 15, between.freeze, 17.4, between.thaw)
            run.wait_until_well(21.5)
            run.fault("cut", 21.5, between.cut, 21.5, nothing)
            run.wait_until_well(27)
            run.fault("refuse", 27, lambda: (between.refuse(), between.cut()), 29, between.accept)
            run.wait_until_well(34.5)
            run.fault("swallow", 34.5, between.swallow, 34.5, nothing)
            run.end(43)
            return run.survived(process, lambda: [server.stop()], between.reset)


def restarted(folder: Path, stack: ExitStack, server: SimulatorProcess) -> SimulatorProcess:
    """The same service again, as after a crash: at the same port, and it knows nobody."""
    port = int(server.url.rpartition(":")[2])
    return stack.enter_context(simulator_process(folder, *DIALS, port=port))


def target(folder: Path) -> Survived:
    """The target is killed, comes back with a limit on tokens, refuses upgrades, then is slow."""
    plan = of_users(folder, turns="{ min = 4000, max = 4000 }")
    with ExitStack() as stack:
        first = stack.enter_context(simulator_process(folder, *DIALS, port=free_port()))
        between: Relay = stack.enter_context(relay(first.url))
        run = Run(folder, plan, between.url)
        process = stack.enter_context(started(run.command(), folder, SECRETS))
        run.begin(process)
        second: list[SimulatorProcess] = []

        def kill() -> None:
            time.sleep(0.6)  # the log of who is there is written every half second
            first.process.send(signal.SIGKILL)

        def restart() -> None:
            between.answer("POST /api/v1/access-token", "429 Too Many Requests", "Retry-After: 1")
            second.append(restarted(folder, stack, first))

        def relent() -> None:
            """Once every user has asked for a token and was told to wait; some asked again."""
            until = time.monotonic() + 8
            while between.answered < 1.25 * USERS and time.monotonic() < until:
                time.sleep(0.05)
            between.pass_on()

        run.fault("restart", 11, kill, 11, restart)
        run.fault("limit", 11, nothing, 11, relent)
        upgrades = ("GET /ws", "503 Service Unavailable")
        run.wait_until_well(25)
        run.fault(
            "upgrades",
            25,
            lambda: (between.answer(*upgrades), between.cut()),
            27,
            between.pass_on,
        )
        run.wait_until_well(34)
        run.fault("slow", 34, lambda: between.slow(0.5), 39, lambda: between.slow(0))
        run.end(43.5)
        truths = lambda: [Truth(first.truth), second[0].stop()]  # noqa: E731
        return run.survived(process, truths, between.reset)


def arrivals(folder: Path) -> Survived:
    """The same for sessions that come at a rate: who comes meanwhile fails, who comes later not."""
    path = profile(folder, turns="{ min = 2, max = 4 }", more=RESULTS)
    # Nobody comes in the last seconds, so that hardly anybody is on the way when it ends.
    legs = ", ".join(
        f'{{ duration = "{s}s", arrivals_per_second = {rate} }}'
        for s, rate in ((0, RATE), (24, RATE), (0, 0), (6, 0))
    )
    path.write_text(re.sub("stages = .*", f'model = "open"\nstages = [{legs}]', path.read_text()))
    with ExitStack() as stack:
        first = stack.enter_context(simulator_process(folder, *DIALS, port=free_port()))
        run = Run(folder, path, first.url)
        process = stack.enter_context(started(run.command(), folder, SECRETS))
        run.begin(process)
        second: list[SimulatorProcess] = []
        run.fault(
            "restart",
            9,
            lambda: first.process.send(signal.SIGKILL),
            13,
            lambda: second.append(restarted(folder, stack, first)),
        )
        return run.survived(process, lambda: [Truth(first.truth), second[0].stop()], 0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Survived]:
    """All at once: they wait for each other's seconds to pass."""
    found: dict[str, Survived | BaseException] = {}

    def live(kind: Callable[[Path], Survived], folder: Path) -> None:
        try:
            found[kind.__name__] = kind(folder)
        except BaseException as error:
            found[kind.__name__] = error

    threads = [
        Thread(target=live, args=(kind, tmp_path_factory.mktemp(kind.__name__)))
        for kind in (network, target, arrivals)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    survived = {}
    for name, result in found.items():
        if isinstance(result, BaseException):
            raise result
        survived[name] = result
    return survived


FAULTS: Sequence[tuple[str, str]] = [
    ("network", "freeze"),
    ("network", "cut"),
    ("network", "refuse"),
    ("network", "swallow"),
    ("target", "restart"),
    ("target", "limit"),
    ("target", "upgrades"),
    ("target", "slow"),
    ("arrivals", "restart"),
]


@pytest.fixture(params=FAULTS, ids=" ".join)
def met(request: pytest.FixtureRequest, runs: dict[str, Survived]) -> Any:
    """A run, and the incident that a fault led to."""
    run, fault = request.param
    return runs[run], runs[run].incident(fault), fault


class TestEveryFault:
    def test_is_an_incident_that_begins_with_it_and_ends(self, met: Any) -> None:
        """Within a moment of what was done to the run."""
        run, incident, name = met
        fault: Fault = run.faults[name]
        first = run.faults["restart"].begin if name == "limit" else fault.begin
        assert first - 1.0 <= incident["begin_s"] <= fault.begin + LATE
        assert incident["end_s"] is not None
        assert incident["end_s"] >= fault.end - 1.0

    def test_is_survived_with_all_the_load_back(self, met: Any) -> None:
        """It says how long that took."""
        _, incident, _ = met
        assert incident["load_back_s"] is not None

    def test_is_told_with_its_time_on_the_page_and_the_terminal(self, met: Any) -> None:
        """The same sentence, with the number of the incident."""
        run, incident, _ = met
        number = run.summary["incidents"].index(incident) + 1
        (told,) = re.findall(rf"^- (Incident {number}, .*)$", run.page, re.M)
        assert "load back after" in told or "load never short" in told
        assert told[:30] in run.output


class TestTheCause:
    def test_of_a_frozen_network_is_silence_and_nothing_else(
        self, runs: dict[str, Survived]
    ) -> None:
        """Nothing failed: it was only late."""
        incident, fault = runs["network"].incident("freeze"), runs["network"].faults["freeze"]
        assert incident["causes"] == {}
        silent = fault.end - fault.begin
        # Of the seconds that it touches the first and the last may have had an answer.
        assert silent - 2.0 < incident["without_answers_s"] <= silent + LATE
        assert incident["load_back_s"] == 0

    def test_of_a_cut_is_every_socket(self, runs: dict[str, Survived]) -> None:
        """Whoever had one at that moment."""
        incident = runs["network"].incident("cut")
        assert 0.8 * USERS <= incident["causes"]["disconnected"] <= USERS
        assert incident["sessions"]["lowest"] < 0.5 * USERS

    def test_of_a_listener_that_is_gone_is_refused_connections(
        self, runs: dict[str, Survived]
    ) -> None:
        """First all were cut, then nobody could come back."""
        incident = runs["network"].incident("refuse")
        assert incident["causes"]["connect_refused"] >= USERS / 2

    def test_of_a_half_open_network_is_heartbeats_without_an_echo(
        self, runs: dict[str, Survived]
    ) -> None:
        """The only sign of it that there is."""
        incident = runs["network"].incident("swallow")
        assert incident["causes"]["heartbeat_unanswered"] >= 0.8 * USERS
        assert "heartbeats unanswered (half-open)" in runs["network"].page

    def test_of_a_restart_is_sessions_that_nobody_knows(self, runs: dict[str, Survived]) -> None:
        """All that there were, and not one more."""
        run = runs["target"]
        assert run.summary["errors"]["session_lost"] == USERS
        assert run.incident("restart")["causes"]["session_lost"] == USERS
        assert len(run.truths[0].of("session")) == USERS

    def test_of_a_limit_is_429(self, runs: dict[str, Survived]) -> None:
        """Calls that were tried again, each of them."""
        incident = runs["target"].incident("limit")
        assert incident["causes"]["rate_limited"] >= USERS
        assert incident["refused_with"]["429"] == incident["causes"]["rate_limited"]

    def test_of_refused_upgrades_is_their_status(self, runs: dict[str, Survived]) -> None:
        """As the clients saw it."""
        run = runs["target"]
        incident = run.incident("upgrades")
        assert incident["causes"]["upgrade_refused"] >= USERS
        assert "upgrades refused (503" in run.page

    def test_of_a_slow_network_is_slow_responses_and_nothing_else(
        self, runs: dict[str, Survived]
    ) -> None:
        """Nobody is refused or cut off, and the load stays."""
        run = runs["target"]
        incident = run.incident("slow")
        assert incident["causes"] == {}
        assert incident["slow_responses"] >= USERS
        assert incident["response_p95_before_ms"] < incident["slow_over_ms"] < 1000
        assert incident["load_back_s"] == 0
        assert re.search(r"responses over \d+ ms × \d+", run.page)

    def test_is_named_for_arrivals_too(self, runs: dict[str, Survived]) -> None:
        """Nobody listened."""
        causes = runs["arrivals"].incident("restart")["causes"]
        assert causes["connect_refused"] >= RATE


class TestTheLoad:
    def test_is_all_there_again_after_each_fault(self, runs: dict[str, Survived]) -> None:
        """Every user has an open socket before the next one strikes, and before the end."""
        for name, faults in (("network", "cut refuse swallow"), ("target", "upgrades slow")):
            run = runs[name]
            ends = float(run.rows[-1]["elapsed_s"])
            for second in (*(run.faults[each].begin for each in faults.split()), ends):
                assert run.sessions_at(second - 2.5) >= 0.9 * USERS, (name, second)

    def test_does_not_come_back_all_at_once(self, runs: dict[str, Survived]) -> None:
        """What the back-off spreads reaches the target spread."""
        run = runs["network"]
        cut = run.faults["cut"].struck
        opened = [
            record["at"]
            for record in run.truths[0].of("socket_open")
            if cut < record["at"] < cut + 3 and record["cursor"]
        ]
        assert len(opened) >= 0.8 * USERS
        assert max(opened) - min(opened) >= 0.15  # of the 0.4 s that a first back-off may differ by

    def test_of_arrivals_is_as_the_plan_has_it_whatever_became_of_them(
        self, runs: dict[str, Survived]
    ) -> None:
        """Who comes does not know of the fault, and who comes after it does not fail."""
        run = runs["arrivals"]
        told = run.summary["arrivals"]
        assert told["started"] == told["asked"]
        assert told["refused"] == 0
        # Who came before it is over may fail long after: as long as the doubling pauses are.
        before, after = run.truths
        late = [row for row in run.rows if float(row["elapsed_s"]) >= run.faults["restart"].end]
        came = sum(int(row["sessions_started"]) for row in late)
        created = len(after.of("session"))
        ended = run.summary["sessions"]["ended"]
        assert 0 < came <= created + ended["cut_off"]
        # Each session that the new server knows was lived to its end, unless the run's came first.
        old = len(before.of("session_end", reason="REASON_USER_END"))
        assert old + created <= ended["user_end"] + ended["cut_off"]
        assert created - ended["cut_off"] <= len(after.of("session_end", reason="REASON_USER_END"))

    def test_is_drawn_against_what_was_asked_for(self, runs: dict[str, Survived]) -> None:
        """On the page, and with incidents on the terminal too."""
        for run in runs.values():
            for text in (run.page, run.output):
                assert "█" in text
                assert "▲" in text


class TestWhatWasLost:
    def test_is_what_the_target_never_heard(self, runs: dict[str, Survived]) -> None:
        """Of the messages that were sent, all but the lost ones reached it, each once."""
        run = runs["network"]
        (truth,) = run.truths
        turns = run.summary["turns"]
        heard = len(truth.of("turn"))
        under_way = USERS  # messages on their way when the run ended
        assert turns["lost"] > 0
        assert 0 <= turns["sent"] - turns["lost"] - heard <= under_way
        assert turns["answered"] <= len(truth.of("turn", outcome="answered")) <= heard
        assert heard - turns["answered"] <= under_way
        assert turns["answered_twice"] == 0
        # A network that is slow may break a socket between a heartbeat and its echo.
        assert set(run.summary["violations"]) <= {"heartbeat_not_echoed"}

    def test_is_no_session_where_only_the_network_failed(self, runs: dict[str, Survived]) -> None:
        """Each was resumed with its cursor, and missed nothing."""
        run = runs["network"]
        assert run.summary["errors"].get("session_lost", 0) == 0
        assert run.summary["disconnects"]["events_lost"] == 0
        assert run.summary["disconnects"]["gave_up"] == 0
        assert run.summary["disconnects"]["unexpected"] >= 2.5 * USERS

    def test_is_every_session_that_a_killed_target_had(self, runs: dict[str, Survived]) -> None:
        """Each user has another one on the new target, and nobody a third.

        Who was told to wait once too often gave up before there was a session, and began again.
        """
        run = runs["target"]
        assert [len(truth.of("session")) for truth in run.truths] == [USERS, USERS]
        gave_up = run.summary["errors"].get("rate_limited", 0)
        assert run.summary["sessions"]["started"] == 2 * USERS + gave_up
        assert run.summary["sessions"]["ended"]["failed"] == USERS + gave_up
        lost = sum(found["sessions"]["lost"] for found in run.summary["incidents"])
        assert lost == USERS + gave_up
