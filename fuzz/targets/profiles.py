"""A file that is handed over as a profile is one, or the mistakes in it are told."""

from pathlib import Path

from hypothesis import strategies as st

from fuzz.target import Target, scratch, told_well
from loadkit.config.mistakes import ConfigError
from loadkit.profile.profile import Profile, load_profile

ROOT = Path(__file__).parents[2]
CLASSES = ("CompleteChat", "StreamingChat", "HandoffChat", "FlakyNetworkChat", "AbandoningChat")
FILE = scratch() / "profile.toml"


def check(data: bytes) -> None:
    """What comes out of it can be looked at, and sent to a worker and read there."""
    FILE.write_bytes(data)
    try:
        profile = load_profile(str(FILE), known_classes=CLASSES)
    except ConfigError as error:
        told_well(error.mistakes, data)
        return
    assert Profile.from_json(profile.to_json()) == profile
    load = profile.load
    assert profile.load.duration_s >= 0
    assert profile.drain_s >= 0
    assert load.peak_users >= 0
    assert load.expected_arrivals >= 0
    repr(profile.outline)
    assert profile.dialogues.every


NUMBERS = [
    *("0", "-1", "1", "50", "1.5", "1e308", "-1e308", "nan", "inf"),
    *("9" * 23, "9" * 5000, "0x7"),
]
TEXTS = ['"10s"', '"1e9h"', '"999999999d"', '"-5s"', '""', '"open"', '"\\u0000"', '"../../etc"']
VALUES = st.one_of(
    st.sampled_from([*NUMBERS, *TEXTS, "true", "[]", "{}", "1979-05-27", "[[[[1]]]]"]),
    st.text(max_size=8).map(lambda text: repr(text).replace("'", '"')),
    st.builds(
        "[{{ duration = {}, {} = {} }}]".format,
        st.sampled_from([*NUMBERS, *TEXTS]),
        st.sampled_from(["users", "arrivals_per_second"]),
        st.sampled_from([*NUMBERS, *TEXTS]),
    ),
)
KEYS = st.sampled_from(
    [
        *("load.model", "load.stages", "load.warmup", "load.seed", "load.drain"),
        *("mix.CompleteChat", "conversation.turns", "conversation.pause", "human.typing_wpm"),
        "conversation.time_scale",
        *("conversation.dialogues", "connection.recycle", "allow_hosts", "results.texts", "abort"),
        *('slo."response.p95"', "slo.violations", "capacity.start", "chaos", "simulator.seed"),
    ]
)
LINES = st.builds("{} = {}".format, KEYS, VALUES)
START = '[load]\nstages = [{ duration = "1s", users = 2 }]\n[mix]\nCompleteChat = 1\n'
TARGET = Target(
    "profiles",
    check,
    st.builds(
        lambda lines, whole, rest: ("\n".join(lines) + "\n" + START * whole).encode() + rest,
        st.lists(LINES, max_size=5),
        st.sampled_from([0, 1, 1]),
        st.sampled_from([b"", b"", b"\xff", b"x = ", b"[" * 500, b"a." * 200 + b"b = 1"]),
    ),
    (START.encode(), *(path.read_bytes() for path in sorted(ROOT.glob("profiles/*.toml")))),
    tuple(word.encode() for word in (*NUMBERS[:-2], *TEXTS, "[[", "[load]", "[slo]", " = ")),
)
