"""All sessions of one server, by their id."""

import logging
from typing import Final

from loadkit.simulator.session.events import NOBODY, Announced
from loadkit.simulator.session.session import ServerSession
from loadkit.simulator.shared import SharedState

_log = logging.getLogger(__name__)

MOST: Final = 50_000
"""Sessions that are kept at one time, of some 6 KB each when nothing was said in them yet."""


class Registry:
    """Makes sessions, finds them again, and forgets the ended ones.

    Args:
        most: how many are kept; see `make_room`.
    """

    def __init__(self, setting: SharedState, most: int = MOST) -> None:
        self._setting, self._most = setting, most
        self._sessions: dict[str, ServerSession] = {}
        self._spare: dict[str, ServerSession] = {}
        self._made = self._dropped = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def make_room(self) -> bool:
        """See to it that one more can be kept, by dropping the oldest that nobody misses.

        No socket has come for it yet, or it is over. Returns whether there is room.
        """
        if len(self._sessions) < self._most:
            return True
        session = next(iter(self._spare.values()), None)
        if session is None:
            return False
        if not self._dropped:
            _log.warning(
                "%d sessions are kept: for each new one the oldest is dropped that no socket has "
                "come for, or that is over",
                self._most,
            )
        self._dropped += 1
        session.cut()
        self._forget(session)
        return True

    def create(self, owner: str, *, streaming: bool, client: Announced = NOBODY) -> ServerSession:
        """A new session that belongs to the token with identity `owner`."""
        self._made += 1
        session = ServerSession(
            owner,
            streaming=streaming,
            # A name of its own: what it draws does not depend on the others' timing.
            name=str(self._made),
            setting=self._setting,
            client=client,
            on_end=self._ended,
        )
        self._sessions[session.id] = self._spare[session.id] = session
        self._setting.drift.created()
        return session

    def find(self, session_id: str) -> ServerSession | None:
        """The session, or None when there is none or it is over."""
        return self._sessions.get(session_id)

    def met(self, session: ServerSession) -> None:
        """A socket has come for a session."""
        if session.ended is None:
            self._spare.pop(session.id, None)

    def cut(self) -> None:
        """The server goes down: every session falls silent."""
        for session in self._sessions.values():
            session.cut()
        self._sessions.clear()
        self._spare.clear()

    def _ended(self, session: ServerSession) -> None:
        dials = self._setting.dials
        linger = dials.ended_session_linger_seconds
        if session.interrupted:  # its client has yet to hear of the end, and not by a 404
            linger = max(linger, dials.idle_timeout_seconds)
        if linger > 0:
            self._spare[session.id] = session
            self._setting.clock.later(linger, lambda: self._forget(session))
        else:
            self._forget(session)

    def _forget(self, session: ServerSession) -> None:
        self._sessions.pop(session.id, None)
        self._spare.pop(session.id, None)
