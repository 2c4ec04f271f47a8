"""All sessions of one server, by their id."""

from loadkit.simulator.session import Session
from loadkit.simulator.setting import Setting

__all__ = ["Registry"]


class Registry:
    """Makes sessions, finds them again, and forgets the ended ones."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._sessions: dict[str, Session] = {}
        self._made = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def create(self, owner: str, *, streaming: bool) -> Session:
        """A new session that belongs to the token with identity `owner`."""
        self._made += 1
        session = Session(
            owner,
            streaming=streaming,
            # A name of its own: what it draws does not depend on the others' timing.
            name=str(self._made),
            setting=self._setting,
            on_end=self._ended,
        )
        self._sessions[session.id] = session
        self._setting.drift.created()
        return session

    def find(self, session_id: str) -> Session | None:
        """The session, or None when there is none or it is over."""
        return self._sessions.get(session_id)

    def cut(self) -> None:
        """The server goes down: every session falls silent."""
        for session in self._sessions.values():
            session.cut()
        self._sessions.clear()

    def _ended(self, session: Session) -> None:
        dials = self._setting.dials
        linger = dials.ended_session_linger_seconds
        if session.interrupted:  # its client has yet to hear of the end, and not by a 404
            linger = max(linger, dials.idle_timeout_seconds)
        if linger > 0:
            self._setting.clock.later(linger, lambda: self._forget(session))
        else:
            self._forget(session)

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.id, None)
