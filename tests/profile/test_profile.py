"""Profiles: found, read, overridden, checked as a whole, and sent to workers."""

import json
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.config.mistakes import ConfigError
from loadkit.config.table import Table
from loadkit.errors import Failure, UsageError
from loadkit.figures import Client, Count, Ending, Phase
from loadkit.profile.capacity import CapacitySettings
from loadkit.profile.chaos import MOMENTS, Chaos, FaultWeights
from loadkit.profile.dialogue import SECTORS
from loadkit.profile.metrics import RATIOS, STATISTICS
from loadkit.profile.objectives import Abort as EarlyEnd
from loadkit.profile.objectives import Limit
from loadkit.profile.profile import Profile, load_profile, profile_names
from loadkit.profile.scenario import Abandon, HandoffTable, Idle
from loadkit.profile.tables import ConnectionTable, ConversationTable, Load, Platform, Results
from loadkit.profile.user_model import UserModel

SHIPPED = Path(__file__).parents[2] / "profiles"

MINIMAL = """\
# Does it hold?
[load]
stages = [{ duration = "10s", users = 2 }]
[mix]
CompleteChat = 1
"""


def mistakes_in(path: Path, text: str | None = None, *overrides: str, **known: object) -> list[str]:
    """The mistakes of a profile, each without the path of its folder."""
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_profile(str(path), overrides=overrides, **known)  # type: ignore[arg-type]
    assert str(caught.value) == "\n".join(caught.value.mistakes)
    return [mistake.replace(f"{path.parent}/", "") for mistake in caught.value.mistakes]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(MINIMAL, encoding="utf-8")
    return path


class TestFinding:
    def test_a_path_is_a_profile(self, path: Path):
        profile = load_profile(str(path))
        assert (profile.name, profile.question) == ("mine", "Does it hold?")
        assert profile.load.duration_s == 10.0
        assert profile.mix == {"CompleteChat": 1.0}

    @pytest.mark.parametrize("name", ["mine", "mine.toml"])
    def test_a_name_is_looked_for_in_the_search_folders(self, path: Path, name: str):
        assert load_profile(name, search=[Path("nowhere"), path.parent]).name == "mine"

    def test_the_first_folder_that_has_the_name_wins(self, path: Path, tmp_path: Path):
        other = tmp_path / "other"
        other.mkdir()
        (other / "mine.toml").write_text(MINIMAL.replace("hold", "bend"), encoding="utf-8")
        search = [other, path.parent]
        assert load_profile("mine", search=search).question == "Does it bend?"
        assert profile_names(search) == [("mine", "Does it bend?")]

    def test_an_unknown_name_is_mended_and_the_names_are_listed(self, path: Path):
        (path.parent / "soak.toml").write_text(MINIMAL, encoding="utf-8")
        with pytest.raises(UsageError) as caught:
            load_profile("mien", search=[path.parent])
        assert str(caught.value) == (
            "there is no profile 'mien'; did you mean 'mine'?; there are: mine, soak"
        )

    def test_a_name_with_a_folder_is_not_looked_for(self, path: Path):
        with pytest.raises(ConfigError, match="there is no profile 'elsewhere/mine'"):
            load_profile("elsewhere/mine", search=[path.parent])

    def test_a_file_that_is_not_text_is_told(self, path: Path):
        path.write_bytes(b"[load]\n\xff")
        told = "mine.toml: should be UTF-8 text: line 2 has the byte 0xff; save it as UTF-8"
        assert mistakes_in(path) == [told]

    @pytest.mark.parametrize("text", ["a = " + "[" * 10_000, f"a = {'9' * 5000}"])
    def test_a_file_without_end_is_told(self, path: Path, text: str):
        """Of lists in lists, or of digits."""
        path.write_text(text)
        (mistake,) = mistakes_in(path)
        assert mistake.startswith("mine.toml: ")

    def test_a_byte_order_mark_is_no_part_of_it(self, path: Path):
        """Its opening question included."""
        path.write_text(MINIMAL, encoding="utf-8-sig")
        assert load_profile(str(path)).question == "Does it hold?"

    def test_an_override_that_is_no_text_is_told(self, path: Path):
        """Bytes of the command line that are no UTF-8 reach Python as lone surrogates."""
        path.write_text(MINIMAL)
        with pytest.raises(ConfigError, match="should be UTF-8 text"):
            load_profile(str(path), overrides=["conversation.dialogues=\udcff"])


