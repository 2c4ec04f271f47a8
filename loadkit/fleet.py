"""Which client a session has, and all that its driver needs to know of it."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import NamedTuple

from loadkit.chat.personas import PERSONAS, offered
from loadkit.figures import Client
from loadkit.measure.recorder import Recorder
from loadkit.net.http.target import Target
from loadkit.net.interfaces import SessionContext
from loadkit.net.websocket.link import Traffic
from loadkit.profile.chaos import Chaos
from loadkit.profile.profile import Profile
from loadkit.security.credentials import Credentials
from loadkit.stats.random_streams import share_of, weighted


class Member(NamedTuple):
    """One session's client."""

    setting: SessionContext  # of its sessions
    chaos: Chaos  # what befalls it
    device: str | None  # the `device_type` that it announces; None announces none


class Fleet:
    """The clients of a run, by the profile's `[clients]`."""

    def __init__(
        self,
        profile: Profile,
        target: Target,
        credentials: Credentials,
        recorder: Recorder,
        traffic: Traffic,
    ) -> None:
        self._seed = profile.load.seed
        self._weights = {client.value: share for client, share in profile.clients.items()}
        talk = profile.conversation
        self._chaos = {
            client: profile.chaos.by(PERSONAS[client].lost) for client in profile.clients
        }
        self._settings: Mapping[tuple[str, Client], SessionContext] = {
            (name, client): SessionContext(
                target=target,
                credentials=credentials,
                recorder=recorder.scoped(name, client),
                traffic=traffic,
                policy=replace(
                    PERSONAS[client].policy,
                    patience=talk.patience,
                    queue_patience=profile.handoff.patience,
                    handshake=profile.connection.handshake,
                    resend=talk.resend or PERSONAS[client].policy.resend,
                    max_reconnect_attempts=profile.connection.max_reconnect_attempts,
                    reconnect=profile.chaos.reconnect or PERSONAS[client].policy.reconnect,
                    recycle=profile.connection.recycle if PERSONAS[client].recycles else 0.0,
                ),
                rng=Random(),
                persona=PERSONAS[client],
                client=client,
                compression=offered(PERSONAS[client], profile.connection.deflate),
                platform=talk.platform or PERSONAS[client].platform,
                cursor=talk.cursor,
                user_class=name,
            )
            for name in profile.mix
            for client in profile.clients
        }

    def member(self, name: str, number: int) -> Member:
        """The client of a class' session, by its number: the same in each run with this seed."""
        client = Client(weighted(self._weights, share_of(self._seed, "client", name, number)))
        devices = PERSONAS[client].devices
        chance = share_of(self._seed, "device", name, number)
        device = weighted(devices, chance) if devices else None
        return Member(self._settings[name, client], self._chaos[client], device)
