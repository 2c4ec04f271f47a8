"""What printing does when it cannot be done."""

import ast
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from loadkit import output
from loadkit.output import PLAIN
from tests.sources import MODULES, parsed
from tests.terminals import terminals

SMALL = 100_000  # bytes, for `BACKLOG`: more than a pipe holds


def python(
    code: str, stdout: int | None = None, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-c", f"from loadkit import output\n{code}"],
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        env=os.environ | (environment or {}),
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("ascii", b"a -> b <= 3 - ? ... x\n"),
        ("latin-1", b"a -> b <= 3 - ? ... \xd7\n"),
        ("cp1252", b"a -> b <= 3 \x96 ? \x85 \xd7\n"),
        ("utf-8", "a → b ≤ 3 – 漢 … ×\n".encode()),
    ],
)
def test_what_the_encoding_lacks_is_replaced_and_nothing_else(encoding: str, told: bytes) -> None:
    """And what there is no likeness of is a question mark."""
    code = 'output.guard(); output.say("a → b ≤ 3 – 漢 … ×")'
    ended = python(code, environment={"PYTHONIOENCODING": encoding})
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, told, b"")


def test_a_name_that_is_no_text_is_printed_all_the_same() -> None:
    """A path whose bytes are no UTF-8 reaches Python as lone surrogates."""
    ended = python(r'output.guard(); output.say("out\udcff")')
    assert (ended.returncode, ended.stdout) == (0, rb"out\udcff" + b"\n")


def test_a_full_disk_takes_nothing_and_stops_nobody() -> None:
    """Neither while it goes on nor at its end."""
    code = 'import sys; output.guard()\nfor _ in range(3): output.say("x"); print("y")\nsys.exit(5)'
    with open("/dev/full", "wb") as full:
        ended = python(code, full.fileno())
    assert (ended.returncode, ended.stderr) == (5, b"")


def test_what_is_told_once_there_is_room_again_is_read() -> None:
    """A slow reader gets it all where nothing else is to be done, however long it takes."""
    reader, writer = os.pipe()
    code = f'output.guard(); output.say("x" * {3 * SMALL})'
    command = [sys.executable, "-c", f"from loadkit import output\n{code}"]
    with subprocess.Popen(command, stdout=writer) as process, open(reader, "rb") as pipe:
        os.close(writer)
        assert len(pipe.read()) == 3 * SMALL + 1
    assert process.returncode == 0


def test_a_reader_who_has_stopped_stops_nobody_who_has_more_to_do() -> None:
    """The process gets to its end and to its exit code."""
    reader, writer = os.pipe()
    code = f"""output.guard(); output.never_wait(); output.BACKLOG = {SMALL}
for _ in range({3 * SMALL // 1000}): output.say("x" * 1000)
output.complain("all said")
raise SystemExit(5)"""
    ended = python(code, writer)
    os.close(writer)
    with open(reader, "rb") as pipe:
        assert 0 < len(pipe.read()) <= SMALL
    assert (ended.returncode, ended.stderr) == (5, b"error: all said\n")


def test_what_waits_for_a_reader_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever prints all night to nobody would fill the memory."""
    monkeypatch.setattr(output.atexit, "register", lambda *_: None)
    outlet, waiting = output._Outlet(-1), list[Any]()
    outlet.leave_to_a_thread(lambda _, told: waiting.append(told[0]))
    for _ in range(3 * output.BACKLOG // 1000):
        assert outlet.write(b"x" * 1000) == 1000
    assert waiting[0].qsize() == output.BACKLOG // 1000


def test_what_is_left_to_a_thread_is_all_there_at_the_end_and_in_its_order() -> None:
    """Where somebody reads it; a forked process goes on by itself."""
    code = """import os
output.guard(); output.never_wait()
for number in range(1000): output.say(str(number))
if not os.fork(): output.say("a child"); os._exit(0)
os.wait()"""
    lines = python(code).stdout.decode().split("\n")
    assert [line for line in lines if line.isdecimal()] == [str(number) for number in range(1000)]
    assert lines.count("a child") == 1


def test_a_descriptor_that_was_closed_is_nobody_elses_output() -> None:
    """A file opened later does not get its number."""
    code = """import os
