"""A line per problem, in the form that the CI system at hand shows beside the code.

Sources of the forms and of their escaping:

    GitHub Actions     docs.github.com, "Workflow commands"; actions/toolkit, core/src/command.ts
    Azure Pipelines    learn.microsoft.com, "Logging commands"; its task library, taskcommand.ts
    TeamCity           jetbrains.com/help/teamcity/service-messages.html
    any other          the form of compilers, `file:line: error: text` (GNU coding standards)
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal
from zlib import crc32

from loadkit.report.screen import is_set
from loadkit.security.escaping import SafeLines, printed
from loadkit.stats.number_format import number
from loadkit.verdict.reason import Reason, ReasonKind
from loadkit.verdict.summary import Summary

Source = tuple[str, Mapping[str, int]]
"""The profile's file, as a path from the root of the repository, and the line of each metric."""


@dataclass(frozen=True, slots=True)
class _Problem:
    """Something to tell."""

    # how grave it is; an error goes with an exit code other than 0
    level: Literal["error", "warning"]
    title: str  # what kind of problem it is
    text: str  # in words, with figures
    key: str  # what tells it from the others of its title, the same in every run
    # where it stands
    file: str | None = None
    line: int | None = None


def lines(
    summary: Summary, environ: Mapping[str, str], source: Source | None = None
) -> Iterator[str]:
    """Return the lines for standard output; none outside of CI, which the environment tells.

    They hold figures and names of metrics and kinds, and what a server said only as data. `source`
    says where the objectives are written; None if that is in no file.
    """
    form = _form(environ)
    if form is not None:
        # CI systems show the first few only.
        for one in sorted(_problems(summary, source), key=lambda one: one.level):
            file = None if one.file is None else _safe(one.file)
            yield form(replace(one, title=_safe(one.title), text=_safe(one.text), file=file))


def _safe(text: str) -> str:
    return SafeLines()(printed(text))


def _form(environ: Mapping[str, str]) -> Callable[[_Problem], str] | None:
    for name, form in (
        ("GITHUB_ACTIONS", _github),
        ("TF_BUILD", _azure),
        ("TEAMCITY_VERSION", _teamcity),
        ("CI", _compiler),
        ("JENKINS_URL", _compiler),
    ):
        if is_set(name, environ):
            return form
    return None


def _problems(summary: Summary, source: Source | None) -> Iterator[_Problem]:
    verdict = summary.verdict
    name = f"loadkit {summary.profile}"
    for reason in verdict.doubts:
        level: Literal["error", "warning"] = "warning"
        if verdict.validity == "invalid":
            level = "error"
        yield _of(reason, level, f"{name}: {verdict.validity}", source)
    for line in summary.slo:
        if line.status == "pass":
            continue
        broken = line.status == "fail"
        about = ReasonKind.SLO_BROKEN if broken else ReasonKind.SLO_UNDECIDED
        level = "error" if broken or verdict.strict else "warning"
        title = f"{name}: SLO {'broken' if broken else 'undecided'}"
        text = Reason(about, str(line)).statement
        yield _Problem(level, title, text, line.metric, *_place(source, line.metric))
    for reason in verdict.reasons:
        if reason.kind in _OF_THE_RUN and verdict.exit_code:
            yield _of(reason, "error", name, source)
    for what, kinds in (("violation", summary.violations), ("error", summary.errors)):
        for kind, count in sorted(kinds.items(), key=lambda item: -item[1]):
            text = f"{what}: {number(count)} × {kind}"
            yield _Problem("warning", f"{name}: {what}", text, kind, *_place(source))


_OF_THE_RUN: Final = (
    ReasonKind.STOPPED,
    ReasonKind.ABORTED,
    ReasonKind.FAILED,
    ReasonKind.SEARCH,
)


def _of(
    reason: Reason, level: Literal["error", "warning"], title: str, source: Source | None
) -> _Problem:
    return _Problem(level, title, str(reason), reason.kind, *_place(source))


def _place(source: Source | None, metric: str | None = None) -> tuple[str | None, int | None]:
    if source is None:
        return None, None
    return source[0], source[1].get(metric, 1) if metric is not None else 1


def _github(one: _Problem) -> str:
    data = [("%", "%25"), ("\r", "%0D"), ("\n", "%0A")]
    values = [*data, (":", "%3A"), (",", "%2C")]
    properties = {"file": one.file, "line": one.line, "title": one.title}
    told = ",".join(_assigned(properties, values))
    return f"::{one.level} {told}::{_escaped(one.text, data)}"


def _azure(one: _Problem) -> str:
    data = [("%", "%AZP25"), ("\r", "%0D"), ("\n", "%0A")]
    values = [*data, ("]", "%5D"), (";", "%3B")]
    properties = {"type": one.level, "sourcepath": one.file, "linenumber": one.line}
    told = "".join(f"{assigned};" for assigned in _assigned(properties, values))
    return f"##vso[task.logissue {told}]{_escaped(one.text, data)}"


def _assigned(properties: Mapping[str, object], rules: list[tuple[str, str]]) -> Iterator[str]:
    for key, value in properties.items():
        if value is not None:
            yield f"{key}={_escaped(str(value), rules)}"


def _teamcity(one: _Problem) -> str:
    text = _bars(one.text)
    if one.level == "warning":
        return f"##teamcity[message text='{text}' status='WARNING']"
    # The same problem has the same identity in every build; it has to be a name of Java's.
    identity = f"loadkit_{crc32(f'{one.title}/{one.key}'.encode()):08x}"
    return f"##teamcity[buildProblem description='{text}' identity='{identity}']"


def _compiler(one: _Problem) -> str:
    place = "loadkit" if one.file is None else f"{one.file}:{one.line}"
    return " ".join(f"{place}: {one.level}: {one.text}".splitlines())


def _escaped(text: str, pairs: list[tuple[str, str]]) -> str:
    for plain, escape in pairs:  # the per cent sign first, since every escape begins with one
        text = text.replace(plain, escape)
    return text


def _bars(text: str) -> str:
    """Escape as TeamCity asks for; what is not ASCII by its UTF-16 units, as Java counts."""
    told = []
    for char in text:
        if char in "|'[]":
            told.append(f"|{char}")
        elif char in "\n\r":
            told.append("|n" if char == "\n" else "|r")
        elif char.isascii():
            told.append(char)
        else:
            units = char.encode("utf-16-be", "surrogatepass")
            told += [f"|0x{units[at : at + 2].hex().upper()}" for at in range(0, len(units), 2)]
    return "".join(told)
