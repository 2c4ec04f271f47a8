"""The verdict as test cases."""

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loadkit.report.junit import document
from loadkit.security.escaping import visible
from loadkit.verdict.run_facts import Loss
from loadkit.verdict.verdict import of_search

LIMITS = [("response.p95", 2500.0), ("response.p99", 500.0), ("token.p50", 100.0)]

# Jenkins' junit-10.xsd, as far as it goes for what we write: what an element may hold, which
# attributes it must have, and which others it may.
SCHEMA: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": ({"testsuite"}, set(), {"name", "time", "tests", "failures", "errors"}),
    "testsuite": (
        {"testcase", "properties", "system-out", "system-err"},
        {"name", "tests", "failures", "errors"},
        {"time", "skipped", "timestamp", "id", "package", "file"},
    ),
    "testcase": (
        {"skipped", "error", "failure", "system-out", "system-err"},
        {"name"},
        {"time", "classname", "group"},
    ),
    "failure": (set(), set(), {"type", "message"}),
    "skipped": (set(), set(), {"type", "message"}),
    "system-out": (set(), set(), set()),
}
SUREFIRE_TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")


def conforms(root: Element) -> bool:
    """Check a document by the rules above."""
    assert root.tag == "testsuites"
    for element in root.iter():
        children, required, optional = SCHEMA[element.tag]
        assert {child.tag for child in element} <= children
        assert required <= set(element.attrib) <= required | optional
        if "time" in element.attrib:
            assert SUREFIRE_TIME.fullmatch(element.attrib["time"])
    for suite in root.iter("testsuite"):
        cases = suite.findall("testcase")
        assert int(suite.attrib["tests"]) == len(cases)
        assert int(suite.attrib["failures"]) == sum(c.find("failure") is not None for c in cases)
        assert int(suite.attrib["skipped"]) == sum(c.find("skipped") is not None for c in cases)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        assert len({case.attrib["name"] for case in cases}) == len(cases)
    return True


def cases(text: str) -> dict[str, Element]:
    root = ElementTree.fromstring(text)
    assert conforms(root)
    return {case.attrib["name"]: case for case in root.iter("testcase")}


def outcome(case: Element) -> str:
    found = [child.tag for child in case if child.tag in ("failure", "skipped")]
    return found[0] if found else "passed"


def test_each_objective_is_a_case_and_so_are_validity_and_protocol(make: Any) -> None:
    """Held, broken, and undecided, which is skipped."""
    found = cases(document(make(limits=LIMITS)))
    assert {name: outcome(case) for name, case in found.items()} == {
        "response.p95 ≤ 2,500 ms": "passed",
        "response.p99 ≤ 500 ms": "failure",
        "token.p50 ≤ 100 ms": "skipped",
        "the run is valid": "passed",
        "the server keeps to the protocol": "passed",
    }


def test_a_strict_run_fails_what_is_undecided(make: Any) -> None:
    """As its exit code does."""
    found = cases(document(make(limits=LIMITS, strict=True)))
    failure = found["token.p50 ≤ 100 ms"].find("failure")
    assert failure is not None
    assert failure.attrib["message"] == "token p50: too few samples (1 of 7), and --strict"


def test_the_suite_has_the_times_of_the_run(make: Any) -> None:
    """Its cases have none, since a reader adds those up."""
    suite = ElementTree.fromstring(document(make())).find("testsuite")
    assert suite is not None
    assert suite.attrib["time"] == "30.100"
    assert suite.attrib["timestamp"] == "2026-11-22T15:06:54"
    assert {float(case.attrib["time"]) for case in suite} == {0.0}


def test_an_invalid_run_fails_with_every_reason(make: Any) -> None:
    """The gravest is the message."""
    lost = (Loss("host_1", 3.0, 5),)
    failure = cases(document(make(lag=0.2, workers_lost=lost)))["the run is valid"].find("failure")
    assert failure is not None
    assert failure.attrib["message"].startswith("event-loop lag p99 was 200 ms")
    assert "1 worker went away during the run (host_1)" in (failure.text or "")


def test_a_suspect_run_passes_and_says_why(make: Any) -> None:
    """The reasons are the case's output."""
    case = cases(document(make(lag=0.03, limits=LIMITS)))["the run is valid"]
    assert outcome(case) == "passed"
    assert "event-loop lag p99 was 30 ms" in (case.findtext("system-out") or "")


@pytest.mark.parametrize("limits", [[], [("violations", 0.0)]])
def test_a_violation_fails_one_case_with_its_kind_and_an_example(
    make: Any, examples: Any, limits: Any
) -> None:
    """That of the objective about it, or the one for all failures; and no other."""
    found = cases(document(make(failing=True, limits=limits), examples))
    (failure,) = [case.find("failure") for case in found.values() if outcome(case) == "failure"]
    assert failure is not None
    assert failure.text == "1 × missing_echo: no echo of a1"


