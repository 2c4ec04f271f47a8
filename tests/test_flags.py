"""How the words of a command line are read."""

from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from loadkit import flags


@pytest.mark.parametrize("text", ["0", "1", "8089", "65535"])
def test_a_port_is_what_16_bits_hold(text: str) -> None:
    """From 0, which is any that is free."""
    assert flags.port(text) == int(text)


@pytest.mark.parametrize("text", ["-1", "65536", "99999", "80.5", "", "http"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="should be"):
        flags.port(text)


@pytest.mark.parametrize("text", ["0", "-3", "x"])
def test_what_counts_nothing_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="should be"):
        flags.positive(text)


def test_a_word_that_is_no_text_is_told() -> None:
    """Bytes that are no UTF-8 reach Python as lone surrogates."""
    assert flags.flaw(["run", "--out", "schön/ß"]) is None
    told = "out\\udcff: should be UTF-8 text; give the file or folder another name"
    assert flags.flaw(["--out", "out\udcff"]) == told


def test_a_tilde_is_a_home_wherever_it_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    """As no shell puts it in behind an equals sign."""
    monkeypatch.setenv("HOME", "/home/me")
    assert flags.path("~/runs") == Path("/home/me/runs")
    assert flags.path("runs/~") == Path("runs/~")
    with pytest.raises(ArgumentTypeError, match="nobody-of-that-name"):
        flags.path("~nobody-of-that-name/runs")
