"""People without a file of a profile."""

import random
from types import SimpleNamespace

from loadkit.people.person import Person
from loadkit.profile.dialogue import Repertoire
from loadkit.profile.scenario import Abandon, Errand, HandoffTable, Idle
from loadkit.profile.tables import ConversationTable
from loadkit.profile.user_model import UserModel

TABLES: dict[str, object] = {"handoff": HandoffTable(), "idle": Idle(), "abandon": Abandon()}


def born(
    human: UserModel,
    conversation: ConversationTable,
    dialogues: Repertoire,
    rng: random.Random,
    errand: Errand = Errand.CHAT,
    *,
    midway: bool = False,
    **tables: object,
) -> Person:
    """A person of a profile with these tables."""
    profile = SimpleNamespace(
        human=human,
        conversation=conversation,
        dialogues=dialogues,
        **TABLES | tables,
    )
    return Person(profile, rng, errand, midway=midway)  # type: ignore[arg-type]
