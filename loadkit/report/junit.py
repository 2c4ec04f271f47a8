"""`junit.xml`: the verdict as test cases, for CI systems that show and keep those.

Its elements and attributes are those of Jenkins' `junit-10.xsd`, which GitHub's, GitLab's and
Azure's readers take as well.
"""

from collections.abc import Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from loadkit.profile.metrics import Metric
from loadkit.security.escaping import printed
from loadkit.stats.number_format import number, plural
from loadkit.verdict.reason import ReasonKind
from loadkit.verdict.slo import SloLine
from loadkit.verdict.summary import Summary


def document(summary: Summary, examples: Mapping[str, str] | None = None) -> str:
    """Return a summary as JUnit's XML.

    There is a case for each objective, or one for all failures where there is none; one for the
    answer of a capacity search; one for an early stop, and one for the validity of the run. A case
    has failed where, and only where, the exit code is not 0, and what went wrong fails one of them.
    An undecided objective is skipped, or failed if the run was strict; skipped, too, is the case
    for violations that no objective is about. `examples` has one text for each `violations.<kind>`.
    """
    suite = Element("testsuite", name=printed(f"loadkit {summary.profile}"))
    violations = _violations(summary, examples or {})
    for line in summary.slo:
        _objective(suite, summary, line, violations)
    if not summary.slo:
        _no_objective(suite, summary, violations)
    elif not any(_is_about_violations(line) for line in summary.slo):
        _unasked(suite, summary, violations)
    if summary.stopped_early is not None:
        case = _case(suite, summary, "the run lasts to its end")
        _failure(case, "stopped early", summary.stopped_early)
    _validity(suite, summary)

    totals = {
        "tests": str(len(suite.findall("testcase"))),
        "failures": str(len(suite.findall("testcase/failure"))),
        "errors": "0",
    }
    time = f"{summary.duration_s:.3f}"
    suite.attrib |= totals | {
        "skipped": str(len(suite.findall("testcase/skipped"))),
        "time": time,
        "timestamp": printed(summary.started_at).removesuffix("Z"),  # Ant's schema has no zone
    }
    root = Element("testsuites", {"name": "loadkit", "time": time} | totals)
    root.append(suite)
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _objective(suite: Element, summary: Summary, line: SloLine, violations: str) -> None:
    case = _case(suite, summary, f"{line.metric} ≤ {number(line.limit)} {line.unit}".rstrip())
    if line.status == "fail":
        details = violations if _is_about_violations(line) else ""
        _failure(case, "SLO broken", str(line), details)
    elif line.status == "undecided" and summary.verdict.strict:
        _failure(case, "SLO undecided", f"{line}, and --strict")
    elif line.status == "undecided":
        SubElement(case, "skipped", message=printed(str(line)))
    else:
        _output(case, str(line))


def _is_about_violations(line: SloLine) -> bool:
    return Metric.parse(line.metric).name.partition(".")[0] == "violations"


def _no_objective(suite: Element, summary: Summary, violations: str) -> None:
    by_kind = {reason.kind: reason for reason in summary.verdict.reasons}
    if (answered := by_kind.get(ReasonKind.SEARCH)) is not None:
        case = _case(suite, summary, "a capacity is found and confirmed")
        answer = answered.text
        if not summary.verdict.exit_code:
            _output(case, answer)
        elif summary.stopped_early is not None:  # which has a case of its own
            SubElement(case, "skipped", message=printed(answer))
        else:
            _failure(case, "no capacity", answer)
        return
    case = _case(suite, summary, "nothing failed (there is no SLO)")
    if (failed := by_kind.get(ReasonKind.FAILED)) is not None:
        _failure(case, "failed", str(failed), violations)


def _unasked(suite: Element, summary: Summary, violations: str) -> None:
    case = _case(suite, summary, "the server keeps to the protocol")
    if violations:
        text = plural(sum(summary.violations.values()), "violation")
        message = f"{text}, and no objective is about them: add violations = 0 to [slo]"
        SubElement(case, "skipped", message=printed(message)).text = printed(violations)


def _validity(suite: Element, summary: Summary) -> None:
    case = _case(suite, summary, "the run is valid")
    doubts = [str(reason) for reason in summary.verdict.doubts]
    if summary.verdict.validity == "invalid" and doubts:  # none: an early stop has its own case
        _failure(case, "invalid", doubts[0], "\n".join(doubts))
    elif doubts or summary.notes:
        _output(case, "\n".join((f"{summary.verdict.validity}:", *doubts, *summary.notes)))


def _violations(summary: Summary, examples: Mapping[str, str]) -> str:
    ordered = sorted(summary.violations.items(), key=lambda item: -item[1])
    found = []
    for kind, count in ordered:
        example = examples.get(f"violations.{kind}")
        found.append(f"{number(count)} × {kind}" + (f": {example}" if example else ""))
    return "\n".join(found)


def _case(suite: Element, summary: Summary, name: str) -> Element:
    # No time of its own: a reader adds the cases' times up.
    return SubElement(
        suite,
        "testcase",
        classname=printed(f"loadkit.{summary.profile}"),
        name=printed(name),
        time="0.000",
    )


def _failure(case: Element, kind: str, message: str, text: str = "") -> None:
    failure = SubElement(case, "failure", type=kind, message=printed(message))
    failure.text = printed(text or message)


def _output(case: Element, text: str) -> None:
    SubElement(case, "system-out").text = printed(text)
