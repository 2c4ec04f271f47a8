"""A profile that comes through a pipe: it can be read once, and more than one process reads it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from loadkit.config.mistakes import ConfigError
from loadkit.security.textfile import STDIN, parse_toml, read_pipe

_OPEN_FILES: Final = ("/dev/fd/", "/proc/")
"""Where what this process has open has names; a shell makes one of `<(…)`."""


@contextmanager
def kept(profile: str, overrides: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Keep what comes through a pipe in a file of its own for as long as the block lasts.

    Any other profile stays as it is; `-` is standard input. A file of dialogues that a piped
    profile names lies relative to the current folder, which an override then says.

    Raises:
        ConfigError: it cannot be read, or as the block does.
    """
    path = STDIN if profile == "-" else Path(profile)
    if not _is_pipe(path):
        yield profile, list(overrides)
        return
    try:
        text = read_pipe(path)
    except ValueError as error:
        raise ConfigError([f"{path}: {error}"]) from error
    name = "stdin" if path == STDIN else "pipe"
    with TemporaryDirectory(prefix="loadkit-") as folder:
        copy = Path(folder) / f"{name}.toml"
        copy.write_text(text, encoding="utf-8")
        try:
            yield str(copy), [*_dialogues(text), *overrides]
        except ConfigError as error:
            raise ConfigError(
                [mistake.replace(str(copy), str(path)) for mistake in error.mistakes]
            ) from error


def _is_pipe(path: Path) -> bool:
    """Whether it can be read only once."""
    if path == STDIN or str(path).startswith(_OPEN_FILES):
        return True
    try:
        return path.is_fifo()
    except OSError:  # no file can be called so, which is told where others are
        return False


def _dialogues(text: str) -> Iterator[str]:
    try:
        table: Any = parse_toml(text).get("conversation", {})
    except ValueError:
        return  # told with all else that is wrong
    named = table.get("dialogues") if isinstance(table, dict) else None
    if isinstance(named, str) and named and named.partition(":")[0] != "builtin":
        yield f"conversation.dialogues={json.dumps(named, ensure_ascii=False)}"
