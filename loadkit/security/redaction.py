"""The secrets that this process knows, and texts without them.

A secret is found by its value: whole or in part, and as servers, loggers and files write it:
percent-encoded, with the escapes of JSON or the entities of HTML, in base64, wrapped over lines or
cut by a limit. The work is in proportion to the text, however many secrets there are: an index
holds short pieces of them.
"""

import binascii
import html
import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

MARK: Final = "[secret]"
"""What stands in the place of a secret."""

SHORTEST: Final = 12
"""A piece of a secret of so many characters is secret too; a shorter secret is one as a whole."""

_PIECE: Final = 8  # characters that the index knows a secret by
_STEP: Final = 32  # characters from one piece of an access token to the next: some 1 KB a token
_LEAST: Final = 4  # what is shorter is found in every second word, and guessed as quickly
_LONGEST: Final = 4096  # characters of a secret that are looked for
_RECENT: Final = 1000  # access tokens of sessions that are over
_TRIES: Final = 4  # places in a secret, which may repeat itself, that a piece is looked for at
_ROUNDS: Final = 3  # of encodings, one in the other

# A JSON Web Token begins with an object of its header; base64url makes this of `{"`. Found by that
# alone, one is wiped out of which this process knows nothing: a master does not know its workers'.
_TOKEN: Final = re.compile(r"eyJ[A-Za-z0-9_-]{9,}(?:\.[A-Za-z0-9_-]*){0,2}")
_ESCAPE: Final = re.compile(
    r"%(?P<percent>[0-9A-Fa-f]{2})|\\u(?P<json>[0-9A-Fa-f]{4})|\\x(?P<hex>[0-9A-Fa-f]{2})"
    r"|\\(?P<plain>.)|(?P<entity>&(?:#[xX][0-9A-Fa-f]{1,6}|#[0-9]{1,7}|[A-Za-z]{2,16});?)",
    re.DOTALL,
)
_BLANK: Final = re.compile(r"\x1b\[[0-9;]*m|[\s\\\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2060\ufeff]+")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}")
_URL_SAFE: Final = str.maketrans("-_", "+/")

_held: dict[str, int] = {}  # how many hold each secret
_index: dict[str, str] = {}  # by piece, a secret that has it
_whole: set[str] = set()  # those whose pieces say nothing
_recent: deque[str] = deque()
_spared: set[str] = set()


def remember(secret: str, *, whole: bool = False) -> None:
    """Take a secret that stays one as long as this process lives; pieces of a `whole` one do not.

    Those of fewer than four characters, and those that `spare` was told of, are not looked for.
    """
    if len(secret) < _LEAST or any(secret in text for text in _spared):
        return
    plain = _plain(secret)
    if whole or len(plain) < _PIECE:
        _whole.add(secret)
    else:
        _add(plain, 1)


def spare(text: str) -> None:
    """Take what everybody may read, whatever secret is a part of it: a target's own host."""
    _spared.add(text)
    for secret in [secret for secret in (*_held, *_whole) if secret in text]:
        _remove(secret, 1)


def note(token: str) -> None:
    """Take an access token that has come: one of many, remembered for a while."""
    _add(token, _STEP)
    _recent.append(token)
    if len(_recent) > _RECENT:
        _remove(_recent.popleft(), _STEP)


def hold(token: str) -> None:
    """Remember an access token until it is released: its session lives."""
    _add(token, _STEP)


def release(token: str) -> None:
    """The session of a token is over: it is one of the recent ones from now on."""
    note(token)
    _remove(token, _STEP)


def redact(text: str) -> str:
    """Return a text with `MARK` in the place of each secret, and of each piece of one."""
    for secret in _whole:
        if secret in text:
            word = rf"(?<![A-Za-z0-9.-]){re.escape(secret)}(?![A-Za-z0-9-]|\.[A-Za-z0-9])"
            text = re.sub(word, MARK, text)
    spans = []
    if found := list(_found(_plain(text))):
        places = _placed(text)
        spans = [(places[begin][0], places[end - 1][1]) for begin, end in found]
    spans += [match.span() for match in _TOKEN.finditer(text)]
    if _index:
        spans += [match.span() for match in _BASE64.finditer(text) if _hides(match[0])]
    if not spans:
        return text
    told, at = [], 0
    for begin, end in sorted(spans):
        if begin >= at:
            told += [text[at:begin], MARK]
        at = max(at, end)
    return "".join(told) + text[at:]


