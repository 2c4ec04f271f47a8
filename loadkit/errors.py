"""The exception tree and the closed list of failure kinds.

LoadkitError
├── UsageError              the user can fix it: a flag, a profile, a secret, a folder (exit 2)
├── TargetError             the target cannot be reached or refuses us, before any load (exit 4)
├── LocalError              a mistake of our own; it stops the run loudly
└── RemoteError             what the target did wrong to one virtual user: a measurement

Failures are counted under `Failure` alone, never under free text: texts hold identifiers, grow
without end in a long run and cannot be merged over workers.
"""

from enum import StrEnum


class Failure(StrEnum):
    """Why something that was asked of the target did not happen."""

    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECTION_LOST = "connection_lost"  # reset, closed or cut in the middle of an exchange
    TLS_FAILED = "tls_failed"
    PROXY_REFUSED = "proxy_refused"  # by the proxy on the way itself: not by the target
    HTTP_CLIENT_ERROR = "http_client_error"  # a 4xx other than 429: final
    HTTP_SERVER_ERROR = "http_server_error"  # a 5xx that stayed after the retries
    HTTP_BAD_ANSWER = "http_bad_answer"  # 200 without the field that was promised
    ANSWER_TOO_BIG = "answer_too_big"  # more bytes than an answer may have
    RATE_LIMITED = "rate_limited"  # 429: of a REST call after the retries, of each upgrade
    TOKEN_MALFORMED = "token_malformed"  # not three base64url parts, or expired on arrival
    UPGRADE_REFUSED = "upgrade_refused"  # any answer but 101, 401, 404 and 429
    HISTORY_MISSING = "history_missing"  # no first batch within the hand-shake limit
    JOIN_MISSING = "join_missing"  # no POLY_AGENT_JOINED
    GREETING_MISSING = "greeting_missing"
    UNACKNOWLEDGED = "unacknowledged"  # a message whose echo never came
    UNANSWERED = "unanswered"  # a message whose answer did not come within the patience
    OVERLOADED = "overloaded"  # the server's words: high load, try again in a moment
    NO_CONVERSATION = "no_conversation"  # the server's words: conversation not found
    AGENT_ERROR = "agent_error"  # the server's words: the agent cannot respond
    SESSION_ERROR = "session_error"  # the server's words: no such session, connector, …
    HANDOFF_ERROR = "handoff_error"  # the server's words: no human is to be had, or was told
    END_MISSING = "end_missing"  # USER_END_SESSION without SESSION_END
    TOKEN_EXPIRED = "token_expired"  # a resume refused with 401: the session outlived its token
    SESSION_LOST = "session_lost"  # the server no longer knows the session (401, 404, 4001)
    SESSION_ABANDONED = "session_abandoned"  # the server ended a session that was alive
    HEARTBEAT_UNANSWERED = "heartbeat_unanswered"  # two in a row: the link is given up
    FRAME_TOO_BIG = "frame_too_big"
    FRAME_FLOOD = "frame_flood"  # more frames than any chat has: the session is given up
    PROTOCOL_ERROR = "protocol_error"  # the WebSocket layer itself was violated
    GAVE_UP = "gave_up"  # the reconnect attempts ran out
    LOCAL_LIMIT = "local_limit"  # this machine has no file, port or memory left: not the target
    OWN_CODE = "own_code"  # an exception in the user's own class or locustfile
    INTERNAL = "internal"  # a fault of this tool; see the log


class LoadkitError(Exception):
    """Base of every exception of this package."""


class UsageError(LoadkitError):
    """Something the user can fix; the text names the place and the fix."""


class TargetError(LoadkitError):
    """The target cannot be reached or refuses the credentials; the text holds its own words."""


class LocalError(LoadkitError):
    """The tool asked itself for the impossible. Never caused by anything a server sends."""


class RemoteError(LoadkitError):
    """The target failed one virtual user.

    Attributes:
        kind: what to count it under.
        detail: the target's own words, without secrets.
        status: the HTTP status where there was one.
        wait_s: how many seconds a 429 asks to wait; None for everything else.
        correlation_id: what the target calls the exchange in its logs, else what it was sent for
            that; empty where there is neither.
    """

    def __init__(
        self,
        kind: Failure,
        detail: str = "",
        *,
        status: int | None = None,
        wait_s: float | None = None,
        correlation_id: str = "",
    ) -> None:
        super().__init__(kind, detail, status)
        self.kind, self.detail, self.status, self.wait_s = kind, detail, status, wait_s
        self.correlation_id = correlation_id

    def __str__(self) -> str:
        status = f" (HTTP {self.status})" if self.status is not None else ""
        return f"{self.kind}{status}: {self.detail}" if self.detail else f"{self.kind}{status}"
