"""Everything about the simulated service that can be turned, with its unit and its default."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from loadkit.simulator.durations import Constant, Distribution, Duration, Lognormal

__all__ = ["AgentDials", "Chunks", "Dials", "FaultDials", "HistoryDials"]

_Rate = Annotated[float, Field(ge=0, le=1)]
_Capability = Literal[
    "streaming",
    "max_message_size_bytes",
    "max_reconnect_attempts",
    "heartbeat_interval_seconds",
]


class _Dials(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Chunks(_Dials):
    """How many pieces a streamed reply comes in: evenly spread over `min` to `max`."""

    min: int = Field(default=4, ge=1, le=1000, description="fewest chunks of a streamed reply")
    max: int = Field(default=10, ge=1, le=1000, description="most chunks of a streamed reply")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError("min is above max")
        return self


class AgentDials(_Dials):
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
    chunks: Chunks = Field(default=Chunks(), description="chunks of a streamed reply (count)")
    empty_last_chunk: bool = Field(
        default=False, description="a streamed reply is closed by one more chunk without text"
    )
    suggestion_rate: _Rate = Field(
        default=0.2, description="share of replies that carry response_suggestions"
    )
    attachment_rate: _Rate = Field(default=0.05, description="share of replies with an attachment")
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


class HistoryDials(_Dials):
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


class FaultDials(_Dials):
    """What goes wrong on purpose."""

    token_500: _Rate = Field(
        default=0.0, description="share of access-token calls answered 500 (0 to 1)"
    )
    session_500: _Rate = Field(
        default=0.0, description="share of create-session calls answered 500 (0 to 1)"
    )


class Dials(_Dials):
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
    compression: bool = Field(
        default=False, description="accept permessage-deflate when a client offers it"
    )
    connector_has_host_domain: bool = Field(
        default=True,
        description="false: access-token answers 401 `Connector missing host domain`",
    )
    agent: AgentDials = Field(default=AgentDials(), description="the agent's pace and words")
    history: HistoryDials = Field(default=HistoryDials(), description="the replay on connect")
    faults: FaultDials = Field(default=FaultDials(), description="what goes wrong on purpose")
