"""A streamed answer: chunks in, the whole text out."""

from typing import Any

from loadkit.chat.violations import Wrong

__all__ = ["Stream"]


class Stream:
    """The chunks of one message.

    A client shows the chunks in the order of their `chunk_index` (from 1) once one of them says
    `is_complete`, whatever is missing by then; texts are concatenated as they are.
    """

    __slots__ = ("chunks", "highest", "last_at", "message_id")

    def __init__(self, message_id: Any, at: float) -> None:
        self.message_id = message_id
        self.highest = 0
        self.chunks: dict[int, str] = {}
        self.last_at = at

    def add(self, payload: dict[str, Any]) -> Wrong | None:
        """Take one chunk's payload.

        Returns:
            A violation's kind when the chunk is out of place: `chunk_index_missing` (no integer
            from 1 up), `chunk_index_repeated` or `chunk_index_gap` (told once a gap: neither by
            what follows it nor by the chunk that fills it).
        """
        index, text = payload.get("chunk_index"), payload.get("text")
        if type(index) is not int or index < 1:
            return Wrong.CHUNK_INDEX_MISSING
        if index in self.chunks:
            return Wrong.CHUNK_INDEX_REPEATED
        gap = index > self.highest + 1
        self.highest = max(self.highest, index)
        self.chunks[index] = text if type(text) is str else ""
        return Wrong.CHUNK_INDEX_GAP if gap else None

    @property
    def text(self) -> str:
        """What there is of the message, in order."""
        return "".join(text for _, text in sorted(self.chunks.items()))
