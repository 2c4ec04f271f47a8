"""Whether the same people said the same things in two runs, so that turns can be paired."""

from loadkit.compare.stored_run import StoredRun

__all__ = ["not_paired"]


def not_paired(base: StoredRun, new: StoredRun) -> str:
    """Return why the turns of two runs cannot be held against each other, one by one."""
    if not base.settings or not new.settings:
        return "the profile of one is not known"
    one, other = base.settings.get("load.seed"), new.settings.get("load.seed")
    if one != other:
        return "they have another seed: other people came"
    people = ("mix.", "clients.", "conversation.", "human.", "own_dialogues.", "idle.", "abandon.")
    for key in {**base.settings, **new.settings}:
        if key.startswith(people) and base.settings.get(key) != new.settings.get(key):
            return f"they differ in {key}: the same people do other things"
    return "no record of single turns was kept"
