"""What is looked at: a row each, in the order of a session, and what came of it."""

from enum import StrEnum
from typing import Final, NamedTuple


class CheckVerdict(StrEnum):
    """How what came stands to what was expected; a later one outweighs those before it."""

    NOT_SEEN = "not seen"
    OK = "ok"
    DIFFERS = "differs, allowed"
    WRONG = "wrong"


class Check(NamedTuple):
    """One thing that the protocol says of a server, shown under a part of a session."""

    part: str
    tried: str
    expected: str


class CheckRow(NamedTuple):
    key: str
    check: Check
    verdict: CheckVerdict
    came: str


_REST, _SOCKET, _TALK = "token and session", "connection", "conversation"
_RESUME, _END, _HUMAN = "drop and resume", "end", "hand-off"

CHECKS: Final = {
    "token": Check(_REST, "POST access-token", "200 with an access_token that is a JWT"),
    "wrong_connector": Check(_REST, "POST access-token with another X-Token", "401"),
    "create": Check(_REST, "POST sessions", "200 with a session_id"),
    "create_streaming": Check(_REST, "POST sessions, streaming_enabled", "200 with a session_id"),
    "wrong_token": Check(_REST, "POST sessions with a made-up token", "401"),
    "wrong_token_upgrade": Check(_SOCKET, "upgrade with a made-up token", "401"),
    "upgrade": Check(_SOCKET, "upgrade with token and session_id", "101"),
    "history": Check(_SOCKET, "connect", "EVENT_BATCH that begins with SESSION_START"),
    "capabilities": Check(_SOCKET, "connect", "capabilities of the right types, or none"),
    "frames": Check(_SOCKET, "read every frame", "known events with id, timestamp and payload"),
    "sequence": Check(_SOCKET, "read every sequence", "strictly rising on each socket"),
    "heartbeat": Check(_SOCKET, "HEARTBEAT", "its echo"),
    "second_socket": Check(_SOCKET, "a second socket on the session", "101, and both stay open"),
    "close_code": Check(_SOCKET, "close the second one with 4002", "4002 echoed"),
    "bad_event": Check(
        _SOCKET, "an event of no known type", "SYSTEM_MESSAGE, and the connection stays open"
    ),
    "join_echo": Check(_TALK, "REQUEST_POLY_AGENT_JOIN", "its echo"),
    "joined": Check(_TALK, "REQUEST_POLY_AGENT_JOIN", "POLY_AGENT_JOINED"),
    "greeting": Check(_TALK, "wait for the greeting", "a complete agent message"),
    "typing": Check(_TALK, "USER_TYPING", "no echo"),
    "echo": Check(_TALK, "USER_MESSAGE", "its echo: same text, local_id, and a message_id"),
    "thinking": Check(_TALK, "USER_MESSAGE", "POLY_AGENT_THINKING between echo and answer"),
    "answer": Check(_TALK, "USER_MESSAGE", "POLY_AGENT_MESSAGE with a message_id"),
    "streamed_answer": Check(
        _TALK, "USER_MESSAGE, streaming", "chunks 1, 2, 3 … of one message, the last complete"
    ),
    "resume": Check(
        _RESUME, "drop, upgrade with cursor=seq:n", "only what came after n, all of it"
    ),
    "resume_bare": Check(
        _RESUME, "drop, upgrade with cursor=n", "only what came after n, all of it"
    ),
    "cold": Check(
        _RESUME, "close with 1000, upgrade without cursor", "the session lives: its whole history"
    ),
    "end_echo": Check(_END, "USER_END_SESSION", "its echo"),
    "session_end": Check(_END, "USER_END_SESSION", "SESSION_END with REASON_USER_END"),
    "closed": Check(_END, "wait for the close", "1000, and nothing between SESSION_END and it"),
    "ended": Check(_END, "upgrade to the ended session", "404 or 401"),
    "handoff": Check(_HUMAN, "say the text of --handoff", "POLY_AGENT_TRIGGERED_HANDOFF"),
    "handed_over": Check(
        _HUMAN,
        "wait for what becomes of it",
        "LIVE_AGENT_JOINED, CLIENT_HANDOFF_REQUIRED, HANDOFF_FAILED or HANDOFF_TIMEOUT",
    ),
}
"""By key. The facts are those of the protocol's own document."""

_WEIGHT: Final = {verdict: number for number, verdict in enumerate(CheckVerdict)}


class Findings:
    """What came of the checks so far: of one that is made twice, the graver outcome."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[CheckVerdict, str]] = {}
        self._stopped = "it did not come to that"

    def add(self, key: str, verdict: CheckVerdict, came: str) -> None:
        before = self._found.get(key)
        if before is None or _WEIGHT[verdict] > _WEIGHT[before[0]]:
            self._found[key] = verdict, came

    def ok(self, key: str, came: str = "as expected") -> None:
        self.add(key, CheckVerdict.OK, came)

    def wrong(self, key: str, came: str) -> None:
        self.add(key, CheckVerdict.WRONG, came)

    def not_seen(self, key: str, why: str) -> None:
        self.add(key, CheckVerdict.NOT_SEEN, why)

    def stopped(self, why: str) -> None:
        """Say why some checks were not made."""
        self._stopped = why

    def rows(self) -> list[CheckRow]:
        """Every check with its outcome, in the table's order."""
        missing = CheckVerdict.NOT_SEEN, self._stopped
        return [CheckRow(key, each, *self._found.get(key, missing)) for key, each in CHECKS.items()]
