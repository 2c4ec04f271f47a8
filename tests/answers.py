"""What a recorder is told of an answered turn."""

from loadkit.figures import NOWHERE, Answered, TurnSeen


def answered(
    since: float,
    number: int = 1,
    seen: TurnSeen = TurnSeen(NOWHERE),  # noqa: B008
    person: str = "",
) -> Answered:
    """An answer to that turn of a session that began then."""
    return Answered(since, number, lambda: seen, person)
