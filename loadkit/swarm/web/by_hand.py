"""What is done by hand to a run that goes on: storms, another load, marks. All of it is noted."""

from typing import Any, Final

from loadkit.capacity.controller import AHEAD
from loadkit.errors import UsageError
from loadkit.profile.stages import changed_from
from loadkit.profile.tables import Load
from loadkit.security.escaping import one_line
from loadkit.stats.number_format import number
from loadkit.swarm.messages import Storm, send
from loadkit.swarm.run import Run
from loadkit.swarm.run_controller import RunController
from loadkit.verdict.run_facts import MOST_BY_HAND, DoneByHand

LONGEST_NOTE: Final = 200  # characters
MOST_TIMES: Final = 100.0  # the load that was planned


class ByHand:
    """Does to the run of a controller what somebody asks for, and notes it in the run's record.

    Args:
        runner: Locust's.
    """

    def __init__(self, controller: RunController, runner: Any) -> None:
        self._controller, self._runner = controller, runner

    def storm(self, percent: float) -> str:
        """Have so many of the sessions' sockets reset at once. Returns what was done, in words.

        Raises:
            UsageError: there is no run under way, or no such share.
        """
        run = self._under_way()
        if not 0 < percent <= 100:
            raise UsageError(f"a storm hits more than 0 and at most 100 %, not {number(percent)}")
        several = sum(one.kind == "storm" for one in run.by_hand)
        at_s = run.elapsed_s + AHEAD
        storm = Storm(run.name, several + 1, at_s, percent / 100)
        if self._controller.lone is not None:
            self._controller.lone.storm(storm)
        else:
            send(self._runner, storm)
        text = f"storm of {number(percent)} %"
        run.note_by_hand(DoneByHand("storm", at_s, text, share=percent / 100))
        return text

    def load(self, times: float) -> str:
        """Have so many times the load that the stages plan, from now on; 0 pauses it.

        Raises:
            UsageError: there is no run under way, a search chooses the load, no such number, or
                this machine has no room for it.
        """
        run = self._under_way()
        if run.adapter is not None:
            raise UsageError("a capacity search chooses its load by itself")
        if not 0 <= times <= MOST_TIMES:
            raise UsageError(
                f"the load is 0 to {number(MOST_TIMES)} times the planned one, not {number(times)}"
            )
        at_s = run.elapsed_s + AHEAD
        stages = changed_from(run.load.stages, run.profile.load.stages, at_s, times)
        load = Load.model_validate(dict(run.profile.load) | {"stages": stages})
        self._controller.next.look_for_room(load)
        self._controller.follow(load, at_s)
        named = {0.0: "load paused", 1.0: "load as planned"}
        text = named.get(times, f"load × {number(times)}")
        run.note_by_hand(DoneByHand("load", at_s, text, times=times))
        return text

    def mark(self, note: str) -> str:
        """Pin a note to this moment.

        Raises:
            UsageError: there is no run under way, or no note.
        """
        run, text = self._under_way(), one_line(note.strip(), LONGEST_NOTE)
        if not text:
            raise UsageError("a mark has a note: say what is there to be remembered")
        run.note_by_hand(DoneByHand("mark", run.elapsed_s, text))
        return text

    def _under_way(self) -> Run:
        run = self._controller.run
        if run is None or self._controller.stage != "under way":
            raise UsageError("no run is under way")
        if len(run.by_hand) >= MOST_BY_HAND:
            raise UsageError(
                f"{MOST_BY_HAND} things were done to this run by hand: that is the most"
            )
        return run
