"""`turns.csv`: each turn that was answered, as far as there are not too many."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from loadkit.measure.turn_times import MOST, TurnTime
from loadkit.results.line_file import LineFile, forwards, reading
from loadkit.security.textfile import clipped, open_file

TURNS: Final = "turns.csv"

_HEAD: Final = "person,turn,sent_s,response_us\n"
_LONGEST_ROW: Final = 1_000  # bytes of a line


class TurnLog:
    """Writes the turns of a run as they come, until it has `MOST`.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: Path) -> None:
        self._file = LineFile(folder / TURNS)
        self._left = MOST
        self._file.append_or_end(_HEAD)

    def write(self, turns: Iterable[TurnTime]) -> None:
        """Append turns; those beyond the most are left out. Never raises for the sake of a disk."""
        lines = [
            f"{turn.person},{turn.number},{turn.at_s:.3f},{turn.took_us}\n"
            for turn, _ in zip(turns, range(self._left), strict=False)
        ]
        self._left -= len(lines)
        if lines:
            self._file.append_or_end("".join(lines))

    @property
    def failed(self) -> str | None:
        """Why something could not be written, in words."""
        return self._file.failed

    def close(self) -> None:
        """End the file."""
        self._file.close()


def read_turns(folder: Path) -> list[TurnTime]:
    """Read them again; none where there is no such file.

    Raises:
        UsageError: it cannot be read, or is damaged.
    """
    path = folder / TURNS
    if not path.exists():
        return []
    found: list[TurnTime] = []
    with reading(path), open_file(path) as file:
        for number, line in enumerate(forwards(file, _LONGEST_ROW), start=1):
            text = line.decode()
            if number == 1:
                if text != _HEAD:
                    raise ValueError(f"begins with {clipped(text)!r}")
            elif not text.endswith("\n"):  # whoever wrote it was killed
                break
            elif number > MOST + 1:
                raise ValueError(f"has more than {MOST:,} turns")
            else:
                found.append(_turn(number, text))
    return found


def _turn(number: int, text: str) -> TurnTime:
    try:
        person, turn, at_s, took = text.rstrip("\n").split(",")
        found = TurnTime(person, int(turn), float(at_s), int(took))
        if not (0 < found.number < 1e9 and abs(found.at_s) < 1e9 and 0 <= found.took_us < 1e15):
            raise ValueError("a number is out of its range")
    except ValueError as error:
        raise ValueError(f"line {number}: {clipped(text)!r}: {error}") from error
    return found
