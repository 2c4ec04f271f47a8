"""Secrets, which come from the environment alone: what a target knows the tester by, and workers.

A flag would stand in the process list, and a profile is shared and committed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from loadkit.errors import UsageError
from loadkit.security.redaction import remember

TOKEN_VARIABLE: Final = "POLY_CONNECTOR_TOKEN"
HOST_VARIABLE: Final = "POLY_HOST_IDENTIFIER"
WORKER_KEY_VARIABLE: Final = "LOADKIT_WORKER_KEY"  # what a master knows its workers by
HEADER_VALUE: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the target knows the tester by.

    Raises:
        UsageError: one of them is empty or cannot stand in an HTTP header.
    """

    connector_token: str = field(repr=False)  # the secret, sent as `X-Token`; it shows in no text
    host_identifier: str  # the registered domain or app id, sent as `X-Host`

    def __post_init__(self) -> None:
        for name, value in (
            ("connector token (POLY_CONNECTOR_TOKEN)", self.connector_token),
            ("host identifier (POLY_HOST_IDENTIFIER)", self.host_identifier),
        ):
            if not HEADER_VALUE.fullmatch(value):
                raise UsageError(
                    f"the {name} is empty or holds a blank or a character outside ASCII; "
                    "set it to the very text that the connector was registered with"
                )
        remember(self.connector_token)
        remember(self.host_identifier, whole=True)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Credentials":
        """Read them from the environment; raises UsageError where one is missing or no good."""
        missing = [name for name in (TOKEN_VARIABLE, HOST_VARIABLE) if not environment.get(name)]
        if missing:
            raise UsageError(
                f"{' and '.join(missing)} must be set in the environment: the target's connector "
                "token and the domain or app id that is registered with it"
            )
        return cls(environment[TOKEN_VARIABLE], environment[HOST_VARIABLE])