class TestMistakes:
    def test_all_mistakes_are_told_at_once_each_with_its_place(self, path: Path):
        text = """\
[load]
seed = -1
stages = [
  { duration = "5x", users = 5 },
  { duration = 5, usrs = 5 },
]
[mix]
CompletChat = 1
StreamingChat = -1
[conversation]
turns = { min = 5, max = 3 }
time_scale = 0
platform = "andriod"
dialogues = "lines.jsonl"
[slo]
"response.p95" = "fast"
"respons.p95" = "2.5s"
[humen]
"""
        told = mistakes_in(
            path,
            text,
            "human.typing_wpm.median=fast",
            "nonsense",
            known_classes=["CompleteChat", "StreamingChat"],
        )
        beginnings = [
            "--set nonsense: should be KEY=VALUE",
            "mine.toml:2: load.seed: should be greater than or equal to 0, not -1",
            "mine.toml:4: load.stages.0.duration: should be a duration",
            "mine.toml:5: load.stages.1.users: is missing",
            "mine.toml:5: load.stages.1.usrs: unknown key 'usrs'; did you mean 'users'?",
            "mine.toml:8: mix.CompletChat: no user class is called 'CompletChat'; did you mean "
            "'CompleteChat'?",
            "mine.toml:9: mix.StreamingChat: should be greater than or equal to 0",
            "mine.toml:11: conversation.turns: min (5) should not be above max (3)",
            "mine.toml:12: conversation.time_scale: should be greater than or equal to 0.0",
            "mine.toml:13: conversation.platform: should be 'web', ",
            "mine.toml:14: conversation.dialogues: lines.jsonl: cannot be read: No such file",
            "mine.toml:16: slo.response.p95: should be a duration",
            "mine.toml:17: slo.respons.p95: no metric is called 'respons.p95'; did you mean "
            "'response.p95'?",
            "mine.toml:18: humen: unknown key 'humen'; did you mean 'human'?",
            "--set human.typing_wpm.median=fast: human.typing_wpm.median: should be a number, "
            "not 'fast'",
        ]
        for beginning in beginnings:
            assert any(mistake.startswith(beginning) for mistake in told), (beginning, told)
        assert len(told) == len(beginnings), told

    def test_toml_that_cannot_be_read_is_told_with_line_and_column(self, path: Path):
        (told,) = mistakes_in(path, "[load]\nseed = = 1\n")
        assert told.startswith("mine.toml: ")
        assert "line 2, column 8" in told

    def test_an_empty_file_lacks_its_two_tables(self, path: Path):
        assert mistakes_in(path, "") == [
            "mine.toml: load: is missing",
            "mine.toml: mix: is missing",
        ]

    @pytest.mark.parametrize("key", ["name", "question", "own_dialogues"])
    def test_what_a_profile_carries_beside_its_tables_cannot_be_written(self, path: Path, key: str):
        (told,) = mistakes_in(path, f'{key} = "x"\n{MINIMAL}')
        assert told.startswith(f"mine.toml:1: {key}: unknown key {key!r}")

    @pytest.mark.parametrize(
        "name", ["load", "mix", "conversation", "human", "slo", "abort", "results"]
    )
    def test_a_table_that_is_none_is_told(self, path: Path, name: str):
        told = mistakes_in(path, f"{name} = 5\n")
        assert any(
            mistake.startswith(f"mine.toml:1: {name}: should be a table, not 5") for mistake in told
        )

    def test_a_mix_without_weight_is_told(self, path: Path):
        text = MINIMAL.replace("CompleteChat = 1", "CompleteChat = 0")
        assert mistakes_in(path, text) == [
            "mine.toml:4: mix: should give at least one a weight above 0"
        ]

    def test_any_class_may_be_named_where_the_classes_are_not_known(self, path: Path):
        assert load_profile(str(path), overrides=["mix.Strange=1"]).mix["Strange"] == 1.0

    def test_a_misspelt_violation_is_told_where_the_kinds_are_known(self, path: Path):
        limited = MINIMAL + "[slo]\nviolations.sequence_gpa = 0\n"
        (told,) = mistakes_in(path, limited, known_violations=["sequence_gap"])
        assert told == (
            "mine.toml:7: slo.violations.sequence_gpa: no violation is called 'sequence_gpa'"
            "; did you mean 'sequence_gap'?"
        )

    def test_a_limit_on_a_class_that_nobody_is_of_is_told_with_its_place(self, path: Path):
        text = MINIMAL + (
            'StreamingChat = 0\n[slo]\n"CompleteChat.response.p95" = "1s"\n'
            '"StreamingChat.first_chunk.p95" = "1s"\n"HandofChat.errors" = 0\n'
        )
        known = ["CompleteChat", "HandoffChat", "StreamingChat"]
        assert mistakes_in(path, text, known_classes=known) == [
            "mine.toml:9: slo.StreamingChat.first_chunk.p95: [mix] sends no StreamingChat; give it "
            "a weight above 0, or take the limit out",
            "mine.toml:10: slo.HandofChat.errors: no user class is called 'HandofChat'; did you "
            "mean 'HandoffChat'?",
        ]

    def test_mistakes_in_abort_and_results_are_told_with_their_place(self, path: Path):
        text = MINIMAL + (
            '[slo]\n"response.p95" = "1s"\n'
            '[abort]\nmetrics = ["response.p95", "errors"]\n[results]\ninterval = "5m"\n'
        )
        assert mistakes_in(path, text) == [
            "mine.toml:8: abort.grace: is missing",
            "mine.toml:9: abort.metrics.1: [slo] has no limit on 'errors'; known: response.p95",
            "mine.toml:11: results.interval: should be less than or equal to 60, not '5m'",
        ]

    def test_a_run_without_limits_cannot_be_ended_by_one(self, path: Path):
        assert mistakes_in(path, MINIMAL + '[abort]\ngrace = "30s"\n') == [
            "mine.toml:6: abort: there is no limit that could be broken; write one in [slo]"
        ]

    def test_a_slip_inside_a_table_that_may_be_absent_is_mended(self, path: Path):
        (told,) = mistakes_in(path, None, "human.typing_wpm.medain=50")
        assert told.endswith("unknown key 'medain'; did you mean 'median'?")

    def test_the_classes_of_chaos_are_checked_as_those_of_the_mix(self, path: Path):
        text = MINIMAL + '[chaos]\nclasses = ["*", "FlakyNetworkChat", "CompletChat"]\n'
        (told,) = mistakes_in(path, text, known_classes=["CompleteChat", "FlakyNetworkChat"])
        assert told == (
            "mine.toml:7: chaos.classes.2: no user class is called 'CompletChat'; did you mean "
            "'CompleteChat'?"
        )

    def test_a_default_that_names_an_unknown_class_is_no_mistake(self, path: Path):
        assert load_profile(str(path), known_classes=["CompleteChat"]).chaos == Chaos()

    def test_mistakes_in_chaos_are_told_with_their_place(self, path: Path):
        text = MINIMAL + (
            "[chaos]\nat = { mid_steam = 0.1 }\ncodes = { 1006 = 1 }\nstorms = [\n"
            '  { at = "1s", share = 2 },\n'
            '  { at = "1s", share = 0.5, how = "rest" },\n]\n'
        )
        told = mistakes_in(path, text)
        beginnings = [
            "mine.toml:7: chaos.at.mid_steam: unknown key 'mid_steam'; did you mean 'mid_stream'?",
            "mine.toml:8: chaos.codes: '1006' is no code that a client can close with",
            "mine.toml:10: chaos.storms.0.share: should be a ratio",
            "mine.toml:11: chaos.storms.1.how: should be 'close', 'fin', 'reset', 'half_open' or "
            "'stall', not 'rest'; did you mean 'reset'?",
        ]
        assert len(told) == len(beginnings)
        for mistake, beginning in zip(told, beginnings, strict=True):
            assert mistake.startswith(beginning)


