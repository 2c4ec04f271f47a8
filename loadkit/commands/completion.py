"""What a shell completes the words of `loadkit` with: `loadkit completion bash`."""

import argparse
from collections.abc import Iterator
from typing import Any, Final

import shtab

from loadkit import flags
from loadkit.profile.profile import profile_folders, profile_names

_NAME: Final = "_loadkit_profiles"
_PROFILE: Final = {"bash": _NAME, "zsh": _NAME, "fish": f"({_NAME})"}


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return a shell's script, with the profiles that are at hand now.

    Args:
        shell: `bash`, `zsh` or `fish`.
    """
    for action in _actions(parser):
        chosen: Any = None
        if action.dest == "profile":
            chosen = _PROFILE
        elif action.dest in ("folder", "results_parent", "baseline", "resume"):
            chosen = shtab.DIRECTORY
        elif action.type is flags.path:
            chosen = shtab.FILE
        if chosen is not None:
            action.complete = chosen  # type: ignore[attr-defined]
    names = " ".join(name for name, _ in profile_names(profile_folders()))
    preamble = {
        "bash": f'{_NAME}() {{ compgen -W "{names}" -- "$1"; compgen -f -- "$1"; }}',
        "zsh": f"{_NAME}() {{ _alternative 'profiles:profile:({names})' 'files:file:_files' }}",
        "fish": f"function {_NAME}; printf '%s\\n' {names}; "
        "__fish_complete_path (commandline -ct); end",
    }
    return str(shtab.complete(parser, shell, preamble=preamble[shell]))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)
