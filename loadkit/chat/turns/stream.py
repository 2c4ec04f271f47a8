"""A streamed answer: chunks in, the whole text out."""

from typing import Any, Final

from loadkit.chat.violations import Wrong
from loadkit.protocol.lenient_json import mend

Key = str | int | float | None

LONGEST: Final = 1 << 20
"""Characters of a whole streamed answer at most: as many as a message has bytes at most."""

MOST_CHUNKS: Final = 10_000
"""Chunks of an answer at most; ours: some fifty times what the longest answers have."""


class StreamedAnswer:
    """The chunks of one message.

    A client shows the chunks in the order of their `chunk_index` (from 1) once one of them says
    `is_complete`, whatever is missing by then; texts are concatenated as they are, so that a
    character of which each has a half is whole again.
    """

    __slots__ = ("came", "chunks", "highest", "key", "last_at", "length")

    def __init__(self, key: Key, at: float) -> None:
        self.key = key  # stands for the message's id
        self.came = 0  # how many chunks came, those out of place too
        self.length = 0  # of the text so far, in characters
        self.highest = 0
        self.chunks: dict[int, str] = {}
        self.last_at = at  # when the last one came (seconds, monotonic)

    def add(self, payload: dict[str, Any]) -> Wrong | None:
        """Take one chunk's payload. Returns what is wrong where it is out of place.

        A gap is told once: neither by what follows it nor by the chunk that fills it.
        """
        self.came += 1
        index, text = payload.get("chunk_index"), payload.get("text")
        if type(index) is not int or index < 1:
            return Wrong.CHUNK_INDEX_MISSING
        if index in self.chunks:
            return Wrong.CHUNK_INDEX_REPEATED
        gap = index > self.highest + 1
        self.highest = max(self.highest, index)
        self.chunks[index] = text if type(text) is str else ""
        self.length += len(self.chunks[index])
        return Wrong.CHUNK_INDEX_GAP if gap else None

    @property
    def is_too_big(self) -> bool:
        """Whether it is longer than any answer may be."""
        return self.length > LONGEST or self.came > MOST_CHUNKS

    @property
    def text(self) -> str:
        """What there is of the message, in order."""
        return mend("".join(text for _, text in sorted(self.chunks.items())))
