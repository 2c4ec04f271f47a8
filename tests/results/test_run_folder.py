"""A run's folder."""

import errno
import io
import json
import os
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from loadkit.errors import UsageError
from loadkit.measure.interval import GAUGES
from loadkit.measure.ledger import Ledger
from loadkit.measure.occurrence import Occurrence
from loadkit.measure.recorder import Recorder
from loadkit.report.terminal import render
from loadkit.results import run_folder
from loadkit.results.run_folder import (
    load_examples,
    load_summary,
    results_folder,
    write,
    write_text,
)
from loadkit.verdict.summary import summarise
from tests.verdict.known import asked_and_known

NOON = datetime(2026, 11, 22, 15, 6, 54, tzinfo=UTC)


def test_a_folder_is_named_by_utc_time_and_profile(tmp_path: Path) -> None:
    """It sorts by time; parents are made; any time zone will do."""
    east = NOON.astimezone(timezone(timedelta(hours=5)))
    folder = results_folder(tmp_path / "a" / "b", "smoke", east)
    assert folder == tmp_path / "a" / "b" / "2026-11-22T150654Z-smoke"
    assert folder.is_dir()


def test_runs_within_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    """No run writes over another."""
    names = [results_folder(tmp_path, "smoke", NOON).name for _ in range(3)]
    assert names == [f"2026-11-22T150654Z-smoke{ending}" for ending in ("", "-2", "-3")]


@pytest.mark.parametrize(
    ("profile", "ending"), [("../../etc/x y", "etc_x_y"), ("soak.24h", "soak.24h"), ("/", "run")]
)
def test_a_profile_cannot_lead_out_of_the_folder(tmp_path: Path, profile: str, ending: str) -> None:
    """Its name is made safe."""
    folder = results_folder(tmp_path, profile, NOON)
    assert folder.parent == tmp_path
    assert folder.name == f"2026-11-22T150654Z-{ending}"


def test_a_file_in_the_way_is_a_usage_error_that_names_it(tmp_path: Path) -> None:
    """Also when it is further up."""
    (tmp_path / "results").write_text("")
    for parent in (tmp_path / "results", tmp_path / "results" / "deeper"):
        with pytest.raises(UsageError, match=r"cannot write results in .*results.*--out"):
            results_folder(parent, "smoke", NOON)


def test_a_folder_without_permission_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated, since root may write anywhere."""

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UsageError, match="Permission denied"):
        results_folder(tmp_path, "smoke", NOON)


def test_a_folder_that_cannot_be_written_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found before the run and not after it."""
    monkeypatch.setattr(run_folder.os, "access", lambda *_: False)
    with pytest.raises(UsageError, match="no permission to write"):
        results_folder(tmp_path, "smoke", NOON)


def test_a_written_run_can_be_read_again(tmp_path: Path, make: Any, examples: Any) -> None:
    """Figures and examples come back as they were, from the folder or from the file."""
    summary = make(failing=True, limits=[("response.p95", 2500.0)])
    write(tmp_path, summary, {"host": "http://127.0.0.1:8100"}, examples)
    assert load_summary(tmp_path) == summary
    assert load_summary(tmp_path / "summary.json") == summary
    assert load_examples(tmp_path, []) == examples
    assert json.loads((tmp_path / "run.json").read_text())["host"] == "http://127.0.0.1:8100"
    assert (tmp_path / "summary.md").read_text().startswith("# ")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "errors.jsonl",
        "junit.xml",
        "run.json",
        "slow_turns.jsonl",
        "summary.json",
        "summary.md",
        "violations.jsonl",
    ]