output.guard()
assert os.open("/dev/null", os.O_RDONLY) > 2
output.say("lost"); output.complain("lost")
assert not os.system("echo lost; echo lost >&2")"""
    command = f'exec "{sys.executable}" -c "$0" <&- >&- 2>&-'
    ended = subprocess.run(
        ["sh", "-c", command, f"from loadkit import output\n{code}"], timeout=60, check=False
    )
    assert ended.returncode == 0


def docstrings(tree: ast.AST) -> set[int]:
    found = set()
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                found.add(id(child.value))
    return found


def test_every_sign_that_this_tool_prints_has_a_likeness_in_plain_letters() -> None:
    """Whoever uses a new one writes down how it looks without it."""
    lacking = set()
    for path in MODULES:
        if all(sign in PLAIN or sign.isascii() for sign in path.read_text(encoding="utf-8")):
            continue
        tree = parsed(path)
        unseen = docstrings(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                signs = set(node.value) if id(node) not in unseen else set()
                lacking |= {(path.name, sign) for sign in signs if ord(sign) > 127} - {
                    (path.name, sign) for sign in PLAIN
                }
    assert {
        found for found in lacking if found[0] not in ("escaping.py", "checked.py")
    } == set()  # what they look for
    assert all(plain.isascii() and plain.isprintable() for plain in PLAIN.values())


def test_colours_are_our_own_and_no_text_has_any() -> None:
    """On a terminal; what a text would do to it is shown."""
    code = r"""output.guard()
from rich.text import Text
from loadkit.report.screen import Screen
Screen().print(Text("a\x1b[31mb", "bold red"), "\x1b[2Jc")
output.say("\x1b[31mplain\rover")"""
    ended = python(code, environment={"FORCE_COLOR": "1", "TERM": "xterm-256color"})
    ours, theirs = b"\x1b[1;31m", rb"\x1b[31m"
    first, second = ended.stdout.splitlines()
    assert first == ours + b"a" + theirs + b"b\x1b[0m " + rb"\x1b[2Jc"
    assert second == theirs + rb"plain\rover"


def test_only_what_is_meant_as_a_command_is_one() -> None:
    """Wherever a line is broken, and whichever of the outputs it goes to."""
    code = r"""output.guard()
import sys
from loadkit.report.screen import Screen
Screen().print(f"{'x' * 18} ::error::a")
output.say("::error::b\r\n::error::c"); output.complain("d\n ::error::e ##[group]")
sys.stdout.write("##vs"); sys.stdout.write("o[f]\n")
output.command("::error::ours")
output.say("::error::g")"""
    ended = python(code, environment={"COLUMNS": "20"})
    told = (ended.stdout + ended.stderr).decode().splitlines()
    assert [line for line in told if line.lstrip().startswith("::")] == ["::error::ours"]
    assert not [line for line in told if "##[" in line or "##vso[" in line]


STANDING = """output.guard(); output.share_terminal()
output.say("before")
output.stand(["", "one", "two"]); output.stand(["", "three", "four"])
"""


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("", "before"),
        ("output.say('said'); output.complain('wrong')", "before\nsaid\nerror: wrong"),
        ("import sys; sys.stderr.write('half a '); output.remark('line')", "before\nhalf a line"),
        ("import os; os.write(2, b'by others\\n')", "before\nby others"),
        ("import os; os.fork() or os._exit(0); os.wait(); output.say('x')", "before\nx"),
        ("raise SystemExit(3)", "before"),
    ],
)
def test_what_stands_on_a_terminal_is_below_all_else_and_gone_at_the_end(
    code: str, seen: str
) -> None:
    """Whoever prints, whole lines or parts of them, by this module or not."""
    with terminals(columns=30, height=10) as terminal:
        subprocess.run(
            [sys.executable, "-c", f"from loadkit import output\n{STANDING}{code}"],
            stdout=terminal.descriptor,
            stderr=terminal.descriptor,
            timeout=60,
            check=False,
        )
        wait_until(lambda: terminal.text == seen)
        assert any("three" in shot for shot in terminal.shots)
        assert not any("one" in shot and "three" in shot for shot in terminal.shots)


def wait_until(holds: Callable[[], bool]) -> None:
    """Until a terminal's reader has seen it all."""
    until = time.monotonic() + 30
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    assert holds()


def test_lines_stand_below_what_scrolls() -> None:
    """At the lower end of the screen, too."""
    code = f"{STANDING}for n in range(40): output.say(f'line {{n}}')\noutput.stand(['', 'end'])"
    with terminals(columns=30, height=10) as terminal:
        subprocess.run(
            [sys.executable, "-c", f"from loadkit import output\n{code}\nimport os; os._exit(0)"],
            stdout=terminal.descriptor,
            timeout=60,
            check=False,
        )
        wait_until(lambda: terminal.text.endswith("end"))
        said = "\n".join(["before", *(f"line {n}" for n in range(40))])
        assert terminal.text == f"{said}\n\nend"


def test_where_there_is_no_terminal_nothing_stands() -> None:
    """Not an escape sequence reaches a pipe."""
    ended = python(f"{STANDING}output.say('after')")
    assert (ended.stdout, ended.stderr) == (b"before\nafter\n", b"")
