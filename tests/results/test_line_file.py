"""A file of whole lines, whatever happens in the midst of one."""

import errno
from pathlib import Path

import pytest

from loadkit.results.line_file import LineFile, backwards, whole, written


def test_a_line_is_there_as_soon_as_it_is_written(tmp_path: Path) -> None:
    """Nothing waits in a buffer for the file's end."""
    lines = LineFile(tmp_path / "file")
    lines.append("one\n")
    lines.append(b"two\n")
    assert (tmp_path / "file").read_text() == "one\ntwo\n"
    assert lines.size == 8
    lines.close()


def test_it_goes_on_at_the_end(tmp_path: Path) -> None:
    """What is there stays."""
    path = tmp_path / "file"
    path.write_text("one\n")
    lines = LineFile(path, go_on=True)
    lines.append("two\n")
    lines.close()
    assert path.read_text() == "one\ntwo\n"


def test_half_a_line_is_cut_off_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the disk has room for some of it; what comes later is not written."""
    lines = LineFile(tmp_path / "file")
    lines.append("one\n")
    rooms = iter([2])

    class Full:
        def __init__(self, file: object) -> None:
            self.file = file

        def write(self, data: memoryview) -> int:
            for room in rooms:
                return self.file.write(data[:room])  # type: ignore[attr-defined, no-any-return]
            raise OSError(errno.ENOSPC, "No space left on device")

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

    monkeypatch.setattr(lines, "_file", Full(lines._file))
    with pytest.raises(OSError, match="No space left"):
        lines.append("two\n")
    assert (tmp_path / "file").read_text() == "one\ntw"
    lines.close()
    lines.append("three\n")
    assert (tmp_path / "file").read_text() == "one\n"


@pytest.mark.parametrize(
    ("content", "lines", "half"),
    [(b"", [], 0), (b"a\nb\n", [b"a", b"b"], 0), (b"a\nb", [b"a"], 1), (b"b", [], 1)],
)
def test_half_a_line_at_the_end_is_left_out_and_counted(
    tmp_path: Path, content: bytes, lines: list[bytes], half: int
) -> None:
    (tmp_path / "file").write_bytes(content)
    assert whole(tmp_path / "file", 4) == (lines, half)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """And not read to its end."""
    with (tmp_path / "file").open("wb") as file:
        file.truncate(100 * 1024**3)
    with pytest.raises(ValueError, match="is larger than 1 MB"):
        whole(tmp_path / "file", 1024**2)


def test_a_missing_file_has_no_lines(tmp_path: Path) -> None:
    assert whole(tmp_path / "file", 1) == ([], 0)


@pytest.mark.parametrize("go_on", [False, True])
@pytest.mark.parametrize("there", [False, True])
def test_no_link_is_followed(tmp_path: Path, go_on: bool, there: bool) -> None:
    """A folder may be a stranger's, and lead to a file of the reader's own, or to where one could
    be made.
    """
    mine = tmp_path / "mine"
    if there:
        mine.write_text("mine")
    (tmp_path / "timeline.csv").symlink_to(mine)
    with (
        pytest.raises(OSError, match="link to elsewhere"),
        written(tmp_path / "timeline.csv", go_on=go_on),
    ):
        pass
    assert (mine.read_text() if there else mine.exists()) == ("mine" if there else False)


@pytest.mark.parametrize("piece", [1, 3, 7, 65_536])
def test_lines_come_backwards_whatever_is_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """With their places, though some are longer than what is read."""
    monkeypatch.setattr("loadkit.results.line_file._PIECE", piece)
    text = b"one\n\na longer one\nhalf"
    (tmp_path / "file").write_bytes(text)
    with (tmp_path / "file").open("rb") as file:
        found = list(backwards(file, 100))
    assert [line for _, _, line in found] == text.splitlines(keepends=True)[::-1]
    assert all(text[start:end] == line for start, end, line in found)
