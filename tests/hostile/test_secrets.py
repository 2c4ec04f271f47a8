"""A target that sends back what it was sent, in whatever form, wherever a text can stand."""

import base64
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from processes import READY_BOTH, SECRETS, TOKEN, profile, run

from loadkit.pages.page import asset
from tests.hostile.parrot import Parrot, against

PIECE = 12  # characters of a secret that nobody may read
HEADER = "gate-pass-0123456789-abcdefgh"


def percent(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


FORMS: tuple[Callable[[str], str], ...] = (
    str,
    percent,
    lambda text: quote(percent(text)),
    lambda text: f"{'x' * 150}{text}",  # an example of 200 characters ends within it
    lambda text: text[:70],
    lambda text: text[70:],
    lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    lambda text: "".join(f"&#{ord(char)};" for char in text),
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: f"GET /ws?access_token={text}&session_id=1 HTTP/1.1",
)

OWN_CLASS = """
import os
from loadkit.swarm import ChatUser
from locustfile import *


class Leaky(ChatUser):
    def plan(self):
        raise ValueError(f"no way with {os.environ['POLY_CONNECTOR_TOKEN']}")
"""


def readings(text: str) -> set[str]:
    """A text as it is, and as programs and people would read it."""
    found = {text}
    for _ in range(2):
        for read in (
            unquote,
            unescape,
            lambda told: re.sub(r"\\\\?u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), told),
            lambda told: re.sub(r"[\\\s]", "", told),
        ):
            found |= set(map(read, found))
    for run_of_it in re.findall(r"[A-Za-z0-9+/_-]{24,}", text):
        for at in range(4):
            cut = run_of_it[at:].translate(str.maketrans("-_", "+/"))
            found.add(base64.b64decode(cut[: len(cut) // 4 * 4]).decode("latin-1"))
    return found


WRITTEN = re.compile(rf"[\w.-]{{{PIECE},}}", re.ASCII)
"""All that the secrets are written with."""


def pieces(secret: str) -> set[str]:
    return {secret[at : at + PIECE] for at in range(len(secret) - PIECE + 1)}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], list[str]]:
    """All that is left of a run, by name, and the access tokens that it had."""
    folder = tmp_path_factory.mktemp("secrets")

    def words(token: str, said: str) -> list[str]:
        theirs = [form(token) for form in FORMS]
        return [*theirs, TOKEN, percent(TOKEN), HEADER, parrot.tokens[0]]

    parrot = Parrot(words, names=lambda token: f"of-{token}")
    own = folder / "own.py"
    own.write_text(OWN_CLASS)
    environment = {"GATE_PASS": HEADER, "CI": "1", "COLUMNS": "70"}
    options = ("--header", "X-Gate=GATE_PASS", "--set", "mix.Leaky=20")
    ended = against(parrot, folder, environment, *options, locustfile=own)
    return ended.files | {"output": ended.output}, parrot.tokens


def test_no_secret_is_anywhere(told: tuple[dict[str, str], list[str]]) -> None:
    """No piece of one that anybody could read, of what every access token begins with apart."""
    texts, tokens = told
    library = asset("echarts.min.js")
    texts = texts | {"report.html": texts["report.html"].replace(library, "")}
    assert len(tokens) > 10
    every = [pieces(token) for token in tokens]
    known = set[str]().union(*every, pieces(TOKEN), pieces(HEADER)) - set.intersection(*every)
    assert all(map(WRITTEN.fullmatch, known))
    for name, text in texts.items():
        words = {word for reading in readings(text) for word in WRITTEN.findall(reading)}
        assert known.isdisjoint(set[str]().union(*map(pieces, words))), name


def test_what_stood_around_them_is_told(told: tuple[dict[str, str], list[str]]) -> None:
    """Else there would have been nothing to find."""
    texts, _ = told
    holding = ("violations.jsonl", "errors.jsonl", "slow_turns.jsonl", "run.json", "summary.md")
    for name in (*holding, "report.html", "output"):
        assert "[secret]" in texts[name].replace("\\", ""), name
    assert "no way with [secret]" in texts["output"]
    assert "no way with [secret]" in texts["loadkit.log"]


def test_a_refusal_before_the_run_holds_none(tmp_path: Path) -> None:
    """What a target says of the first token is told on the console at once."""
    parrot = Parrot(lambda *_: [TOKEN, percent(TOKEN)])
    parrot._scripts["access-token"] = lambda wire: parrot._refuse(wire, [TOKEN, percent(TOKEN)])
    ended = run([READY_BOTH, "run", profile(tmp_path), "--host", parrot.url], tmp_path, SECRETS)
    assert ended.code == 4
    assert "[secret]" in ended.output
    assert not pieces(TOKEN) & set[str]().union(*map(pieces, readings(ended.output)))