def test_violations_that_the_slo_allows_do_not_fail(make: Any) -> None:
    """The exit code is 0, and a red report beside it would contradict."""
    summary = make(failing=True, limits=[("violations", 5)])
    assert summary.verdict.exit_code == 0
    found = cases(document(summary))
    assert {outcome(case) for case in found.values()} == {"passed"}


def test_violations_that_no_objective_is_about_are_skipped_and_told(
    make: Any, examples: Any
) -> None:
    case = cases(document(make(failing=True, limits=LIMITS[:1]), examples))[
        "the server keeps to the protocol"
    ]
    skipped = case.find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"].startswith("1 violation, and no objective is about them")
    assert skipped.text == "1 × missing_echo: no echo of a1"


@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize(
    "limits", [[], LIMITS[:1], LIMITS[1:2], LIMITS[2:], [("violations", 0.0)]], ids=str
)
@pytest.mark.parametrize(
    "other",
    [
        *({"lag": lag} for lag in (0.001, 0.03, 0.2)),
        {"strict": True},
        {"strict": True, "lag": 0.03},
        {"aborted": "broken"},
        {"stopped": "after 4 of 9 s"},
        {"stopped": "after 4 of 9 s", "lag": 0.2},
    ],
    ids=str,
)
def test_it_is_red_where_the_exit_code_is_not_0_and_nowhere_else(
    make: Any, failing: bool, limits: Any, other: Any
) -> None:
    summary = make(failing=failing, limits=limits, **other)
    found = cases(document(summary))
    red = any(outcome(case) == "failure" for case in found.values())
    assert red == bool(summary.verdict.exit_code)


@pytest.mark.parametrize(
    ("exit_code", "stopped", "red"),
    [
        (0, None, set()),
        (1, None, {"a capacity is found and confirmed"}),
        (1, "after 4 of 9 s, by Ctrl-C", {"the run lasts to its end"}),
        (3, None, {"the run is valid"}),
    ],
)
def test_a_capacity_search_is_as_red_as_its_exit_code(
    make: Any, exit_code: int, stopped: str | None, red: set[str]
) -> None:
    """Its sentence is what the case says."""
    verdict = of_search("This deployment is unstable.", exit_code)
    page = document(replace(make(), verdict=verdict, stopped_early=stopped))
    found = cases(page)
    assert {name for name, case in found.items() if outcome(case) == "failure"} == red
    assert "This deployment is unstable." in page


def test_without_an_slo_a_failed_run_has_a_failed_case(make: Any) -> None:
    """An exit code of 1 beside nothing but green cases would contradict too."""
    name = "nothing failed (there is no SLO)"
    assert outcome(cases(document(make(failing=True)))[name]) == "failure"
    assert outcome(cases(document(make()))[name]) == "passed"


def test_an_early_stop_is_a_failed_case(make: Any) -> None:
    """It is there only when it happened."""
    found = cases(document(make(limits=LIMITS[:1], aborted="response p95 broken for 30 s")))
    failure = found["the run lasts to its end"].find("failure")
    assert failure is not None
    assert failure.attrib["message"] == "response p95 broken for 30 s"


def test_a_stop_from_outside_fails_one_case_and_not_two(make: Any) -> None:
    """Unless the run was invalid besides."""
    stop = "after 42 of 190 s, by Ctrl-C (SIGINT)"
    for doubts in ({}, {"lag": 2.0}):
        found = cases(document(make(limits=LIMITS[:1], stopped=stop, **doubts)))
        failure = found["the run lasts to its end"].find("failure")
        assert failure is not None
        assert failure.attrib["message"] == stop
        assert outcome(found["the run is valid"]) == ("failure" if doubts else "passed")


def legal(char: str) -> bool:
    """Ask an XML parser whether it takes a character, written as a reference."""
    try:
        ElementTree.fromstring(f"<a>&#{ord(char)};</a>")
    except ElementTree.ParseError:
        return False
    return True


def test_no_text_breaks_the_document(make: Any) -> None:
    """What XML cannot hold is an escape, markup is text, and all else comes back as it was."""
    summary = make(failing=True)

    @given(st.text())
    @example("<&]]>\"'\x00\x1b[31m\ud800\ufffe\U0001f600\t")
    def survives(text: str) -> None:
        found = cases(document(summary, {"violations.missing_echo": f"({text})"}))
        told = found["nothing failed (there is no SLO)"].findtext("failure")
        assert told == f"1 × missing_echo: ({visible(text)})"
        assert all(map(legal, visible(text)))

    survives()


@pytest.mark.parametrize("name", ["a\x00b", '<">&', "ünï", "x" * 300])
def test_a_profiles_name_is_only_a_name(make: Any, name: str) -> None:
    """It comes from a file's name."""
    suite = ElementTree.fromstring(document(make(profile=name))).find("testsuite")
    assert suite is not None
    assert suite.attrib["name"] == f"loadkit {name}".replace("\x00", r"\0")
