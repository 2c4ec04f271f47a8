"""A line per problem, as CI systems take it."""

import re
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.report.annotations import _azure, _compiler, _github, _Problem, _teamcity, lines

GITHUB = {"GITHUB_ACTIONS": "true", "CI": "true"}
AZURE = {"TF_BUILD": "True"}
TEAMCITY = {"TEAMCITY_VERSION": "2025.07"}
OTHER = {"CI": "true"}
LIMITS = [("response.p95", 500.0), ("token.p50", 100.0)]
SOURCE = ("profiles/smoke.toml", {"response.p95": 31, "token.p50": 32})
BROKEN = "SLO broken: response p95 872 ms > 500 ms (95 % CI 864–879)"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (
            GITHUB,
            "::error file=profiles/smoke.toml,line=31,title=loadkit smoke%3A SLO broken"
            "::SLO broken: response p95 872 ms > 500 ms (95 %25 CI 864–879)",
        ),
        (
            AZURE,
            "##vso[task.logissue type=error;sourcepath=profiles/smoke.toml;linenumber=31;]"
            "SLO broken: response p95 872 ms > 500 ms (95 %AZP25 CI 864–879)",
        ),
        (OTHER, f"profiles/smoke.toml:31: error: {BROKEN}"),
        ({"JENKINS_URL": "https://ci.example/"}, f"profiles/smoke.toml:31: error: {BROKEN}"),
    ],
)
def test_a_broken_objective_is_an_error_at_its_line(
    make: Any, environ: dict[str, str], expected: str
) -> None:
    """In the form of the system at hand; GitHub sets CI too and is told first."""
    found = list(lines(make(limits=LIMITS), environ, SOURCE))
    assert found[0] == expected
    assert len(found) == 2


def test_teamcity_gets_a_problem_that_is_the_same_in_every_build(make: Any) -> None:
    """Its figures differ from run to run, its identity does not, and two problems have two."""
    first = list(lines(make(limits=[("response.p95", 500.0), ("echo.p50", 1.0)]), TEAMCITY))
    again = list(lines(make(limits=[("response.p95", 400.0), ("echo.p50", 2.0)]), TEAMCITY))
    assert first[0].startswith("##teamcity[buildProblem description='SLO broken: response p95 872")
    identities = [[re.search(r"identity='(\w+)'", one)[1] for one in run] for run in (first, again)]  # type: ignore[index]
    assert identities[0] == identities[1]
    assert len(set(identities[0])) == 2
    assert all(len(one) <= 60 and one.isidentifier() for one in identities[0])


def test_an_undecided_objective_is_a_warning_and_with_strict_an_error(make: Any) -> None:
    """As grave as the exit code has it."""
    limits = [("token.p50", 100.0)]
    (line,) = lines(make(limits=limits), OTHER, SOURCE)
    assert line == (
        "profiles/smoke.toml:32: warning: SLO undecided: token p50: too few samples (1 of 7)"
    )
    (line,) = lines(make(limits=limits, strict=True), OTHER, SOURCE)
    assert ": error: SLO undecided" in line


@pytest.mark.parametrize(("lag", "level"), [(0.03, "warning"), (0.2, "error")])
def test_a_doubt_about_the_run_is_as_grave_as_the_run_is(make: Any, lag: float, level: str) -> None:
    """Suspect warns, invalid fails."""
    (line,) = lines(make(lag=lag), OTHER)
    assert line.startswith(f"loadkit: {level}: event-loop lag p99 was")


def test_errors_come_before_warnings(make: Any) -> None:
    """CI systems show the first few of a step only."""
    limits = [("token.p50", 100.0), ("violations", 0)]
    found = list(lines(make(failing=True, lag=0.03, limits=limits), OTHER, SOURCE))
    levels = [re.search(r": (error|warning): ", line)[1] for line in found]  # type: ignore[index]
    assert levels == ["error", "warning", "warning", "warning", "warning"]


def test_without_an_slo_what_failed_is_an_error_and_each_kind_a_warning(make: Any) -> None:
    """The kinds and their numbers, and never a server's words."""
    assert list(lines(make(failing=True), OTHER)) == [
        "loadkit: error: no SLO, and something failed: 3 errors, 1 violation",
        "loadkit: warning: violation: 1 × missing_echo",
        "loadkit: warning: error: 3 × unanswered",
    ]


def test_an_early_stop_is_an_error(make: Any) -> None:
    """With its reason."""
    summary = make(limits=[("response.p95", 2500.0)], aborted="response p95 broken for 30 s")
    assert list(lines(summary, OTHER)) == [
        "loadkit: error: stopped early: response p95 broken for 30 s"
    ]


@pytest.mark.parametrize("environ", [{}, {"CI": "false"}, {"CI": "0"}, {"GITHUB_ACTIONS": ""}])
def test_nothing_is_said_outside_of_ci(make: Any, environ: dict[str, str]) -> None:
    """A person has read it all in the tables above."""
    assert list(lines(make(failing=True), environ)) == []


@pytest.mark.parametrize("environ", [GITHUB, AZURE, TEAMCITY, OTHER])
def test_a_good_run_has_nothing_to_annotate(make: Any, environ: dict[str, str]) -> None:
    """No news is no line."""
    assert list(lines(make(limits=[("response.p95", 2500.0)]), environ, SOURCE)) == []


def problem(text: str) -> _Problem:
    return _Problem("error", text, text, "key", text, 3)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_github_reads_back_what_was_written(text: str) -> None:
    """One line, whose parts split where the runner splits them."""
    line = _github(problem(text))
    assert "\n" not in line
    assert "\r" not in line
    command, _, data = line.removeprefix("::error ").partition("::")
    properties = dict(part.split("=", 1) for part in command.split(","))
    assert {key: unquote(value) for key, value in properties.items()} == {
        "file": text,
        "line": "3",
        "title": text,
    }
    assert unquote(data) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_azure_reads_back_what_was_written(text: str) -> None:
    """As the agent does: properties end at the first bracket and part at semicolons."""
    line = _azure(problem(text))
    assert "\n" not in line
    assert "\r" not in line
    properties, _, data = line.removeprefix("##vso[task.logissue ").partition("]")
    told = dict(part.split("=", 1) for part in properties.removesuffix(";").split(";"))
    assert unquote(told["sourcepath"].replace("%AZP25", "%25")) == text
    assert unquote(data.replace("%AZP25", "%25")) == text


@given(st.text())
def test_teamcity_reads_back_what_was_written(text: str) -> None:
    """ASCII on one line, and no quote or bracket but behind a bar."""
    line = _teamcity(problem(text))
    assert line.isascii()
    assert "\n" not in line
    assert "\r" not in line
    match = re.fullmatch(
        r"##teamcity\[buildProblem description='((?:[^|'\[\]]|\|[|'\[\]nr]|\|0x[0-9A-F]{4})*)' "
        r"identity='\w+'\]",
        line,
    )
    assert match
    units = b""
    for part in re.findall(r"\|0x([0-9A-F]{4})|\|(.)|(.)", match[1], re.S):
        code, escaped, plain = part
        char = {"n": "\n", "r": "\r"}.get(escaped, escaped) or plain
        units += bytes.fromhex(code) if code else char.encode("utf-16-be")
    assert units == text.encode("utf-16-be", "surrogatepass")


@given(st.text())
def test_a_compilers_form_is_one_line(text: str) -> None:
    """Whatever the text holds."""
    assert len(_compiler(_Problem("error", "", text, "", "a.toml", 3)).splitlines()) == 1
