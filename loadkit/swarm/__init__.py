"""The only package that knows Locust. Importing it changes nothing: `install` does."""

from loadkit.profile.scenario import Errand
from loadkit.security.redaction import remember
from loadkit.swarm.install import install
from loadkit.swarm.options import add_options
from loadkit.swarm.shape import ProfileShape
from loadkit.swarm.worker.users import (
    AbandoningChat,
    ChatUser,
    CompleteChat,
    FlakyNetworkChat,
    HandoffChat,
    IdleChat,
    MultiTabChat,
    ResumingChat,
    StreamingChat,
)

__all__ = [
    "AbandoningChat",
    "ChatUser",
    "CompleteChat",
    "Errand",
    "FlakyNetworkChat",
    "HandoffChat",
    "IdleChat",
    "MultiTabChat",
    "ProfileShape",
    "ResumingChat",
    "StreamingChat",
    "add_options",
    "install",
    "remember",
]
