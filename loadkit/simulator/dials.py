"""Everything about the simulated service that can be turned, with its unit and its default."""

from typing import Annotated, Any, Literal

from pydantic import Field

from loadkit.config.table import Table
from loadkit.config.units import Duration, Ratio
from loadkit.simulator.distributions import Constant, Distribution, Lognormal, Range
from loadkit.simulator.faults.decline import DriftDials
from loadkit.simulator.faults.dials import FaultDials
from loadkit.simulator.faults.error_texts import ErrorDials
from loadkit.simulator.faults.incidents import IncidentPlan

__all__ = ["AgentDials", "Dials", "HandoffDials", "HistoryDials", "RateLimitDials"]

_Capability = Literal[
    "streaming",
    "max_message_size_bytes",
    "max_reconnect_attempts",
    "heartbeat_interval_seconds",
]


class FollowUpDials(Table):
    """One more thing that the agent says behind an answer that was complete."""

    share: Ratio = Field(default=0.0, description="share of answers and greetings that have one")
    delay: Distribution = Field(
        default=Constant(value=1.0),
        description="the answer is complete → its follow-up, or its first chunk (distribution of"
        " seconds); it is left unsaid when the user speaks first",
    )


class AgentDials(Table):
    """The agent on the far side: who it is, how fast, and how many of it there are."""

    name: str = Field(default="Poly", description="`agent_name` of POLY_AGENT_JOINED")
    avatar_url: str = Field(
        default="https://simulated.localhost/agent.png",
        description="`agent_avatar_url` of POLY_AGENT_JOINED",
    )
    join: Distribution = Field(
        default=Lognormal(median=0.15, sigma=0.3),
        description="join received → POLY_AGENT_JOINED (distribution of seconds)",
    )
    greeting: Distribution = Field(
        default=Lognormal(median=0.4, sigma=0.4),
        description="POLY_AGENT_JOINED → greeting, or its first chunk (distribution of seconds)",
    )
    thinking: Distribution = Field(
        default=Constant(value=0.03),
        description="message received, or agent joined → POLY_AGENT_THINKING"
        " (distribution of seconds)",
    )
    first_response: Distribution = Field(
        default=Lognormal(median=0.4, sigma=0.4),
        description="message received → the whole reply, or its first chunk"
        " (distribution of seconds)",
    )
    gap: Distribution = Field(
        default=Lognormal(median=0.08, sigma=0.4),
        description="one chunk → the next (distribution of seconds)",
    )
    chunks: Range = Field(
        default=Range(min=4, max=10), description="chunks of a streamed reply (count)"
    )
    chunk_spaces: Literal["kept", "stripped"] = Field(
        default="kept",
        description="`stripped`: chunks come without the spaces between them, as for a client that"
        " joins them with one",
    )
    empty_last_chunk: bool = Field(
        default=False, description="a streamed reply is closed by one more chunk without text"
    )
    rich_greeting: bool = Field(
        default=True, description="the greeting has three suggestions and an image"
    )
    suggestion_rate: Ratio = Field(
        default=0.2, description="share of replies that carry response_suggestions"
    )
    attachment_rate: Ratio = Field(default=0.05, description="share of replies with an attachment")
    call_action_rate: Ratio = Field(
        default=0.0,
        description="share of replies that are `chat_call_actions` and nothing else, in a whole"
        " message also where replies stream",
    )
    end_conversation_rate: Ratio = Field(
        default=0.0,
        description="share of replies with `end_conversation: true`, after which the session ends"
        " naturally",
    )
    follow_up: FollowUpDials = Field(
        default=FollowUpDials(), description="one more thing behind a complete answer"
    )
    nudge: Duration = Field(
        default=0.0,
        description="silence after an utterance of the agent's in which it speaks once more,"
        " unprompted (seconds, 0 = never)",
    )
    start_wait: Distribution = Field(
        default=Constant(value=0.0),
        description="no place in the line for a slot → the text that says so (distribution of"
        " seconds)",
    )
    slots: int = Field(
        default=0,
        ge=0,
        description="replies in the making at one time over all sessions; others wait their"
        " turn, first come first served (count, 0 = unlimited)",
    )
    queue_limit: int = Field(
        default=1000,
        ge=0,
        description="who may wait for a slot; one more is told of high load (count)",
    )


