"""A profile: one test as a file says it, checked as a whole before anything starts."""

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from os.path import isdir, isfile, lexists
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError

from loadkit.config.mistakes import ConfigError, Key, did_you_mean, flaws
from loadkit.config.source import Source, opening_comment, read_settings
from loadkit.config.table import Table
from loadkit.figures import Client
from loadkit.profile.capacity import CapacitySettings
from loadkit.profile.chaos import Chaos
from loadkit.profile.dialogue import Dialogue, DialogueError, Repertoire, builtin, load_dialogues
from loadkit.profile.metrics import Metric
from loadkit.profile.objectives import Abort, Limit
from loadkit.profile.scenario import Abandon, HandoffTable, Idle
from loadkit.profile.tables import (
    LONGEST_DRAIN,
    AllowHosts,
    Clients,
    ConnectionTable,
    ConversationTable,
    Load,
    Mix,
    Results,
)
from loadkit.profile.user_model import UserModel
from loadkit.security.textfile import clipped


class _Tables(Table):
    """What a profile's file may hold."""

    allow_hosts: AllowHosts = ()  # may have the connector token, as the host of the command line
    load: Load
    mix: Mix
    clients: Clients = Field(default={Client.REFERENCE: 1.0})
    conversation: ConversationTable = ConversationTable()
    human: UserModel = UserModel()
    handoff: HandoffTable = HandoffTable()
    idle: Idle = Idle()
    abandon: Abandon = Abandon()
    chaos: Chaos = Chaos()
    connection: ConnectionTable = ConnectionTable()
    slo: tuple[Limit, ...] = ()
    abort: Abort | None = None  # None: the test ends when the stages do
    capacity: CapacitySettings = CapacitySettings()
    results: Results = Results()
    simulator: dict[str, Any] = Field(default={})  # its dials; whoever starts one checks them


class Profile(_Tables):
    """One test: who comes, how many, what they say, and what counts as good enough."""

    name: str  # the file's, without its ending
    question: str = ""  # the comment that the file opens with: what the test is to answer
    # A user's file of dialogues, read, so that a worker on another machine needs no file.
    own_dialogues: tuple[Dialogue, ...] = ()
    dialogues_told: str = ""  # how a CSV file of them was read, in words

    @property
    def drain_s(self) -> float:
        """Seconds that those who wait when the load is over may wait on, to show if a limit holds.

        As the profile says, else the greatest limit of a latency, `LONGEST_DRAIN` at most.
        """
        if self.load.drain is not None:
            return self.load.drain
        limits = [
            one.limit / 1000 for one in self.slo if Metric.parse(one.metric).kind == "duration"
        ]
        return min(max(limits, default=LONGEST_DRAIN), LONGEST_DRAIN)

    @property
    def watched(self) -> frozenset[str]:
        """The user classes and clients that a limit names: their figures are kept apart."""
        scopes = (Metric.parse(limit.metric).scope for limit in self.slo)
        return frozenset(scope for scope in scopes if scope is not None)

    @property
    def fleet(self) -> frozenset[str]:
        """The clients whose figures are kept apart: all, unless there is but one."""
        there = frozenset(client.value for client, share in self.clients.items() if share)
        return there if len(there) > 1 else frozenset()

    @cached_property
    def dialogues(self) -> Repertoire:
        """What people say; built once and shared by all of a process."""
        if self.own_dialogues:
            return Repertoire(self.own_dialogues)
        return builtin(self.conversation.dialogues.partition(":")[2])

    @cached_property
    def outline(self) -> dict[str, Any]:
        """All of it by plain values, but of the user's dialogues how many and which they are."""
        said = [text for each in self.own_dialogues for text in (each.intent, *each.lines)]
        return self.model_dump(mode="json", exclude={"own_dialogues"}) | {
            "own_dialogues": {
                "conversations": len(self.own_dialogues),
                "lines": sum(len(each.lines) for each in self.own_dialogues),
                "sha256": hashlib.sha256("\0".join(said).encode()).hexdigest(),
            }
        }

    def to_json(self) -> str:
        """The whole profile as one text; `from_json` gives back an equal one."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> "Profile":
        """Read what `to_json` wrote.

        Raises:
            ConfigError: another version wrote it, or it is no profile.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            mistakes = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise ConfigError([f"profile as JSON: {mistake}" for mistake in mistakes]) from error


