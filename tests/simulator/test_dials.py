"""Settings: the file, what overrides it, and how mistakes are told."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from loadkit.errors import UsageError
from loadkit.simulator import Dials, load_dials
from loadkit.simulator.distributions import Constant, Exponential, Lognormal, Range
from loadkit.simulator.faults.dials import FaultDials
from loadkit.simulator.faults.dice import rates


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "dials.toml"
    path.write_text(
        """
        seed = 8
        idle_timeout_seconds = "2s"
        [agent]
        first_response = { kind = "lognormal", median = "800ms", sigma = 0.5 }
        gap = "5ms"
        [history]
        empty_batch = false
        """
    )
    return path


def test_without_a_file_every_dial_has_its_default() -> None:
    assert load_dials(None, []) == Dials()


def test_a_file_sets_what_it_names_and_leaves_the_rest(config: Path) -> None:
    dials = load_dials(config, [])
    assert (dials.seed, dials.idle_timeout_seconds) == (8, 2.0)
    assert dials.agent.first_response == Lognormal(median=0.8, sigma=0.5)
    assert dials.agent.gap == Constant(value=0.005)
    assert not dials.history.empty_batch
    assert dials.agent.join == Dials().agent.join


def test_an_override_is_stronger_than_the_file_and_the_last_is_strongest(config: Path) -> None:
    assert load_dials(config, ["seed=9", "seed=10"]).seed == 10


def test_an_override_of_one_field_keeps_the_others_of_a_distribution(config: Path) -> None:
    dials = load_dials(config, ["agent.first_response.median=1s"])
    assert dials.agent.first_response == Lognormal(median=1.0, sigma=0.5)


def test_an_override_that_names_a_kind_replaces_the_distribution() -> None:
    override = 'agent.first_response={kind="exponential", mean="1s"}'
    assert load_dials(None, [override]).agent.first_response == Exponential(mean=1.0)


def test_lists_and_switches_can_be_overridden() -> None:
    dials = load_dials(None, ["compression=true", 'capabilities_left_out=["streaming"]'])
    assert dials.compression
    assert dials.capabilities_left_out == ("streaming",)


def test_every_mistake_is_told_at_once_with_its_place(config: Path) -> None:
    config.write_text("sed = 1\n[agent]\nslots = -1\ngap = { kind = 'lognormal', mdian = 1 }\n")
    overrides = ["agent.frist_response=1s", "nonsense", "history.batch_size=many"]
    with pytest.raises(UsageError) as caught:
        load_dials(config, overrides)
    text = str(caught.value)
    assert set(text.splitlines()) == {
        "--set nonsense: should be KEY=VALUE, with dots between the names in KEY",
        f"{config}:3: agent.slots: should be greater than or equal to 0, not -1",
        f"{config}:4: agent.gap.median: is missing",
        f"{config}:4: agent.gap.mdian: unknown key 'mdian'; did you mean 'median'?",
        "--set agent.frist_response=1s: agent.frist_response: unknown key 'frist_response'; did you"
        " mean 'first_response'?",
        "--set history.batch_size=many: history.batch_size: should be a whole number, not 'many'",
        f"{config}:1: sed: unknown key 'sed'; did you mean 'seed'?",
    }


@pytest.mark.parametrize("content", [b"seed = ", b"seed = " + b"[" * 10_000])
def test_a_file_that_is_not_toml_is_a_usage_error(config: Path, content: bytes) -> None:
    config.write_bytes(content)
    with pytest.raises(UsageError, match=r"not TOML|nested more than"):
        load_dials(config, [])


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("agent=5", "agent: should be a table, not 5"),
        ("agent.gap.median.more=5", "there is no such place"),
        ("seed.deeper=1", "there is no such place"),
        ("=1", "should be KEY=VALUE"),
        ("a..b=1", "should be KEY=VALUE"),
        ("agent.chunks.min=500", "agent.chunks: min is above max"),
        ("agent.gap={kind='normal'}", "agent.gap.kind: should be 'constant', 'lognormal',"),
        ("agent.gap={kind='exponentail'}", "agent.gap.kind: should be"),
        ("agent.gap={kind='bimodal',fast='1s',slow={kind='lognormal'}}", "slow.median: is missing"),
        ("timestamps=second", "should be 'seconds', 'milliseconds' or 'nanoseconds', not 'second'"),
        ("idle_timeout_seconds=soon", "idle_timeout_seconds: should be a duration such as"),
        ("faults.reset=2", "faults.reset: should be a ratio from 0 to 1"),
    ],
)
def test_an_override_that_cannot_be_is_told(override: str, told: str) -> None:
    """With itself as its place."""
    with pytest.raises(UsageError) as caught:
        load_dials(None, [override])
    assert str(caught.value).startswith(f"--set {override}: ")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("override", "seconds"), [("1h30m", 5400.0), ("1d", 86_400.0), ("1m 30s", 90.0), ("90", 90.0)]
)
def test_a_duration_is_written_as_in_a_profile(override: str, seconds: float) -> None:
    """With or without a unit."""
    dials = load_dials(None, [f"idle_timeout_seconds={override}", f"agent.gap={override}"])
    assert (dials.idle_timeout_seconds, dials.agent.gap) == (seconds, Constant(value=seconds))


def test_a_share_may_be_a_percentage() -> None:
    """As in a profile."""
    assert load_dials(None, ["faults.reset=5%"]).faults.reset == 0.05


def test_an_incident_is_overridden_by_its_number(config: Path) -> None:
    """Counted from 0, as a profile's stages are."""
    config.write_text('[[incidents]]\nat = "1m"\nduration = "1s"\nkind = "freeze"\n')
    (incident,) = load_dials(config, ["incidents.0.at=1h30m"]).incidents
    assert (incident.at, incident.kind) == (5400.0, "freeze")


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_dials(tmp_path / "none.toml", [])


def test_dials_cannot_be_turned_once_they_are_set() -> None:
    with pytest.raises(ValidationError):
        Dials().seed = 2


def fields(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, str]]:
    """Each dial and its description."""
    for name, field in model.model_fields.items():
        below = field.annotation
        if isinstance(below, type) and issubclass(below, BaseModel) and below is not Range:
            yield from fields(below, f"{above}{name}.")
        else:
            yield f"{above}{name}", str(field.description)


MANUAL = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()


def test_every_dial_is_in_the_manual_in_its_own_words() -> None:
    lines = MANUAL.splitlines()
    missing = []
    for dial, description in fields(Dials):
        row = next((line for line in lines if line.startswith(f"| `{dial}` | ")), "")
        words = description
        if row.count(" | ") == 2 and dial.startswith("faults."):
            words = description.replace(": ", " | ", 1)
        if not row.endswith(f" | {words} |"):
            missing.append((dial, words, row))
    assert missing == []


def test_every_fault_is_off_unless_it_is_turned_on() -> None:
    assert rates(FaultDials()) == {}
    assert rates(FaultDials(reset=0.5)) == {"reset": 0.5}