class HistoryDials(Table):
    """The replay on connect."""

    empty_batch: bool = Field(
        default=True, description="send an empty EVENT_BATCH on connect when nothing is new"
    )
    batch_size: int = Field(
        default=256, ge=1, le=100_000, description="most events in one EVENT_BATCH (count)"
    )
    typed_payload_keys: bool = Field(
        default=False,
        description="in a batch, put the payload under a key made from the type"
        " (`poly_agent_message`) instead of `payload`",
    )


class HandoffDials(Table):
    """What happens once a user asks for a person."""

    mode: Literal["server", "client", "fail", "timeout"] = Field(
        default="server",
        description="`server`: a live agent comes in here; `client`: the client is told to see to"
        " it; `fail`, `timeout`: it comes to nothing and the agent stays",
    )
    after: Literal["end", "bot", "transfer"] = Field(
        default="end",
        description="what follows LIVE_AGENT_LEFT: `end`: SESSION_END; `bot`: the agent joins"
        " again; `transfer`: another live agent, once, and then the end",
    )
    fail_first: int = Field(
        default=0,
        ge=0,
        description="hand-offs of a session that fail (HANDOFF_FAILED) before the mode applies"
        " (count)",
    )
    route: str = Field(
        default="live-chat",
        description="`route` of CLIENT_HANDOFF_REQUIRED; empty leaves it out, as older servers do",
    )
    queue_before_failure: bool = Field(
        default=True,
        description="HANDOFF_QUEUE_STATUS while the user waits for HANDOFF_FAILED or"
        " HANDOFF_TIMEOUT",
    )
    queue_name: str = Field(default="support", description="`queue_name`; empty leaves it out")
    queue_interval: Duration = Field(
        default=2.0,
        ge=0.001,
        description="one HANDOFF_QUEUE_STATUS → the next (seconds)",
    )
    queue_position: Range = Field(
        default=Range(min=1, max=4),
        description="first place told where `handoff.agents` is unlimited (count)",
    )
    wait: Distribution = Field(
        default=Lognormal(median=3.0, sigma=0.5),
        description="accepted (with `handoff.agents`: a live agent is free) → LIVE_AGENT_JOINED;"
        " or triggered → HANDOFF_FAILED, HANDOFF_TIMEOUT (distribution of seconds)",
    )
    agents: int = Field(
        default=0,
        ge=0,
        description="live agents over all sessions, first come first served (count, 0 = unlimited)",
    )
    live_response: Distribution = Field(
        default=Lognormal(median=1.5, sigma=0.5),
        description="the live agent starts on a message → LIVE_AGENT_MESSAGE (distribution of"
        " seconds)",
    )
    live_turns: Range = Field(
        default=Range(min=2, max=4),
        description="messages that the live agent answers before LIVE_AGENT_LEFT (count)",
    )
    live_idle: Duration = Field(
        default=120.0,
        gt=0,
        description="silence of the user after which the live agent leaves (seconds)",
    )


class RateLimitDials(Table):
    """How much is let in. A second's worth may come at once; 0 is no limit."""

    messages_per_second: float = Field(
        default=0.0,
        ge=0,
        description="user messages of one session; more are silently dropped (per second, 0 = no"
        " limit)",
    )
    tokens_per_second: float = Field(
        default=0.0,
        ge=0,
        description="access-token calls; more get 429 with Retry-After (per second, 0 = no limit)",
    )
    sessions_per_second: float = Field(
        default=0.0,
        ge=0,
        description="create-session calls; more get 429 with Retry-After (per second, 0 = no"
        " limit)",
    )


