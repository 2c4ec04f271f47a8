"""One conversation on the server: what each client event leads to.

No socket and no loop in here: sockets are `Outlet`s, time is a `Clock`. A session outlives its
sockets.
"""

from collections.abc import Callable, Iterable
from random import Random
from typing import Any, Final
from uuid import uuid4

from loadkit.protocol.types import EventType
from loadkit.simulator.clock import Timer
from loadkit.simulator.faults import error_texts
from loadkit.simulator.faults.error_texts import FULL, HIGH_LOAD, NO_CONVERSATION, About
from loadkit.simulator.faults.flawed_channel import FlawedChannel
from loadkit.simulator.limits import TokenBucket
from loadkit.simulator.session.agent import Agent
from loadkit.simulator.session.channel import CLEAN, Channel, Outlet
from loadkit.simulator.session.events import (
    Announced,
    ClientEvent,
    EndReason,
    Refusal,
    decode,
    local_id,
    system_message,
)
from loadkit.simulator.session.habits import Habits
from loadkit.simulator.session.handoff import LiveHandoff
from loadkit.simulator.session.room import Sent, ServerTurn
from loadkit.simulator.session.texts import HUMAN_WORDS
from loadkit.simulator.shared import SharedState

MOST_JOURNALED: Final = 64 * 1024 * 1024
"""Bytes of history after which nothing more is heard of a session but its end."""


