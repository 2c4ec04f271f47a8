"""Everything about the simulated service that can be turned, with its unit and its default."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from loadkit.config.mistakes import ConfigError, Key, flaws
from loadkit.config.source import Source, laid_over, read_settings
from loadkit.config.table import Duration, Ratio, Table
from loadkit.simulator.distributions import Constant, Distribution, Lognormal, Range, dial
from loadkit.simulator.faults.decline import DriftDials
from loadkit.simulator.faults.dials import FaultDials
from loadkit.simulator.faults.error_texts import ErrorDials
from loadkit.simulator.faults.incidents import IncidentPlan

_Capability = Literal[
    "streaming", "max_message_size_bytes", "max_reconnect_attempts", "heartbeat_interval_seconds"
]


class FollowUpDials(Table):
    """One more thing that the agent says behind an answer that was complete."""

    share: Ratio = dial(0.0, "share of answers and greetings that have one")
    delay: Distribution = dial(
        Constant(value=1.0),
        "the answer is complete → its follow-up, or its first chunk (distribution of"
        " seconds); it is left unsaid when the user speaks first",
    )


class AgentDials(Table):
    """The agent on the far side: who it is, how fast, and how many of it there are."""

    name: str = dial("Poly", "`agent_name` of POLY_AGENT_JOINED")
    avatar_url: str = dial(
        "https://simulated.localhost/agent.png", "`agent_avatar_url` of POLY_AGENT_JOINED"
    )
    join: Distribution = dial(
        Lognormal(median=0.15, sigma=0.3),
        "join received → POLY_AGENT_JOINED (distribution of seconds)",
    )
    greeting: Distribution = dial(
        Lognormal(median=0.4, sigma=0.4),
        "POLY_AGENT_JOINED → greeting, or its first chunk (distribution of seconds)",
    )
    thinking: Distribution = dial(
        Constant(value=0.03),
        "message received, or agent joined → POLY_AGENT_THINKING (distribution of seconds)",
    )
    first_response: Distribution = dial(
        Lognormal(median=0.4, sigma=0.4),
        "message received → the whole reply, or its first chunk (distribution of seconds)",
    )
    gap: Distribution = dial(
        Lognormal(median=0.08, sigma=0.4), "one chunk → the next (distribution of seconds)"
    )
    chunks: Range = dial(Range(min=4, max=10), "chunks of a streamed reply (count)")
    chunk_spaces: Literal["kept", "stripped"] = dial(
        "kept",
        "`stripped`: chunks come without the spaces between them, as for a client that"
        " joins them with one",
    )
    empty_last_chunk: bool = dial(
        False, "a streamed reply is closed by one more chunk without text"
    )
    rich_greeting: bool = dial(True, "the greeting has three suggestions and an image")
    suggestion_rate: Ratio = dial(0.2, "share of replies that carry response_suggestions")
    attachment_rate: Ratio = dial(0.05, "share of replies with an attachment")
    call_action_rate: Ratio = dial(
        0.0,
        "share of replies that are `chat_call_actions` and nothing else, in a whole"
        " message also where replies stream",
    )
    end_conversation_rate: Ratio = dial(
        0.0,
        "share of replies with `end_conversation: true`, after which the session ends naturally",
    )
    follow_up: FollowUpDials = dial(FollowUpDials(), "one more thing behind a complete answer")
    nudge: Duration = dial(
        0.0,
        "silence after an utterance of the agent's in which it speaks once more,"
        " unprompted (seconds, 0 = never)",
    )
    start_wait: Distribution = dial(
        Constant(value=0.0),
        "no place in the line for a slot → the text that says so (distribution of seconds)",
    )
    slots: int = dial(
        0,
        "replies in the making at one time over all sessions; others wait their"
        " turn, first come first served (count, 0 = unlimited)",
        ge=0,
    )
    queue_limit: int = dial(
        1000, "who may wait for a slot; one more is told of high load (count)", ge=0
    )


class HistoryDials(Table):
    """The replay on connect."""

    empty_batch: bool = dial(True, "send an empty EVENT_BATCH on connect when nothing is new")
    batch_size: int = dial(256, "most events in one EVENT_BATCH (count)", ge=1, le=100_000)
    typed_payload_keys: bool = dial(
        False,
        "in a batch, put the payload under a key made from the type"
        " (`poly_agent_message`) instead of `payload`",
    )


class HandoffDials(Table):
    """What happens once a user asks for a person."""

    mode: Literal["server", "client", "fail", "timeout"] = dial(
        "server",
        "`server`: a live agent comes in here; `client`: the client is told to see to"
        " it; `fail`, `timeout`: it comes to nothing and the agent stays",
    )
    after: Literal["end", "bot", "transfer"] = dial(
        "end",
        "what follows LIVE_AGENT_LEFT: `end`: SESSION_END; `bot`: the agent joins"
        " again; `transfer`: another live agent, once, and then the end",
    )
    fail_first: int = dial(
        0, "hand-offs of a session that fail (HANDOFF_FAILED) before the mode applies (count)", ge=0
    )
    route: str = dial(
        "live-chat", "`route` of CLIENT_HANDOFF_REQUIRED; empty leaves it out, as older servers do"
    )
    queue_before_failure: bool = dial(
        True, "HANDOFF_QUEUE_STATUS while the user waits for HANDOFF_FAILED or HANDOFF_TIMEOUT"
    )
    queue_name: str = dial("support", "`queue_name`; empty leaves it out")
    queue_interval: Duration = dial(2.0, "one HANDOFF_QUEUE_STATUS → the next (seconds)", ge=0.001)
    queue_position: Range = dial(
        Range(min=1, max=4), "first place told where `handoff.agents` is unlimited (count)"
    )
    wait: Distribution = dial(
        Lognormal(median=3.0, sigma=0.5),
        "accepted (with `handoff.agents`: a live agent is free) → LIVE_AGENT_JOINED;"
        " or triggered → HANDOFF_FAILED, HANDOFF_TIMEOUT (distribution of seconds)",
    )
    agents: int = dial(
        0, "live agents over all sessions, first come first served (count, 0 = unlimited)", ge=0
    )
    live_response: Distribution = dial(
        Lognormal(median=1.5, sigma=0.5),
        "the live agent starts on a message → LIVE_AGENT_MESSAGE (distribution of seconds)",
    )
    live_turns: Range = dial(
        Range(min=2, max=4), "messages that the live agent answers before LIVE_AGENT_LEFT (count)"
    )
    live_idle: Duration = dial(
        120.0, "silence of the user after which the live agent leaves (seconds)", gt=0
    )


class RateLimitDials(Table):
    """How much is let in. A second's worth may come at once; 0 is no limit."""

    messages_per_second: float = dial(
        0.0,
        "user messages of one session; more are silently dropped (per second, 0 = no limit)",
        ge=0,
    )
    tokens_per_second: float = dial(
        0.0, "access-token calls; more get 429 with Retry-After (per second, 0 = no limit)", ge=0
    )
    sessions_per_second: float = dial(
        0.0, "create-session calls; more get 429 with Retry-After (per second, 0 = no limit)", ge=0
    )


