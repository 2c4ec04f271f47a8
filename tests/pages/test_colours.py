"""The colours of the pages: apart for everybody, and readable on their ground."""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Final

import pytest

from loadkit.pages.page import asset

MET: Final = {
    "states": "thinking response echo first_chunk handoff_wait live_response reconnect other",
    "nines": "response first_chunk echo chunk_gap reconnect",
    "disconnects": "first_chunk lost echo thinking live_response",
    "load": "asked response first_chunk lost",
    "errors": "lost first_chunk live_response",
    "turn": "echo thinking first_chunk response chunk_gap",
    "generator": "response first_chunk lost live_response thinking",
    "memory": "thinking echo",
    "by turn": "response other",
    "trend": "response first_chunk lost",
    "comparison": "echo response",
}
"""What meets in one chart."""

SEEN: Final = {
    "all colours": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "no red": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no green": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "no blue": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
"""Machado, Oliveira and Fernandes (2009), severity 1, in linear RGB."""

THEMES: Final = ("light", "dark")


def colours(theme: str) -> dict[str, str]:
    block = re.findall(r":root[^{]*\{([^}]*)\}", asset("page.css"))[THEMES.index(theme)]
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))


def linear(colour: str) -> list[float]:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def lab(rgb: Sequence[float]) -> tuple[float, float, float]:
    """CIELAB of linear sRGB, D65."""
    rows = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    white = (0.9505, 1.0, 1.089)
    x, y, z = (
        cube(sum(a * min(1.0, max(0.0, b)) for a, b in zip(row, rgb, strict=True)) / full)
        for row, full in zip(rows, white, strict=True)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def cube(share: float) -> float:
    return float(share ** (1 / 3)) if share > 0.008856 else 7.787 * share + 16 / 116


def contrast(one: str, other: str) -> float:
    """Of WCAG 2."""
    light = [
        sum(a * b for a, b in zip((0.2126, 0.7152, 0.0722), linear(each), strict=True))
        for each in (one, other)
    ]
    return (max(light) + 0.05) / (min(light) + 0.05)


def apart(theme: str) -> Iterator[tuple[float, str, str, str]]:
    """How far two colours are from one another (CIE 1976) for who sees them so."""
    known = colours(theme)
    for names in MET.values():
        for one, other in itertools.combinations(names.split(), 2):
            for eyes, rows in SEEN.items():
                a, b = (
                    lab(
                        [
                            sum(x * y for x, y in zip(row, linear(known[name]), strict=True))
                            for row in rows
                        ]
                    )
                    for name in (one, other)
                )
                yield sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5, one, other, eyes


@pytest.mark.parametrize("theme", THEMES)
def test_the_colour_blind_tell_apart_what_meets_in_a_chart(theme: str) -> None:
    """Ten is plainly another colour; two that were told by nobody were one apart."""
    assert min(apart(theme))[0] > 14, min(apart(theme))


@pytest.mark.parametrize("theme", THEMES)
def test_words_and_lines_stand_out_from_their_ground(theme: str) -> None:
    """WCAG 2.2, AA: 4.5 for words, 3 for what is drawn."""
    known = colours(theme)
    words = [
        (contrast(known[name], known[ground]), name, ground)
        for name in ("ink", "soft", "link", "good", "bad", "doubt")
        for ground in ("ground", "raised")
    ]
    assert min(words)[0] >= 4.5, min(words)
    drawn = {name for names in MET.values() for name in names.split()}
    assert min((contrast(known[name], known["ground"]), name) for name in drawn)[0] >= 3
