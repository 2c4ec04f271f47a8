"""What `locust` runs: user classes and a shape that follow a profile (`--profile NAME`)."""

from locust import events

from loadkit.swarm import (
    AbandoningChat,
    CompleteChat,
    FlakyNetworkChat,
    HandoffChat,
    IdleChat,
    MultiTabChat,
    ProfileShape,
    ResumingChat,
    StreamingChat,
    add_options,
    install,
)

__all__ = [
    "AbandoningChat",
    "CompleteChat",
    "FlakyNetworkChat",
    "HandoffChat",
    "IdleChat",
    "MultiTabChat",
    "ProfileShape",
    "ResumingChat",
    "StreamingChat",
]

events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(install)
