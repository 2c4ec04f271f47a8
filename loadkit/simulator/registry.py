"""All sessions of one server, by their id."""

from random import Random

from loadkit.simulator.session import Session, Setting

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
        # A generator of its own: what one session draws does not depend on the others' timing.
        rng = Random(f"{self._setting.dials.seed}/{self._made}")
        session = Session(
            owner, streaming=streaming, rng=rng, setting=self._setting, on_end=self._ended
        )
        self._sessions[session.id] = session
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
        linger = self._setting.dials.ended_session_linger_seconds
        if linger > 0:
            self._setting.clock.later(linger, lambda: self._forget(session))
        else:
            self._forget(session)

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.id, None)