def test_the_first_of_each_kind_are_written_with_where_they_happened(
    tmp_path: Path, make: Any
) -> None:
    """Violations and errors each have a file, a JSON object a line."""
    where = {"session": "s", "user_class": "HandoffChat", "worker": "w", "at": "2026-01-01T00:00Z"}
    evidence = [
        Occurrence(of="errors", kind="unanswered", **where),
        Occurrence(of="violations", kind="gap", frames=("{}",), **where),
    ]
    write(tmp_path, make(), {}, {}, evidence)
    errors, violations = (
        [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        for name in ("errors", "violations")
    )
    where |= {"detail": "", "correlation_id": "", "client": ""}
    assert errors == [{"kind": "unanswered", **where}]
    assert violations == [{"kind": "gap", "frames": ["{}"], **where}]


def test_the_details_of_violations_are_read_again_as_they_were_written(
    tmp_path: Path, make: Any
) -> None:
    summary = make(failing=True)
    assert summary.violations_detail["missing_echo"]["sessions"] == 1
    write(tmp_path, summary, {}, {})
    assert load_summary(tmp_path).violations_detail == summary.violations_detail


def test_a_run_of_the_first_version_can_be_shown_again(tmp_path: Path, make: Any) -> None:
    """Its summary has no intervals, no states of objectives and no figures of the machine."""
    summary = make(failing=True, limits=[("response.p95", 2500.0), ("violations", 0)])
    old = summary.to_dict()
    for key in ("stopped_early", "intervals_ms"):
        del old[key]
    del old["verdict"]["strict"]
    old["generator"] = {key: old["generator"][key] for key in list(old["generator"])[:5]}
    first = ("metric", "limit", "actual", "pass")
    old["slo"] = [{key: line[key] for key in first} for line in old["slo"]]
    (tmp_path / "summary.json").write_text(json.dumps(old))
    read = load_summary(tmp_path)
    stream = io.StringIO()
    render(read, Console(file=stream, width=80))
    assert "✓  response.p95  872 ms ≤ 2,500 ms\n" in re.sub(" +\n", "\n", stream.getvalue())
    write(tmp_path, read, {}, {})
    assert load_summary(tmp_path) == read


def test_every_gauge_of_the_generator_is_read_again(tmp_path: Path) -> None:
    """What the recorder takes is what the summary has, and what is read of it."""
    recorder, ledger = Recorder(), Ledger()
    for name in GAUGES:
        recorder.gauge(name, 1.0)
    ledger.add("w", 1, recorder.take(1.0))
    summary = summarise(ledger, *asked_and_known())
    write(tmp_path, summary, {}, {})
    read = load_summary(tmp_path).generator
    assert [name for name in read if name in GAUGES] == list(GAUGES)
    assert all(read[name] == summary.generator[name] for name in GAUGES)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"text": "all was well"}, "reasons_detail says something else than reasons"),
        ({"kind": "slo_undecided"}, "reasons_detail says something else than reasons"),
        ({"kind": "weather"}, "reasons_detail.0.kind: should be 'own_code', "),
        ({"text": 3}, "reasons_detail.0.text: should be a valid string"),
    ],
)
def test_reasons_and_their_parts_have_to_agree(
    tmp_path: Path, make: Any, changed: Any, says: str
) -> None:
    """What is shown hangs on the kind, which an edit may have changed alone."""
    data = make(limits=[("response.p95", 500.0)]).to_dict()
    data["verdict"]["reasons_detail"][0] |= changed
    (tmp_path / "summary.json").write_text(json.dumps(data))
    with pytest.raises(UsageError) as caught:
        load_summary(tmp_path)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [{"limits": [("response.p95", 500.0), ("token.p50", 100.0)]}, {"failing": True}, {"lag": 2.0}],
)
def test_reasons_of_a_version_without_kinds_are_shown_alike(
    tmp_path: Path, make: Any, options: Any
) -> None:
    """The same cases fail, the same lines are told, and no exit code is left unexplained."""
    summary = make(stopped="after 3 of 60 s, by hand", **options)
    write(tmp_path, summary, {}, {})

    def shown() -> list[list[str]]:
        texts = [(tmp_path / name).read_text() for name in ("summary.md", "junit.xml")]
        return [sorted(text.splitlines()) for text in texts]

    before, data = shown(), summary.to_dict()
    del data["verdict"]["reasons_detail"]
    (tmp_path / "summary.json").write_text(json.dumps(data))
    write(tmp_path, load_summary(tmp_path), {}, {})
    assert shown() == before


def test_a_failed_write_leaves_the_old_file_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk does not cost the last good report."""
    path = tmp_path / "summary.json"
    write_text(path, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_folder.os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        write_text(path, "new")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_a_full_disk_costs_only_what_does_not_fit(
    tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is tried on its own; the error names the others, the file system and the mend."""
    rename = Path.replace

    def full_for_some(draft: Path, target: Path) -> Path:
        if target.name in ("summary.json", "junit.xml"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(draft, target)

    monkeypatch.setattr(Path, "replace", full_for_some)
    with pytest.raises(UsageError) as caught:
        write(tmp_path, make(), {}, {})
    text = str(caught.value)
    assert f"cannot write junit.xml, summary.json in {tmp_path}: No space left" in text
    assert re.search(r"\(file system /.*, [\d,]+ MB free\); free some space .* --out", text)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "errors.jsonl",
        "run.json",
        "slow_turns.jsonl",
        "summary.md",
        "violations.jsonl",
    ]


def test_the_summary_is_written_last(
    tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is, nothing else is missing because somebody was killed in between."""
    rename, order = Path.replace, list[str]()

    def replace(draft: Path, target: Path) -> Path:
        order.append(target.name)
        return rename(draft, target)

    monkeypatch.setattr(Path, "replace", replace)
    write(tmp_path, make(), {}, {})
    assert order[-1] == "summary.json"
    assert len(order) == 7


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_disk_that_is_really_full_is_a_usage_error(
    tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's own ENOSPC, met while the file is written, leaves no draft behind."""
    opened = os.open
    monkeypatch.setattr(os, "open", lambda path, *_: opened("/dev/full", os.O_WRONLY))
    with pytest.raises(UsageError, match=r"run\.json, junit\.xml, .*No space left"):
        write(tmp_path, make(), {}, {}, [Occurrence(of="violations", kind="gap")])
    assert list(tmp_path.iterdir()) == []


def test_a_text_with_half_a_character_is_written(tmp_path: Path, make: Any) -> None:
    """A server's words may hold a lone surrogate, which UTF-8 has no bytes for."""
    write(tmp_path, make(failing=True), {}, {"errors.unanswered": "half \ud800 of it"})
    read = {"errors.unanswered": "half \N{REPLACEMENT CHARACTER} of it"}
    assert load_examples(tmp_path, []) == read


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file.*finished run"),
        ("{", "is not JSON"),
        ("[]", "not a summary"),
        ("{}", "its schema is None"),
        ('{"schema": "loadkit.summary/9"}', "loadkit.summary/9"),
        ('{"schema": "loadkit.summary/1", "verdict": 3}', "profile is missing"),
    ],
)
def test_what_is_no_summary_is_a_usage_error(
    tmp_path: Path, content: str | None, message: str
) -> None:
    """Missing, cut short, or something else; the text names the file."""
    if content is not None:
        (tmp_path / "summary.json").write_text(content)
    with pytest.raises(UsageError, match=message) as caught:
        load_summary(tmp_path)
    assert "summary.json" in str(caught.value)


def test_a_run_without_run_json_has_no_examples(tmp_path: Path) -> None:
    """They are an addition, and a report does without."""
    assert load_examples(tmp_path, []) == {}