class Dials(Table):
    """Every setting of the simulated Messaging API. Immutable; times are in seconds."""

    seed: int = Field(default=1, description="what the agents' words and waits are drawn from")
    heartbeat_interval_seconds: Duration = Field(
        default=30.0, description="capability told in SESSION_START (seconds, 0 = no heartbeats)"
    )
    idle_timeout_seconds: Duration = Field(
        default=600.0,
        gt=0,
        description="silence of the client after which its session is abandoned (seconds)",
    )
    max_connections_per_session: int = Field(
        default=10, ge=1, description="open sockets of one session (count)"
    )
    max_message_size_bytes: int = Field(
        default=128 * 1024,
        ge=64,
        description="capability told in SESSION_START, and the size over which a client's"
        " message is refused by close code 1009 (bytes)",
    )
    max_reconnect_attempts: int = Field(
        default=10, ge=0, description="capability told in SESSION_START (count)"
    )
    capabilities_left_out: Annotated[tuple[_Capability, ...], Field(strict=False)] = Field(
        default=(), description="names of capabilities that SESSION_START does not mention"
    )
    timestamps: Literal["seconds", "milliseconds", "nanoseconds"] = Field(
        default="milliseconds", description="how fine an event's `timestamp` is"
    )
    optional_fields: Ratio = Field(
        default=0.3,
        description="share of an event's optional fields that depart from the usual: one that is"
        " mostly absent is there, one that is mostly there is absent",
    )
    token_lifetime_seconds: Duration = Field(
        default=86400.0, description="validity of an access token (seconds)"
    )
    ended_session_linger_seconds: Duration = Field(
        default=0.0,
        description="how long after SESSION_END a reconnect still gets the history, and is then"
        " closed with 1000, instead of 404 (seconds)",
    )
    close_timeout_seconds: Duration = Field(
        default=5.0,
        description="how long the server waits for the client's half of a close before it cuts"
        " the connection (seconds)",
    )
    send_buffer_limit_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=64 * 1024,
        description="unsent bytes at which a client that does not read is cut off (bytes)",
    )
    ping_interval_seconds: Duration = Field(
        default=0.0, description="one WebSocket ping of the server's → the next (seconds, 0 = none)"
    )
    pong_timeout_seconds: Duration = Field(
        default=0.0,
        description="how long a pong may take, after which the socket is cut without a close"
        " (seconds, 0 = for ever)",
    )
    max_connection_seconds: Duration = Field(
        default=0.0,
        description="age at which a socket is closed with 1001 (seconds, 0 = none)",
    )
    stream_error: Ratio = Field(
        default=0.0,
        description="share of streamed answers that break off, with `Sorry, I encountered an"
        " error. Please try again.` for the rest",
    )
    end_without_event: Ratio = Field(
        default=0.0,
        description="share of natural ends (behind LIVE_AGENT_LEFT, or `end_conversation: true`,"
        " which no stream has) that are a close with 1000 and no SESSION_END",
    )
    survey: Ratio = Field(
        default=0.0,
        description="share of sessions with SHOW_CSAT_REQUEST, and in half of them CSAT_RESPONSE,"
        " right before or right after SESSION_END",
    )
    receipts: Ratio = Field(
        default=0.0,
        description="share of messages, whoever's, with a receipt that they were received and one"
        " that they were read",
    )
    compression: bool = Field(
        default=False, description="accept permessage-deflate when a client offers it"
    )
    connector_has_host_domain: bool = Field(
        default=True,
        description="false: access-token answers 401 `Connector missing host domain`",
    )
    agent: AgentDials = Field(default=AgentDials(), description="the agent's pace and words")
    history: HistoryDials = Field(default=HistoryDials(), description="the replay on connect")
    handoff: HandoffDials = Field(
        default=HandoffDials(), description="what happens once a user asks for a person"
    )
    rate_limit: RateLimitDials = Field(default=RateLimitDials(), description="what is let in")
    errors: ErrorDials = Field(default=ErrorDials(), description="what the server cannot do")
    faults: FaultDials = Field(default=FaultDials(), description="what goes wrong on purpose")
    drift: DriftDials = Field(default=DriftDials(), description="what gets worse with time")
    incidents: IncidentPlan = Field(
        default=(),
        description="what befalls the server as a whole, and when (list of"
        " `{ at, duration, kind }`, seconds since it listens)",
    )

    def capabilities(self, streaming: bool) -> dict[str, Any]:
        """What SESSION_START tells a client, in a session that streams or does not."""
        interval = self.heartbeat_interval_seconds
        told = {
            "streaming": streaming,
            "max_message_size_bytes": self.max_message_size_bytes,
            "max_reconnect_attempts": self.max_reconnect_attempts,
            "heartbeat_interval_seconds": int(interval) if interval.is_integer() else interval,
        }
        return {name: told[name] for name in told if name not in self.capabilities_left_out}