def load_profile(
    name_or_path: str,
    *,
    overrides: Sequence[str] = (),
    search: Sequence[Path] = (),
    known_classes: Collection[str] | None = None,
    known_violations: Collection[str] | None = None,
    check_dials: Callable[[Mapping[str, Any]], Iterable[tuple[Key, str]]] | None = None,
) -> Profile:
    """Read a profile and check all of it.

    Args:
        name_or_path: a TOML file, or the name of one in a search folder without its ending.
        overrides: `KEY=VALUE` with a dotted key; see `loadkit.config.source.parse_override`.
        search: folders of profiles, the first that has the name wins.
        known_classes: the user classes that `mix` may name; None takes any name.
        known_violations: the kinds that `violations.<kind>` may name; None takes any name.
        check_dials: returns what is wrong in the table `[simulator]`: where in it, and a sentence;
            None takes any.

    Raises:
        ConfigError: there is no such profile, or it holds mistakes; all are told at once.
    """
    path = _find(name_or_path, search)
    text = read_settings(path)
    source = _source(text, path, overrides)
    mistakes = source.mistakes

    limits = source.data.get("slo", {})
    if not isinstance(limits, dict):  # the model holds them as a tuple
        mistakes.append(source.told(("slo",), f"should be a table, not {repr(limits)[:60]}"))
        limits = {}
    metrics = list(limits)
    data = source.data | {
        "slo": tuple({"metric": metric, "limit": limit} for metric, limit in limits.items())
    }
    context = {
        "classes": known_classes,
        "violations": known_violations,
        "mix": data.get("mix"),
        "clients": data.get("clients"),
        "model": load.get("model", "closed")
        if isinstance(load := data.get("load"), dict)
        else None,
        "limited": metrics,
    }
    tables: _Tables | None = None
    try:
        tables = _Tables.model_validate(data, context=context)
    except ValidationError as error:
        for key, sentence in flaws(error, _Tables):
            if key[:1] == ("slo",) and len(key) > 1:
                key = ("slo", metrics[int(key[1])])
            mistakes.append(source.told(key, sentence))
    own: tuple[Dialogue, ...] = ()
    told = ""
    try:
        own, told = _own_dialogues(source, path.parent)
    except DialogueError as error:
        mistakes += [source.told(_DIALOGUES, mistake) for mistake in error.mistakes]
    dials = source.data.get("simulator")
    if check_dials is not None and isinstance(dials, dict):
        mistakes += [source.told(("simulator", *key), told) for key, told in check_dials(dials)]
    if mistakes or tables is None:
        raise ConfigError(mistakes)
    return Profile(
        name=path.stem,
        question=opening_comment(text),
        own_dialogues=own,
        dialogues_told=told,
        **{name: getattr(tables, name) for name in _Tables.model_fields},
    )


def objectives_at(name_or_path: str, search: Sequence[Path] = ()) -> tuple[str, dict[str, int]]:
    """Where a profile's objectives are written: its file, and the line of each metric.

    Raises:
        ConfigError: there is no such profile (any more).
    """
    path = _find(name_or_path, search)
    return str(path), _source(read_settings(path), path).lines_of("slo")


def profile_folders() -> list[Path]:
    """Where profiles are looked for by name: the user's own folder first, then the built-in."""
    package = Path(__file__).parents[1]
    # beside the package in a checkout, inside it in a wheel
    folders = [Path("profiles"), package.parent / "profiles", package / "profiles"]
    return [folder for folder in folders if folder.is_dir()]


def profile_names(search: Sequence[Path]) -> list[tuple[str, str]]:
    """The profiles of the search folders, by name: `(name, question)`; the first folder wins."""
    found: dict[str, str] = {}
    for folder in search:
        for path in sorted(folder.glob("*.toml")):
            if path.stem not in found:
                found[path.stem] = opening_comment(read_settings(path))
    return sorted(found.items())


def profile_below(said: str, folders: Sequence[Path]) -> Path:
    """Find a profile by its name, or by a path into one of the folders.

    No other file is even looked at, so that a form cannot ask for any of them.

    Raises:
        ConfigError: there is none.
    """
    path = Path(said)
    with suppress(OSError, ValueError):  # no file can be called so
        if path.name == said:
            named = f"{said.removesuffix('.toml')}.toml"
            found = [folder / named for folder in folders if (folder / named).is_file()]
        else:
            real = path.resolve()
            inside = any(real.is_relative_to(folder.resolve()) for folder in folders)
            found = [path] if inside and real.suffix == ".toml" and real.is_file() else []
        if found:
            return found[0]
    raise _unknown(said, folders)


_DIALOGUES: Final[Key] = ("conversation", "dialogues")


def _source(text: str, path: Path, overrides: Sequence[str] = ()) -> Source:
    return Source(text, str(path), overrides, flat="slo")  # of metrics: `response.p95`


def _own_dialogues(source: Source, folder: Path) -> tuple[tuple[Dialogue, ...], str]:
    """The user's dialogues where the profile names a file, read even if the rest is wrong."""
    table = source.data.get("conversation")
    named = table.get("dialogues") if isinstance(table, dict) else None
    if not isinstance(named, str) or not named or named.partition(":")[0] == "builtin":
        return (), ""
    columns = table.get("columns") if isinstance(table, dict) else None
    headings = columns if isinstance(columns, dict) else {}
    # relative to where it is written: a file beside the profile, or the shell's folder
    return load_dialogues(
        (Path() if source.override_of(_DIALOGUES) else folder) / _at_home(named),
        {what: heading for what, heading in headings.items() if isinstance(heading, str)},
    )


def _at_home(named: str) -> Path:
    with suppress(RuntimeError):  # nobody has that home: a file may be called so
        return Path(named).expanduser()
    return Path(named)


def _find(name_or_path: str, search: Sequence[Path]) -> Path:
    path = _at_home(name_or_path)
    if isfile(path):  # unlike a Path's, it takes any text for a name
        return path
    if path.name == name_or_path:  # no folder in it: a name, with or without the ending
        name = name_or_path.removesuffix(".toml")
        for folder in search:
            if isfile(folder / f"{name}.toml"):
                return folder / f"{name}.toml"
    if name_or_path == "-":
        raise ConfigError(["-: is no file: save the profile to one (`loadkit run -` reads a pipe)"])
    if lexists(path) and (os.sep in name_or_path or not isdir(path)):
        return path  # whoever reads it says why it cannot be read
    raise _unknown(name_or_path, search)


def _unknown(said: str, folders: Sequence[Path]) -> ConfigError:
    names = [path.stem for folder in folders for path in folder.glob("*.toml")]
    listed = f"; there are: {', '.join(sorted(set(names)))}" if names else ""
    mend = did_you_mean(Path(said).stem, names, listed=False)
    return ConfigError([f"there is no profile {clipped(said)!r}{mend}{listed}"])
