"""What a test is to do: profiles, people, their words and their pace. Pure: no socket, no clock."""

from loadkit.plan.dialogue import Dialogue, DialogueError, Repertoire, builtin, load_dialogues
from loadkit.plan.profile import Profile, load_profile, profile_names
from loadkit.plan.slo import Limit

__all__ = [
    "Dialogue",
    "DialogueError",
    "Limit",
    "Profile",
    "Repertoire",
    "builtin",
    "load_dialogues",
    "load_profile",
    "profile_names",
]
