"""Who visits a shop: regulars who come back on their phone, and a kiosk in the shop itself.

loadkit run examples/shop.toml --locustfile examples/locustfile.py
"""

import os
from dataclasses import replace

from locust import events

from loadkit.swarm import (
    ChatUser,
    CompleteChat,
    Errand,
    ProfileShape,
    add_options,
    install,
    remember,
)

__all__ = ["CompleteChat", "Kiosk", "ProfileShape", "Regular"]  # who may be in the mix

remember(os.environ.get("SHOP_PASSWORD", ""))  # a secret of your own: no output of loadkit has it


class Kiosk(ChatUser):
    """Streams its replies onto a large screen, with a second one beside it."""

    streaming, tabs = True, 1


class Regular(ChatUser):
    """Closes the app once in each session and goes on; every other time wants a human."""

    sessions = 0

    def plan(self):
        self.sessions += 1
        if self.sessions % 2 == 0:
            return replace(super().plan(), errand=Errand.HUMAN)
        return replace(super().plan(), restarts=1)


events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(install)
