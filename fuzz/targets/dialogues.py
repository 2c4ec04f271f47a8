"""A file that is handed over as dialogues holds some, or the mistakes in it are told."""

import json

from hypothesis import strategies as st

from fuzz.target import Target, scratch, told_well
from loadkit.profile.dialogue import DialogueError, load_dialogues

ENDINGS = (".jsonl", ".toml", ".csv", ".tsv", ".txt")
FOLDER = scratch()


def check(data: bytes) -> None:
    """The first byte chooses the file's ending."""
    path = FOLDER / f"said{ENDINGS[(data[:1] or b'0')[0] % len(ENDINGS)]}"
    path.write_bytes(data[1:])
    try:
        dialogues, told = load_dialogues(path)
    except DialogueError as error:
        told_well(error.mistakes, data)
        return
    assert dialogues
    assert all(line.strip() for dialogue in dialogues for line in dialogue.lines)
    assert sum(len(line) for one in dialogues for line in one.lines) <= len(data)
    assert len(told) < 500 + 2 * len(data)


JSONL = b'{"intent": "order", "lines": ["Where is it?", "thanks"]}\n'
TOML = b'[[conversation]]\nintent = "order"\nlines = ["Where is it?", "thanks"]\n'
CSV = b"conversation,speaker,text\n1,user,Where is it?\n1,agent,There\n2,user,thanks\n"
ITEMS = st.recursive(
    st.none() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["intent", "lines", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
WRITTEN = st.one_of(
    st.lists(ITEMS, max_size=4).map(lambda items: "\n".join(map(json.dumps, items)).encode()),
    st.sampled_from([JSONL, TOML, CSV, CSV.replace(b",", b"\t"), CSV.replace(b",", b";")]),
    st.lists(st.lists(st.text(max_size=6), max_size=4), max_size=5).map(
        lambda rows: "\n".join(",".join(row) for row in rows).encode("utf-8", "replace")
    ),
    st.binary(max_size=60),
)
TARGET = Target(
    "dialogues",
    check,
    st.builds(
        lambda ending, mark, one, other: bytes([ending]) + mark + one + other,
        st.integers(0, 4),
        st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xff\xfe"]),
        WRITTEN,
        WRITTEN,
    ),
    (b"\0" + JSONL, b"\1" + TOML, b"\2" + CSV, b"\3" + CSV.replace(b",", b"\t")),
    (b'"lines"', b'"intent"', b"[[conversation]]", b'"""', b'""', b"\xef\xbb\xbf", b"9" * 30),
)