class TestOverrides:
    def test_codes_and_moments_are_set_from_the_command_line(self, path: Path):
        chaos = load_profile(
            str(path), overrides=["chaos.codes.4002=3", "chaos.at.join=10%", "chaos.per_turn=0"]
        ).chaos
        assert chaos.codes == {"4002": 3.0}
        assert (chaos.at.join, chaos.at.mid_stream, chaos.per_turn) == (0.1, 0.0, 0.0)

    def test_overrides_change_values(self, path: Path):
        profile = load_profile(
            str(path),
            overrides=[
                "load.seed=8",
                "conversation.turns.max=3",
                'load.stages=[{duration="5s",users=3}]',
                "conversation.patience=30s",
                "slo.response.p95=3s",
            ],
        )
        assert profile.load.seed == 8
        assert (profile.conversation.turns.min, profile.conversation.turns.max) == (2, 3)
        assert profile.load.duration_s == 5.0
        assert profile.conversation.patience == 30.0
        assert profile.slo == (Limit("response.p95", 3000.0),)

    def test_a_mistake_of_a_whole_table_names_the_override_too(self, path: Path):
        (told,) = mistakes_in(path, None, "conversation.turns.max=1")
        assert told == (
            "mine.toml with --set conversation.turns.max=1: conversation.turns: "
            "min (2) should not be above max (1)"
        )

    def test_an_override_that_fits_nowhere_is_told(self, path: Path):
        told = mistakes_in(path, None, "load.stages.7.users=1")
        assert told == ["--set load.stages.7.users=1: there is no such place"]


