"""Texts of others, made safe for what they are written to.

A target's words, a stranger's results, names of files, hosts and profiles, an exception of a user's
own code: they are data. On a terminal or a page they move no cursor, turn no line round, call no
command and nobody's attention; what cannot be seen is shown as an escape, and what is left is as
readable as it was. What this process knows to be secret is in none of them
(`loadkit.security.redaction`).

Sources of what is a command where:

    GitHub Actions     actions/runner, src/Runner.Common/ActionCommand.cs: `::` at the beginning of
                       a line whose blanks are cut off; `##[` anywhere in it
    Azure Pipelines    learn.microsoft.com, "Logging commands": `##vso[`, and `##[` for formats
    GitLab             docs.gitlab.com/ci/jobs/job_logs: `section_start:`, `section_end:`
    TeamCity           jetbrains.com/help/teamcity/service-messages.html: `##teamcity[`
    Travis CI          `travis_fold:`, `travis_time:`
    Markdown           github.github.com/gfm; docs.github.com, "Autolinked references"
"""

import re
from typing import Final

from loadkit.security.redaction import redact

_LONGEST: Final = 200  # characters of a text that is one example of many
_MARGIN: Final = 2000  # characters beyond those that are shown in which a secret may begin

# Letters that are joined, or kept apart, by characters without a width: of Arabic, of India and
# its neighbours, and emojis.
_JOINED: Final = (
    "\u0600-\u061b\u061d-\u109f\u1780-\u180d\u1810-\u18af\u2190-\u23ff\u2600-\u27bf\u2b00-\u2bff"
    "\ufb50-\ufdff\ufe0f\ufe70-\ufefc\U0001f000-\U0001faff"
)
# Controls (Cc) but for tab and line feed, formats (Cf) but for the signs of Arabic that are seen,
# separators of lines, surrogates, letters that look like nothing, and what is no character.
_UNSEEN: Final = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb"
    "\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff"
)
_HIDDEN: Final = re.compile(
    f"[{_UNSEEN}]|(?<![{_JOINED}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINED}])"
)
_SHORT: Final = {"\r": r"\r", "\v": r"\v", "\f": r"\f", "\b": r"\b", "\a": r"\a", "\0": r"\0"}
_BLANKS: Final = re.compile(r"[\t\n\v\f\r ]+")

_COMMAND: Final = re.compile(
    r"(?:^|(?<=[\r\n]))(?:[^\S\r\n]|\x1b\[[0-9;]*m)*::"
    r"|##\[|##vso\[|##teamcity\[|section_(?:start|end):|travis_(?:fold|time):",
    re.IGNORECASE,
)
_LONGEST_COMMAND: Final = len("section_start:")


def visible(text: str) -> str:
    """Return a text in which nothing but a line's end or a tab is hidden: controls as escapes."""
    return _HIDDEN.sub(_escape, text)


def one_line(text: str, most: int = _LONGEST) -> str:
    """Return a line of so many characters for a log, a table or a file, without secrets."""
    # What is cut off first would be more than is left, were there secrets in front of it.
    known = redact(text[: 2 * most + _MARGIN])
    return visible(_BLANKS.sub(" ", known).strip())[:most]


def printed(text: str) -> str:
    """Return a text for a terminal or a log: whole, without secrets, and with nothing hidden."""
    return visible(redact(text))


def in_json(text: str) -> str:
    """Return a JSON text that means the same, without secrets, and with nothing hidden in it."""
    return _HIDDEN.sub(_json_escape, redact(text))


class SafeLines:
    """What goes out to a console, part by part: none of its lines is a command to a CI system.

    Whoever reads a command looks for it in whole lines, however they were written and wrapped.
    """

    def __init__(self) -> None:
        self._line = ""  # the end of what is out of the present line, its first blanks left out

    def __call__(self, text: str) -> str:
        """Return the next part as it may be written."""
        before = len(self._line)
        told, at = [], before
        whole = self._line + text
        for match in _COMMAND.finditer(whole):
            if match.end() > before:  # its last character is new: one before it ends it
                told += [whole[at : match.end() - 1], "\\"]
                at = match.end() - 1
        self.passed(text)
        return "".join(told) + whole[at:]

    def passed(self, text: str) -> None:
        """Take a part that is written as it is."""
        line = re.split(r"[\r\n]", self._line + text)[-1]
        if not re.sub(r"\x1b\[[0-9;]*m", "", line).strip():
            line = ""
        # A mark stands for what is left out: what follows is not at the line's beginning.
        kept = _LONGEST_COMMAND
        self._line = line if len(line) <= 2 * kept else f".{line[-kept:]}"


# --- Markdown -------------------------------------------------------------------------------------

_MARKUP: Final = re.compile(r"[\\`*|<\[\]~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|&(?=[#A-Za-z])")
_BEGINS: Final = re.compile(r">|(?:#{1,6}|[-+]|\d{1,9}[.)])(?=\s|$)|[-=][-=\s]*$|:?-+:?$|=|/")
# What becomes a link, calls somebody or is a formula, whatever stands before it.
_ALIVE: Final = re.compile(
    r"(?:@|://|\bwww\.|\b(?:mailto|xmpp):|[#!]\d|\bGH-\d|\$|:[a-z_+-][\w+-]*:"
    r"|\b(?=[0-9a-f]*\d)[0-9a-f]{7,64}\b)",
    re.IGNORECASE,
)


def markdown(text: str) -> str:
    """Return a text as it stands in a line, an item or a cell of a page in Markdown.

    What a reader of GitHub's or GitLab's kind would make a link or a call of stands as code, where
    they leave it alone; an escape would not keep them from it.
    """
    text = _BLANKS.sub(" ", printed(text)).strip()
    line = " ".join(
        code(word) if _ALIVE.search(word) else _MARKUP.sub(r"\\\g<0>", word)
        for word in text.split(" ")
    )
    if begins := _BEGINS.match(line):
        last = begins.end() - 1 if begins[0][-1] in ".)" else 0
        line = f"{line[:last]}\\{line[last:]}"
    return line


def code(text: str) -> str:
    """Return a text as code within a line, or within a cell of a table."""
    text = _BLANKS.sub(" ", printed(text)).strip().replace("|", r"\x7c")
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    blank = " " if text.startswith("`") or text.endswith("`") or not text else ""
    return f"{fence}{blank}{text}{blank}{fence}"


def block(text: str) -> list[str]:
    """Return the lines of a text as a block of code."""
    lines = printed(text).split("\n")
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return [fence, *lines, fence]


def _escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    if match[0] in _SHORT:
        return _SHORT[match[0]]
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
