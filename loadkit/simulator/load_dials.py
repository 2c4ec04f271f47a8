"""From a TOML file and `--set KEY=VALUE` to dials, with every mistake reported at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from loadkit.config.mistakes import ConfigError, Key, flaws
from loadkit.config.source import Source, laid_over, read_settings
from loadkit.simulator.dials import Dials

__all__ = ["dial_flaws", "load_dials"]


def load_dials(config: Path | None, overrides: Sequence[str]) -> Dials:
    """Read the simulator's settings.

    Args:
        config: a TOML file, or None for the defaults.
        overrides: `dotted.key=value` each, stronger than the file, the last one strongest: see
            `loadkit.config.source.parse_override`. Setting one field of a distribution keeps the
            others.

    Raises:
        ConfigError: the file cannot be read, or settings are wrong; all of them are told, each
            with its place.
    """
    text, where = ("", "") if config is None else (read_settings(config), str(config))
    source = Source(text, where, overrides, under=_defaults())
    mistakes = source.mistakes
    try:
        dials = Dials.model_validate(source.data)
    except ValidationError as error:
        mistakes += [source.told(key, sentence) for key, sentence in flaws(error, Dials)]
    if mistakes:
        raise ConfigError(mistakes)
    return dials


def dial_flaws(table: Mapping[str, Any]) -> list[tuple[Key, str]]:
    """Return what is wrong with a table of dials: where in it, and a sentence."""
    try:
        Dials.model_validate(laid_over(_defaults(), table))
    except ValidationError as error:
        return list(flaws(error, Dials))
    return []


def _defaults() -> dict[str, Any]:
    return Dials().model_dump(mode="json")