class TestLimits:
    def test_the_classes_that_limits_name_are_watched(self, path: Path):
        overrides = [
            "mix.HandoffChat=1",
            "slo.HandoffChat.response.p95=3s",
            "slo.CompleteChat.turns.lost_ratio=1%",
            "slo.CompleteChat.response.p99.5=9s",
            "slo.errors=0",
        ]
        profile = load_profile(str(path), overrides=overrides)
        assert profile.watched == {"HandoffChat", "CompleteChat"}
        assert Limit("CompleteChat.response.p99.5", 9000.0) in profile.slo
        assert load_profile(str(path)).watched == frozenset()

    def test_a_limit_may_be_set_to_end_the_run(self, path: Path):
        overrides = ["slo.errors=0", "abort.grace=30s", "abort.metrics=['errors']"]
        profile = load_profile(str(path), overrides=overrides)
        assert profile.abort == EarlyEnd(grace=30.0, metrics=("errors",))
        assert Profile.from_json(profile.to_json()) == profile


class TestDialogues:
    @pytest.fixture
    def lines(self, path: Path) -> Path:
        lines = path.parent / "lines.jsonl"
        lines.write_text('{"intent": "greet", "lines": ["hello", "bye"]}\n', encoding="utf-8")
        return lines

    def test_a_file_is_found_beside_the_profile_and_travels_with_it(self, path: Path, lines: Path):
        path.write_text(f'{MINIMAL}[conversation]\ndialogues = "lines.jsonl"\n', encoding="utf-8")
        text = load_profile(str(path)).to_json()
        lines.unlink()
        (dialogue,) = Profile.from_json(text).dialogues.every
        assert (dialogue.intent, dialogue.lines) == ("greet", ("hello", "bye"))

    def test_a_file_named_by_an_override_is_found_from_the_shell(
        self, path: Path, lines: Path, monkeypatch: pytest.MonkeyPatch
    ):
        elsewhere = path.parent / "profiles"
        elsewhere.mkdir()
        moved = path.rename(elsewhere / path.name)
        monkeypatch.chdir(lines.parent)
        profile = load_profile(str(moved), overrides=["conversation.dialogues=lines.jsonl"])
        assert len(profile.own_dialogues) == 1

    def test_built_in_ones_do_not_travel(self, path: Path):
        profile = load_profile(str(path), overrides=["conversation.dialogues=builtin:travel"])
        assert profile.own_dialogues == ()
        assert {dialogue.sector for dialogue in profile.dialogues.every} == {"travel"}
        others = load_profile(str(path)).dialogues.every
        assert {dialogue.sector for dialogue in others} == set(SECTORS)

    def test_they_are_built_once(self, path: Path):
        profile = load_profile(str(path))
        assert profile.dialogues is profile.dialogues