def _add(secret: str, step: int) -> None:
    if len(secret) < _PIECE:
        return  # a token that nothing accepts
    _held[secret] = _held.get(secret, 0) + 1
    if _held[secret] == 1:
        _index.update(dict.fromkeys(_pieces(secret, step), secret))


def _remove(secret: str, step: int) -> None:
    _whole.discard(secret)
    if secret in _held:
        _held[secret] -= 1
        if not _held[secret]:
            del _held[secret]
            for piece in _pieces(secret, step):
                if _index.get(piece) == secret:
                    del _index[piece]


def _pieces(secret: str, step: int) -> Iterator[str]:
    last = min(len(secret), _LONGEST) - _PIECE
    for at in (*range(0, last, step), last):
        yield secret[at : at + _PIECE]


def _found(plain: str) -> Iterator[tuple[int, int]]:
    """Where secrets and pieces of them are in a text without escapes and blanks."""
    index, past = _index, 0
    hits = [at for at in range(len(plain) - _PIECE + 1) if plain[at : at + _PIECE] in index]
    for at in hits:
        if at >= past:
            secret = index[plain[at : at + _PIECE]]
            begin, end = _widened(plain, at, secret)
            if end - begin >= min(SHORTEST, len(secret)):
                yield begin, end
                past = end


def _widened(plain: str, at: int, secret: str) -> tuple[int, int]:
    """The longest piece of a secret around one of its short ones."""
    best = at, at
    there = secret.find(plain[at : at + _PIECE])
    for _ in range(_TRIES):
        if there < 0:
            break
        back = 0
        while back < min(at, there) and plain[at - back - 1] == secret[there - back - 1]:
            back += 1
        on, most = _PIECE, min(len(plain) - at, len(secret) - there)
        while on < most and plain[at + on] == secret[there + on]:
            on += 1
        if back + on > best[1] - best[0]:
            best = at - back, at + on
        there = secret.find(plain[at : at + _PIECE], there + 1)
    return best


def _plain(text: str) -> str:
    """A text without its escapes and blanks."""
    for _ in range(_ROUNDS):
        before, text = text, _ESCAPE.sub(_meant, text)
        if text == before:
            break
    return _BLANK.sub("", text)


def _placed(text: str) -> Sequence[tuple[int, int]]:
    """Where in a text each character of its plain form begins and ends."""
    places: Sequence[tuple[int, int]] = [(at, at + 1) for at in range(len(text))]
    for _ in range(_ROUNDS):
        escapes = [(*match.span(), _meant(match)) for match in _ESCAPE.finditer(text)]
        text, places = _replaced(text, places, escapes)
    blanks = [(*match.span(), "") for match in _BLANK.finditer(text)]
    return _replaced(text, places, blanks)[1]


def _replaced(
    text: str, places: Sequence[tuple[int, int]], parts: Sequence[tuple[int, int, str]]
) -> tuple[str, Sequence[tuple[int, int]]]:
    """Put something else in the place of some parts."""
    texts: list[str] = []
    placed: list[tuple[int, int]] = []
    at = 0
    for begin, end, meant in parts:
        texts += [text[at:begin], meant]
        placed += places[at:begin]
        placed += [(places[begin][0], places[end - 1][1])] * len(meant)
        at = end
    return "".join(texts) + text[at:], [*placed, *places[at:]]


def _meant(match: re.Match[str]) -> str:
    """The character that an escape stands for."""
    for name in ("percent", "json", "hex"):
        if match[name]:
            return chr(int(match[name], 16))
    if match["plain"]:
        return " " if match["plain"] in "nrtbfv" else match["plain"]
    return html.unescape(match[0])


def _hides(run: str) -> bool:
    """Whether base64 hides a secret, wherever it begins."""
    run = run.translate(_URL_SAFE)
    for at in range(4):
        whole = run[at : at + (len(run) - at) // 4 * 4]
        if any(_found(binascii.a2b_base64(whole).decode("latin-1"))):
            return True
    return False
