"""How a user's file is read."""

from pathlib import Path

import pytest

from loadkit import textfile
from loadkit.textfile import parse_toml, read_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a").write_text("wie schön\n", encoding=encoding)
    assert read_text(tmp_path / "a") == "wie schön\n"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a\nb\nsch\xf6n", "line 3 has the byte 0xf6; save it as UTF-8"),
        ("a".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (b"\xed\xa0\xbd", "line 1 has the byte 0xed"),
    ],
)
def test_what_is_no_such_text_is_told_with_its_line(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(ValueError, match=told):
        read_text(tmp_path / "a")


def test_what_is_too_big_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have none."""
    monkeypatch.setattr(textfile, "MOST_BYTES", 1024**2)
    with pytest.raises(ValueError, match="is larger than 1 MB, the most that is read"):
        read_text(Path("/dev/zero"))


@pytest.mark.parametrize("text", ["a = " + "[" * 10_000, "a = " + "{b = " * 10_000])
def test_tables_without_end_are_no_fault_of_ours(text: str) -> None:
    with pytest.raises(ValueError, match="nested without end"):
        parse_toml(text)