class TestTravelling:
    @given(
        seed=st.integers(min_value=0, max_value=2**63 - 1),
        patience=st.floats(min_value=0.001, max_value=1e9),
        time_scale=st.floats(min_value=1e-9, max_value=1e9),
        limit=st.floats(min_value=0, max_value=1e9),
    )
    def test_a_profile_survives_its_way_to_a_worker(
        self, seed: int, patience: float, time_scale: float, limit: float
    ):
        overrides = [
            f"load.seed={seed}",
            f"conversation.patience={patience}",
            f"conversation.time_scale={time_scale}",
            f"slo.response.p95={limit}",
            "human.impatience.median=30s",
            "human.typing_wpm.median=50",
            "chaos.codes.4002=1",
            'chaos.storms=[{at="5s", share=0.5, how="close"}]',
        ]
        profile = load_profile("smoke", overrides=overrides, search=[SHIPPED])
        assert Profile.from_json(profile.to_json()) == profile

    def test_reading_the_dialogues_does_not_change_a_profile(self, path: Path):
        profile, same = load_profile(str(path)), load_profile(str(path))
        assert profile.dialogues.every
        assert profile == same
        assert profile.to_json() == same.to_json()

    def test_what_another_version_wrote_is_refused(self, path: Path):
        data = json.loads(load_profile(str(path)).to_json()) | {"newer": 1}
        with pytest.raises(ConfigError, match="profile as JSON: newer"):
            Profile.from_json(json.dumps(data))


class TestShipped:
    @pytest.mark.parametrize("name", [name for name, _ in profile_names([SHIPPED])])
    def test_every_shipped_profile_loads_and_asks_a_question(self, name: str):
        assert load_profile(name, search=[SHIPPED]).question.endswith("?")

    @pytest.mark.parametrize("name", [name for name, _ in profile_names([SHIPPED])])
    def test_every_shipped_profile_can_be_shortened(self, name: str):
        model = load_profile(name, search=[SHIPPED]).load.model
        level = "users" if model == "closed" else "arrivals_per_second"
        short = [f'load.stages=[{{duration="10s", {level}=5}}]', "load.warmup=0s"]
        assert load_profile(name, search=[SHIPPED], overrides=short).load.duration_s == 10

    @pytest.mark.parametrize("name", [name for name, _ in profile_names([SHIPPED])])
    def test_every_shipped_profile_says_how_good_is_good_enough(self, name: str):
        limits = {limit.metric: limit.limit for limit in load_profile(name, search=[SHIPPED]).slo}
        assert limits["violations"] == 0
        assert len(limits) >= 4

    def test_smoke_is_light_mixed_and_short(self):
        smoke = load_profile("smoke", search=[SHIPPED])
        assert smoke.load.peak_users == 50
        assert 25 <= smoke.load.duration_s <= 40
        assert smoke.mix == {"CompleteChat": 60, "StreamingChat": 40}
        assert {(limit.metric, limit.limit) for limit in smoke.slo} == {
            ("response.p95", 2500.0),
            ("first_chunk.p95", 1200.0),
            ("turns.lost_ratio", 0.0),
            ("violations", 0.0),
        }