class ServerSession:
    """A conversation from its creation to SESSION_END.

    Args:
        owner: identity of the access token that made it; only that token may connect.
        client: what it said of itself.
        streaming: whether replies come in chunks.
        name: what its agent's words and waits, and its faults, are drawn from.
        on_end: told once, when the session is over.
    """

    def __init__(
        self,
        owner: str,
        *,
        streaming: bool,
        name: str,
        setting: SharedState,
        client: Announced,
        on_end: "Callable[[ServerSession], None]",
    ) -> None:
        self.id = str(uuid4())
        self.owner, self.streaming = owner, streaming
        self.upgrading = 0  # sockets that are about to be attached
        self._on_end = on_end
        self.ended: EndReason | None = None  # why it is over
        self.typing = self.heartbeats = 0  # events of its client's that were heard
        self._setting = setting
        self._dials, self._clock = dials, clock = setting.dials, setting.clock
        self._rng = Random(f"{dials.seed}/{name}")
        self._faults = faults = setting.faults(name, self.id)
        self._habits = habits = Habits(f"{dials.seed}/{name}")
        self._channel = (
            FlawedChannel(self.id, dials, clock, habits, faults)
            if setting.rates
            else Channel(self.id, dials, clock, habits)
        )
        self._agent = Agent(self, setting, self._rng, faults, habits)
        limit = dials.rate_limit.messages_per_second
        self._bucket = TokenBucket(limit, clock) if limit else None
        self._joined = False
        self._handoff: LiveHandoff | None = None
        self._handoffs = self._messages = 0
        self._born = self._heard = clock.now()
        self._severed = self._cut = False
        self._idle: Timer | None = None
        self._watch()
        start = {"capabilities": dials.capabilities(streaming), "context_id": f"ctx_{self.id}"}
        self._channel.emit(EventType.SESSION_START, start)
        self._record("session", at=self._heard, streaming=streaming, **client._asdict())

    @property
    def connections(self) -> int:
        """Sockets that are open or about to be."""
        return self.upgrading + len(self._channel.outlets)

    @property
    def interrupted(self) -> bool:
        """Whether a fault or an incident took a socket of it and no client has been back yet."""
        broken = isinstance(self._channel, FlawedChannel) and self._channel.interrupted
        return broken or self._severed

    # What a socket does.

    def attach(self, outlet: Outlet, cursor: int) -> None:
        """Replay what came after `cursor` to a new socket, then let it hear everything."""
        self._severed = False
        frames = self._channel.replay(cursor)
        self._record(
            "socket_open",
            socket=outlet.number,
            at=self._clock.now(),
            cursor=cursor,
            last_sequence=self._channel.journal.last,
            batches=len(frames),
        )
        for frame in frames:
            outlet.deliver(frame)
        if self.ended is None:
            self._channel.outlets.append(outlet)
        else:
            outlet.close(CLEAN)

    def detach(self, outlet: Outlet) -> None:
        """The socket is gone. The session goes on, for as long as if the client had spoken now."""
        self._heard = self._clock.now()
        self._channel.detach(outlet)

    def sever(self, outlet: Outlet) -> None:
        """The server takes the socket: what comes now reaches its client with the replay."""
        self._severed = True
        self._channel.detach(outlet)

    def hear(self, outlet: Outlet, data: bytes, at: float | None = None) -> None:
        """Take one text frame from a socket, whatever its bytes are.

        Args:
            at: when they arrived, in monotonic seconds; None for just now.
        """
        if self.ended is not None or self._cut:
            return  # nothing follows SESSION_END, not even an echo
        self._heard = now = self._clock.now() if at is None else at
        event = decode(data)
        if isinstance(event, Refusal):
            self._refuse(outlet, event, now)
            return
        match event.type:
            case EventType.HEARTBEAT:
                self.heartbeats += 1
                self._channel.reply(outlet, EventType.HEARTBEAT, event.payload, event.custom)
            case EventType.USER_MESSAGE | EventType.REQUEST_POLY_AGENT_JOIN if self._full:
                self._refuse(outlet, Refusal(FULL, event.custom), now)
            case EventType.USER_MESSAGE:
                self._message(outlet, event, now)
            case EventType.REQUEST_POLY_AGENT_JOIN:
                self._join(event, now)
            case EventType.USER_END_SESSION:
                self._channel.send(event.type, event.payload, event.custom)
                self.end(EndReason.USER_END)
            case EventType.USER_TYPING:
                self.typing += 1  # it concerns nobody here and has no echo
            case _:
                pass

    def end(self, reason: EndReason, *, silent: bool = False) -> None:
        """Say SESSION_END to every socket and close it; harmless the second time.

        Args:
            silent: only close it.
        """
        if self.ended is not None:
            return
        self._stop()
        survey = self._habits.has(self._dials.survey)
        before = survey and (silent or self._habits.share() < 0.5)
        surveys = self._channel.survey() if before else 0
        if silent:
            at, sockets = self._clock.now(), len(self._channel.outlets)
            sent: Sent = {"sequence": None, "at": at, "sockets": sockets}
        else:
            sent = self._channel.send(EventType.SESSION_END, {"reason": reason})
        if survey and not before:
            surveys = self._channel.survey()
        self.ended = reason
        self._record(
            "session_end",
            reason=reason,
            sequence=sent["sequence"],
            surveys=surveys,
            at=sent["at"],
            sockets=sent["sockets"],
            journaled=len(self._channel.journal),
        )
        self._channel.close()
        self._on_end(self)

    def cut(self) -> None:
        """The server goes down: fall silent without an end, so that open turns are recorded."""
        if self.ended is None and not self._cut:
            self._cut = True
            self._stop()
            journaled = len(self._channel.journal)
            self._record("session_cut", at=self._clock.now(), journaled=journaled)

    # What its agents do: it is their `Room`.

    def emit(
        self, kind: EventType, payload: dict[str, Any], turn: ServerTurn, *, lasting: bool = True
    ) -> None:
        """See `Room.emit`."""
        turn.events.append(self._channel.emit(kind, payload, lasting=lasting))

    def complain(self, text: str, turn: ServerTurn) -> None:
        """See `Room.complain`."""
        payload = system_message(text)
        sent = self._channel.send(EventType.SYSTEM_MESSAGE, payload, turn.custom, lasting=False)
        turn.events.append({**sent, "text": text})

    def errs(self, about: About, turn: ServerTurn) -> bool:
        """See `Room.errs`."""
        dials = self._dials.errors
        name = error_texts.draw(dials, about, self._habits)
        if name is None:
            return False
        self.complain(error_texts.TEXTS[name].text, turn)
        if name in error_texts.JOIN_AGAIN:
            self._joined = False
        if about is not About.HANDOFF:
            self.settled(turn, "refused")
        if name in error_texts.FINAL and self._habits.has(dials.ends):
            self.end(EndReason.NATURAL_END)
        return True

    def new_message_id(self) -> str:
        """See `Room.new_message_id`."""
        self._messages += 1
        return f"msg_{self.id[:8]}{self.id[9:13]}{self._messages:012x}"

    def struck(self, fault: str, turn: ServerTurn) -> None:
        """See `Room.struck`."""
        if fault != "mid_stream_drop" or self._channel.sever():
            self._faults.note(fault, message_id=turn.message_id)

    def slowness(self) -> float:
        """See `Room.slowness`."""
        return self._setting.drift.slowness(self._born)

    def refers(self, turn: ServerTurn) -> bool:
        """See `Room.refers`."""
        return (self._handoff is None or self._handoff.over) and HUMAN_WORDS in turn.text.lower()

    def refer(self, turn: ServerTurn) -> bool:
        """See `Room.refer`."""
        dials = self._dials.handoff
        self._handoff = handoff = LiveHandoff(self, self._setting, self._rng, self._faults)
        self._handoffs += 1
        handoff.begin(turn, "fail" if self._handoffs <= dials.fail_first else dials.mode)
        return handoff.took_over

    def leave_to_human(self, turn: ServerTurn) -> None:
        """See `Room.leave_to_human`."""
        assert self._handoff is not None
        self._handoff.hear(turn)

    def settled(self, turn: ServerTurn, outcome: str) -> None:
        """See `Room.settled`."""
        if turn.kind == "join" and outcome == "refused":
            self._joined = False  # the client is asked to try again, so it must be able to
        self._record(
            turn.kind,
            local_id=local_id(turn.custom),
            message_id=turn.message_id,
            received=turn.received,
            outcome=outcome,
            events=turn.events,
        )

    def handed_off(self, story: ServerTurn, outcome: str, stamps: dict[str, Any]) -> None:
        """See `Room.handed_off`."""
        began, events = story.received, story.events
        self._record("handoff", triggered=began, **stamps, outcome=outcome, events=events)

    def hand_back(self, turns: Iterable[ServerTurn]) -> None:
        """See `Room.hand_back`."""
        for turn in turns:
            turn.kind = "turn"
        self._agent.come_back(turns)

    def finish(self) -> None:
        """See `Room.finish`."""
        # A streamed farewell bears no mark that it was the last, and a replay would miss the end.
        told = not self.streaming or (self._handoff is not None and self._handoff.took_over)
        may = told and bool(self._channel.outlets)
        silent = may and self._habits.has(self._dials.end_without_event)
        self.end(EndReason.NATURAL_END, silent=silent)

    # The rest.

    def _record(self, kind: str, **fields: Any) -> None:
        self._setting.truth.record(kind, session_id=self.id, **fields)

    @property
    def _full(self) -> bool:
        return self._channel.journal.size >= MOST_JOURNALED

    def _join(self, event: ClientEvent, now: float) -> None:
        turn = ServerTurn("join", now, custom=event.custom)
        turn.events.append(self._channel.send(event.type, event.payload, event.custom))
        if self._joined:
            self.settled(turn, "repeated")
        else:
            self._joined = True
            self._agent.take(turn)

    def _message(self, outlet: Outlet, event: ClientEvent, now: float) -> None:
        if self._bucket is not None and self._bucket.take():
            name = local_id(event.custom)
            self._record("rate_limited", call="message", at=now, local_id=name)
            return
        name = self.new_message_id()
        turn = ServerTurn(
            "turn", now, text=event.payload["text"], custom=event.custom, message_id=name
        )
        payload = {**event.payload, "message_id": name}
        echo, fault = self._channel.echo(outlet, payload, event.custom)
        if echo is not None:
            turn.events.append(echo)
            self._channel.receipts(event.type, payload)
        if fault == "silent_drop":
            return
        if self._handoff is not None and self._handoff.took_over:
            self._handoff.hear(turn)
            return
        self._agent.hush()  # the user has spoken
        if not self._joined:
            self._turn_away(turn, NO_CONVERSATION)
        elif fault == "high_load":
            self._faults.note(fault, message_id=name)
            self._turn_away(turn, HIGH_LOAD)
        elif fault == "conversation_not_found":
            self._faults.note(fault, message_id=name)
            self._joined = False  # until the client asks for an agent again
            self._turn_away(turn, NO_CONVERSATION)
        elif not self.errs(About.REQUEST if self.refers(turn) else About.MESSAGE, turn):
            self._agent.take(turn)

    def _turn_away(self, turn: ServerTurn, text: str) -> None:
        self.complain(text, turn)
        self.settled(turn, "refused")

    def _refuse(self, outlet: Outlet, refusal: Refusal, now: float) -> None:
        payload = system_message(refusal.text)
        self._channel.reply(outlet, EventType.SYSTEM_MESSAGE, payload, refusal.custom)
        name, text = local_id(refusal.custom), refusal.text
        self._record("refusal", socket=outlet.number, at=now, text=text, local_id=name)

    def _watch(self) -> None:
        """Look again when the silence could be long enough: one timer, armed anew when it rings."""
        left = self._heard + self._dials.idle_timeout_seconds - self._clock.now()
        if left > 0:
            self._idle = self._clock.later(left, self._watch)
        else:
            self.end(EndReason.USER_ABANDONED)

    def _stop(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        self._agent.stop()
        if self._handoff is not None:
            self._handoff.stop()
