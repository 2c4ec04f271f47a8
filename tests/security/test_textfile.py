"""How a user's file is read."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from loadkit.security import textfile
from loadkit.security.textfile import (
    MOST_DEPTH,
    UnreadableError,
    open_file,
    parse_json,
    parse_toml,
    read_pipe,
    read_text,
)


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


def test_what_is_too_big_is_not_read_to_its_end() -> None:
    """The kernel calls it an ordinary file, and it has gigabytes."""
    with pytest.raises(ValueError, match="is larger than 1 MB, the most that is read"):
        read_text(Path("/proc/self/pagemap"), 1024**2)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def _locked(path: Path) -> None:
    path.write_text("")
    path.chmod(0)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (Path.mkdir, "is a folder, not a file"),
        (os.mkfifo, "is a pipe, not a file: save what comes out of it to one"),
        (_socket, "is a socket, not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device, not a file"),
        (lambda path: path.symlink_to("gone"), "it is a link to gone, which is not there"),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
        (lambda path: None, "cannot be read: No such file or directory"),
        pytest.param(
            _locked,
            "cannot be read: Permission denied",
            marks=pytest.mark.skipif(os.geteuid() == 0, reason="root may read all"),
        ),
    ],
)
def test_what_is_no_ordinary_file_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object], told: str
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    make(Path("it"))
    with pytest.raises(UnreadableError, match=told):
        open_file(Path("it"))


@pytest.mark.parametrize(
    ("name", "told"),
    [("a" * 5_000, "File name too long"), ("a\0b", "no file's name has a NUL in it")],
)
def test_a_name_that_no_file_has_is_told(name: str, told: str) -> None:
    with pytest.raises(UnreadableError, match=told):
        open_file(Path(name))


class TestAPipe:
    @pytest.fixture
    def pipe(self, tmp_path: Path) -> Path:
        os.mkfifo(tmp_path / "pipe")
        return tmp_path / "pipe"

    def test_is_read_to_its_end_though_its_writer_comes_later(self, pipe: Path) -> None:
        writer = threading.Timer(0.05, lambda: pipe.write_text("a" * 100_000 + "\n"))
        writer.start()
        assert read_pipe(pipe) == "a" * 100_000 + "\n"
        writer.join()

    def test_whose_writer_has_gone_already_is_read(self) -> None:
        """As a shell's `<(…)` may have."""
        reading, writing = os.pipe()
        os.write(writing, b"all of it")
        os.close(writing)
        try:
            assert read_pipe(Path(f"/dev/fd/{reading}")) == "all of it"
        finally:
            os.close(reading)

    def test_that_nobody_writes_into_is_not_waited_for_without_end(
        self, pipe: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(textfile, "WRITES", 0.01)
        with pytest.raises(UnreadableError, match="was not done after"):
            read_pipe(pipe)

    def test_that_never_ends_is_not_read_on(self, pipe: Path) -> None:
        def pour() -> None:
            with pipe.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"a" * 65_536)
                except BrokenPipeError:
                    pass

        writer = threading.Thread(target=pour)
        writer.start()
        with pytest.raises(ValueError, match="is larger than 1 MB, the most that is read"):
            read_pipe(pipe)
        writer.join()

    def test_is_no_device(self) -> None:
        with pytest.raises(UnreadableError, match="is neither a file nor a pipe"):
            read_pipe(Path("/dev/zero"))


DEEPER = MOST_DEPTH + 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = " + "[" * 10_000, "nested more than"),
        ("a = " + "{b = " * 10_000, "nested more than"),
        ("a = " + "[" * DEEPER + "]" * DEEPER, "nested more than"),
        (f"[{'.'.join('a' * DEEPER)}]", "nested more than"),
        ("b = 1\n" + "a." * 500_000, "line 2: a key has more than 64 parts"),
        ("[t]\na = 1" + "0" * 18, None),
        ("[t]\na = 1" + "0" * 19, "t.a: a whole number of some 20 digits; the most is 19"),
        ("[[t]]\na = 0x" + "f" * 10_000, "t.0.a: a whole number of some 12,04"),
        ("[t]\na = -1" + "0" * 5_000, "line 2: a number has 5,001 digits; the most is 19"),
        ("\n".join(f"k{number} = 1" for number in range(1_001)), "a table of 1,001 keys"),
        ("a = '" + "1" * 5_000 + "'", None),
        ("a = 1e999", None),  # TOML has infinity
    ],
)
def test_toml_that_nothing_is_made_for_is_told(text: str, told: str | None) -> None:
    if told is None:
        assert parse_toml(text)
        return
    with pytest.raises(ValueError, match=told):
        parse_toml(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 100_000, "nested more than"),
        ("[" * DEEPER + "]" * DEEPER, "nested more than"),
        ('{"a": 1' + "0" * 5_000 + "}", "line 1: a number has 5,001 digits"),
        ('{"a": -1' + "0" * 30 + "}", "a: a whole number of some 31 digits"),
        ("NaN", "NaN is no number that can be used"),
        ("[-Infinity]", "-Infinity is no number"),
        ("[1e999]", "1e999 is no number"),
        ('["' + "1" * 5_000 + '", 1.5]', None),
    ],
)
def test_json_that_nothing_is_made_for_is_told(text: str, told: str | None) -> None:
    if told is None:
        assert parse_json(text)[1] == 1.5
        return
    with pytest.raises(ValueError, match=told):
        parse_json(text)