class TestAllowedHosts:
    def test_are_what_the_profile_opens_with(self, path: Path):
        path.write_text('allow_hosts = ["Agents.Example", "*.test.example:8443"]\n' + MINIMAL)
        assert load_profile(str(path)).allow_hosts == ("agents.example", "*.test.example:8443")

    def test_are_nobody_unless_named(self, path: Path):
        assert load_profile(str(path)).allow_hosts == ()

    def test_that_name_none_are_a_mistake_with_its_place(self, path: Path):
        text = 'allow_hosts = [\n  "agents.example",\n  "https://agents.example/x",\n]\n' + MINIMAL
        (mistake,) = mistakes_in(path, text)
        assert mistake.startswith("mine.toml:1: allow_hosts.1: should be hosts such as")
        assert "not 'https://agents.example/x'" in mistake


class TestDocumentation:
    TEXT = (SHIPPED.parent / "docs" / "profiles.md").read_text(encoding="utf-8")

    NAMES = (
        *Phase,
        *STATISTICS,
        *Ending,
        *Failure,
        *RATIOS,
        *SECTORS,
        *get_args(Platform),
        *MOMENTS,
        *Client,
        *FaultWeights.model_fields,
    )

    def test_every_name_that_may_be_written_is_documented(self):
        unknown = [name for name in self.NAMES if f"`{name}`" not in self.TEXT]
        assert [name for name in unknown if f'`"{name}"`' not in self.TEXT] == []

    def test_every_count_is_documented(self):
        unknown = [count for count in Count if f"`{count}`" not in self.TEXT]
        parts = [count.partition(".") for count in unknown]
        assert [
            f"{family}.{rest}"
            for family, _, rest in parts
            if f"`{family}." not in self.TEXT or f"`.{rest}`" not in self.TEXT
        ] == []

    @pytest.mark.parametrize(
        ("table", "model"),
        [
            ("load", Load),
            ("conversation", ConversationTable),
            ("human", UserModel),
            ("handoff", HandoffTable),
            ("idle", Idle),
            ("abandon", Abandon),
            ("chaos", Chaos),
            ("connection", ConnectionTable),
            ("abort", EarlyEnd),
            ("capacity", CapacitySettings),
            ("results", Results),
        ],
    )
    def test_every_key_has_a_row_in_its_table(self, table: str, model: type[Table]):
        section = self.TEXT.split(f"## `[{table}]`")[1].split("\n## ")[0]
        for key in model.model_fields:
            assert f"\n| `{key}` |" in section

    def test_every_table_has_a_section(self):
        keys = {"allow_hosts", "name", "question", "own_dialogues", "dialogues_told"}
        assert "\n## `allow_hosts`" in self.TEXT
        for table in Profile.model_fields.keys() - keys:
            assert f"\n## `[{table}]`" in self.TEXT

    def test_the_first_example_is_a_profile(self, path: Path):
        example = self.TEXT.split("```toml\n")[1].split("```")[0]
        path.write_text(example, encoding="utf-8")
        assert load_profile(str(path)).question.endswith("?")


class TestDrain:
    """How long those who wait may wait on when the load is over."""

    @pytest.mark.parametrize(
        ("slo", "seconds"),
        [
            ('"response.p95" = "2.5s"\n"first_chunk.p95" = "1.2s"', 2.5),
            ('"handoff_wait.p95" = "2m"', 10.0),
            ('"turns.lost_ratio" = 0.0', 10.0),
        ],
    )
    def test_it_is_the_greatest_limit_in_time_and_ten_seconds_at_most(
        self, path: Path, slo: str, seconds: float
    ):
        path.write_text(f"{MINIMAL}[slo]\n{slo}\n", encoding="utf-8")
        assert load_profile(str(path)).drain_s == seconds

    def test_the_profile_may_say_otherwise(self, path: Path):
        assert load_profile(str(path), overrides=["load.drain=0s"]).drain_s == 0

    def test_more_than_ten_seconds_are_refused(self, path: Path):
        (mistake,) = mistakes_in(path, None, "load.drain=11s")
        assert "load.drain" in mistake
        assert "10" in mistake