class Dials(Table):
    """Every setting of the simulated Messaging API. Immutable; times are in seconds."""

    seed: int = dial(1, "what the agents' words and waits are drawn from")
    heartbeat_interval_seconds: Duration = dial(
        30.0, "capability told in SESSION_START (seconds, 0 = no heartbeats)"
    )
    idle_timeout_seconds: Duration = dial(
        600.0, "silence of the client after which its session is abandoned (seconds)", gt=0
    )
    max_connections_per_session: int = dial(10, "open sockets of one session (count)", ge=1)
    max_message_size_bytes: int = dial(
        128 * 1024,
        "capability told in SESSION_START, and the size over which a client's"
        " message is refused by close code 1009 (bytes)",
        ge=64,
    )
    max_reconnect_attempts: int = dial(10, "capability told in SESSION_START (count)", ge=0)
    capabilities_left_out: Annotated[tuple[_Capability, ...], Field(strict=False)] = dial(
        (), "names of capabilities that SESSION_START does not mention"
    )
    timestamps: Literal["seconds", "milliseconds", "nanoseconds"] = dial(
        "milliseconds", "how fine an event's `timestamp` is"
    )
    optional_fields: Ratio = dial(
        0.3,
        "share of an event's optional fields that depart from the usual: one that is"
        " mostly absent is there, one that is mostly there is absent",
    )
    token_lifetime_seconds: Duration = dial(86400.0, "validity of an access token (seconds)")
    ended_session_linger_seconds: Duration = dial(
        0.0,
        "how long after SESSION_END a reconnect still gets the history, and is then"
        " closed with 1000, instead of 404 (seconds)",
    )
    close_timeout_seconds: Duration = dial(
        5.0,
        "how long the server waits for the client's half of a close before it cuts"
        " the connection (seconds)",
    )
    send_buffer_limit_bytes: int = dial(
        16 * 1024 * 1024,
        "unsent bytes at which a client that does not read is cut off (bytes)",
        ge=64 * 1024,
    )
    ping_interval_seconds: Duration = dial(
        0.0, "one WebSocket ping of the server's → the next (seconds, 0 = none)"
    )
    pong_timeout_seconds: Duration = dial(
        0.0,
        "how long a pong may take, after which the socket is cut without a close"
        " (seconds, 0 = for ever)",
    )
    max_connection_seconds: Duration = dial(
        0.0, "age at which a socket is closed with 1001 (seconds, 0 = none)"
    )
    stream_error: Ratio = dial(
        0.0,
        "share of streamed answers that break off, with `Sorry, I encountered an"
        " error. Please try again.` for the rest",
    )
    end_without_event: Ratio = dial(
        0.0,
        "share of natural ends (behind LIVE_AGENT_LEFT, or `end_conversation: true`,"
        " which no stream has) that are a close with 1000 and no SESSION_END",
    )
    survey: Ratio = dial(
        0.0,
        "share of sessions with SHOW_CSAT_REQUEST, and in half of them CSAT_RESPONSE,"
        " right before or right after SESSION_END",
    )
    receipts: Ratio = dial(
        0.0,
        "share of messages, whoever's, with a receipt that they were received and one"
        " that they were read",
    )
    compression: bool = dial(False, "accept permessage-deflate when a client offers it")
    connector_has_host_domain: bool = dial(
        True, "false: access-token answers 401 `Connector missing host domain`"
    )
    agent: AgentDials = dial(AgentDials(), "the agent's pace and words")
    history: HistoryDials = dial(HistoryDials(), "the replay on connect")
    handoff: HandoffDials = dial(HandoffDials(), "what happens once a user asks for a person")
    rate_limit: RateLimitDials = dial(RateLimitDials(), "what is let in")
    errors: ErrorDials = dial(ErrorDials(), "what the server cannot do")
    faults: FaultDials = dial(FaultDials(), "what goes wrong on purpose")
    drift: DriftDials = dial(DriftDials(), "what gets worse with time")
    incidents: IncidentPlan = dial(
        (),
        "what befalls the server as a whole, and when (list of"
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


def load_dials(config: Path | None, overrides: Sequence[str]) -> Dials:
    """Read the simulator's settings.

    Args:
        config: a TOML file, or None for the defaults.
        overrides: `dotted.key=value` each, stronger than the file, the last one strongest. Setting
            one field of a distribution keeps the others.

    Raises:
        ConfigError: the file cannot be read, or settings are wrong: all of them, with their places.
    """
    text, where = ("", "") if config is None else (read_settings(config), str(config))
    source = Source(text, where, overrides, under=_defaults())
    mistakes = source.mistakes
    try:
        dials = Dials.model_validate(source.data)
    except ValidationError as error:
        mistakes += [source.told(key, sentence) for key, sentence in flaws(error, Dials)]
    if mistakes:
        raise ConfigError(mistakes)
    return dials


def dial_flaws(table: Mapping[str, Any]) -> list[tuple[Key, str]]:
    """Return what is wrong with a table of dials: where in it, and a sentence."""
    try:
        Dials.model_validate(laid_over(_defaults(), table))
    except ValidationError as error:
        return list(flaws(error, Dials))
    return []


def _defaults() -> dict[str, Any]:
    return Dials().model_dump(mode="json")
