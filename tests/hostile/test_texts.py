"""A target, and a stranger's results, whose every word is an attack on whoever reads it."""

import csv
import json
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from processes import READY_LOADKIT, run

from tests.hostile.parrot import Ended, Parrot, against

CI = {"GITHUB_ACTIONS": "true", "TF_BUILD": "True", "GITLAB_CI": "true", "TEAMCITY_VERSION": "1"}
ATTACKS = (
    "::error::seized",
    "\x1b[31mred\x1b]0;title\x07\x9b31m",
    "##vso[task.setvariable variable=a]b ##[group]x",
    "\u202eevil\u2028::warning::x\x85y\u200b\ufeff",
    "@team https://evil.example/x www.evil.example #12 a@b.example",
    "<img src=x onerror=y>`@team`|[a](http://b.example)",
    "a\r::set-output name=x::y\r\n##teamcity[x]",
    "=cmd|' /C calc'!A0",
    "section_start:1:x\r\x1b[0Ky",
    "## x\n- @team\n```\n",
    "half \ud800 of it",
    f"{'x' * 94} ::error::behind a line's end {'y' * 60} ::error::and again",
)
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
ALIVE = re.compile(r"@\w|://|www\.|#\d")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ended, Ended]]:
    """One of attacks on a CI console, and one of a server that repeats what people say."""
    folder = tmp_path_factory.mktemp("texts")
    hidden = '[results]\ntexts = "hidden"'
    with ThreadPoolExecutor() as pool:
        attacks, echo = Parrot(lambda *_: ATTACKS), Parrot(lambda _, said: [said or "nothing"])
        attacked = pool.submit(against, attacks, folder / "attacked", CI)
        asked = pool.submit(against, echo, folder / "hidden", {}, more=hidden)
        yield attacked.result(), asked.result()


@pytest.fixture
def attacked(runs: tuple[Ended, Ended]) -> Ended:
    return runs[0]


def commands(output: str) -> list[str]:
    """The lines that a CI system would act upon, but for loadkit's own annotations."""
    lines = re.split(r"[\r\n]", output)
    ours = re.compile(r"::(?:error|warning) file=[^\s:]+,line=\d+,title=loadkit ")
    marks = ("##[", "##vso[", "##teamcity[", "section_start:")
    acted = [line for line in lines if line.strip().startswith("::") or any(map(line.count, marks))]
    return [line for line in acted if not ours.match(line) or any(map(line.count, marks))]


def test_the_attacks_are_told(attacked: Ended) -> None:
    """In the examples, on the console as in the files: what is hidden, as escapes."""
    files = attacked.files
    for text in (attacked.output, files["violations.jsonl"], files["summary.md"]):
        assert "seized" in text
    assert r"\\x1b[31mred" in files["violations.jsonl"]


def test_no_line_of_the_console_is_a_command(attacked: Ended) -> None:
    """Wherever it was wrapped; the annotations are there."""
    assert commands(attacked.output) == []
    assert "\n::error file=" in attacked.output


def test_nothing_hidden_is_printed_or_written(attacked: Ended) -> None:
    """A file may be printed on a terminal, too."""
    for text in (attacked.output, *attacked.files.values()):
        assert HIDDEN.findall(text) == []
        assert "\ud800" not in text


def test_the_page_holds_nothing_that_lives(attacked: Ended) -> None:
    """It is tables, lists and code; no link, image or HTML, and nobody is called."""
    tokens = MarkdownIt("commonmark").enable("table").parse(attacked.files["summary.md"])
    inline = [child for token in tokens for child in token.children or []]
    assert {child.type for child in inline} <= {
        *("text", "code_inline", "strong_open", "strong_close", "text_special", "softbreak")
    }
    assert not [token for token in tokens if token.type.startswith("html")]
    assert not [
        child.content for child in inline if child.type == "text" and ALIVE.search(child.content)
    ]


def test_each_file_is_what_its_readers_take_it_for(attacked: Ended) -> None:
    """XML, JSON, JSON lines; the table of seconds holds figures and nothing a program would run."""
    ElementTree.parse(attacked.folder / "junit.xml")
    for path in attacked.folder.glob("*.json"):
        json.loads(path.read_text())
    for path in attacked.folder.glob("*.jsonl"):
        assert all(isinstance(json.loads(line), dict) for line in path.read_text().split("\n")[:-1])
    with (attacked.folder / "timeline.csv").open() as file:
        for row in csv.DictReader(file):
            del row["utc"]
            assert all(re.fullmatch(r"[0-9.]*", cell) for cell in row.values())


def test_what_a_stranger_wrote_is_data_too(attacked: Ended, tmp_path: Path) -> None:
    """`loadkit report` and `status` on results with raw attacks wherever a text stands."""
    folder = tmp_path / "stranger\x1b[31m\u202e::error::"
    shutil.copytree(attacked.folder, folder)
    summary = json.loads((folder / "summary.json").read_text())
    summary |= {"profile": ATTACKS[0], "target": "".join(ATTACKS), "notes": list(ATTACKS)}
    summary |= {"errors": dict.fromkeys(ATTACKS, 1), "violations": dict.fromkeys(ATTACKS, 2)}
    doubts = [{"kind": "loop_lag", "text": text, "remedy": ""} for text in ATTACKS]
    summary["verdict"] |= {"reasons": list(ATTACKS), "reasons_detail": doubts}
    (folder / "summary.json").write_text(json.dumps(summary))
    info = json.loads((folder / "run.json").read_text())
    of = [f"{kind}.{text}" for kind in ("errors", "violations") for text in ATTACKS]
    info["examples"] = {key: "".join(reversed(ATTACKS)) for key in of}
    (folder / "run.json").write_text(json.dumps(info))
    for command, width in (("report", "40"), ("status", "100")):
        ended = run([READY_LOADKIT, command, folder], tmp_path, CI | {"COLUMNS": width})
        assert "seized" in ended.output
        assert "Traceback" not in ended.output
        assert HIDDEN.findall(ended.output) == []
        assert commands(ended.output) == []


def test_nothing_that_was_said_is_written_where_that_is_hidden(runs: tuple[Ended, Ended]) -> None:
    """The server has said it again as types, ids, reasons, names and errors."""
    ended = runs[1]
    assert len(ended.parrot.said) > 3
    files = ended.files
    for name, text in {"output": ended.output, **files}.items():
        bare = re.sub(r"[\W_]+", "", text)
        for said in ended.parrot.said:
            assert re.sub(r"[\W_]+", "", said) not in bare, name
    assert f"({len(ended.parrot.said[0])} characters)" in files["violations.jsonl"]
    assert "POLY_AGENT_JOINED while " in files["violations.jsonl"]
