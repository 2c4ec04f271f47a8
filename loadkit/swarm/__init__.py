"""The only package that knows Locust. Importing it changes nothing: `install` does."""

from loadkit.swarm.install import install
from loadkit.swarm.options import add_options
from loadkit.swarm.shape import ProfileShape
from loadkit.swarm.users import ChatUser, CompleteChat, StreamingChat

__all__ = ["ChatUser", "CompleteChat", "ProfileShape", "StreamingChat", "add_options", "install"]
