"""The simulated Messaging API: what the load tester is tested against, and a target to try it on.

Shares nothing with the client side but the protocol's vocabulary (`loadkit.protocol`), so that one
mistake cannot hide in both ends.
"""

from loadkit.simulator.app.server import Simulator, serve
from loadkit.simulator.app.tokens import (
    DEFAULT_CONNECTOR_TOKEN,
    DEFAULT_HOST_IDENTIFIER,
    ConnectorCredentials,
)
from loadkit.simulator.dials import Dials, dial_flaws, load_dials

__all__ = [
    "DEFAULT_CONNECTOR_TOKEN",
    "DEFAULT_HOST_IDENTIFIER",
    "ConnectorCredentials",
    "Dials",
    "Simulator",
    "dial_flaws",
    "load_dials",
    "serve",
]
