"""What the form of the web UI may say."""

from pathlib import Path

import pytest

from loadkit.errors import UsageError
from loadkit.swarm.web.form import Form

HOST = "http://127.0.0.1:8100"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with two profiles in it, two elsewhere, and what is none of them."""
    for name in ("profiles/ours", "own/first", "own/deep/second", "other/secret"):
        path = tmp_path / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# Does it hold?\n")
    (tmp_path / "own" / "private.key").write_text("a secret")
    (tmp_path / "ours").write_text("not this one")
    (tmp_path / "own" / "away.toml").symlink_to(tmp_path / "other" / "secret.toml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def form(folder: Path) -> Form:
    return Form("own/first.toml", {"capacity", "mine"})


def test_an_empty_form_says_what_the_command_line_said(form: Form) -> None:
    said = form.read({}, HOST)
    assert (said.host, said.name, said.profile) == (HOST, "own/first.toml", "own/first.toml")
    assert form.read({"host": "", "profile": ""}, HOST) == said


def test_profiles_are_offered_by_name(form: Form) -> None:
    assert "ours" in form.profiles
    assert "smoke" in form.profiles  # of those that come with the tool


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("ours", "profiles/ours.toml"),  # not the file of that name in the folder
        ("ours.toml", "profiles/ours.toml"),
        ("first", "own/first.toml"),
        ("own/first.toml", "own/first.toml"),
        ("own/deep/second.toml", "own/deep/second.toml"),
        ("profiles/../own/first.toml", "own/first.toml"),
    ],
)
def test_a_profile_is_found_in_the_folders_of_the_start(
    form: Form, folder: Path, said: str, found: str
) -> None:
    read = form.read({"profile": said}, HOST)
    assert Path(read.profile).resolve() == folder / found
    assert read.name == said


@pytest.mark.parametrize(
    "said",
    [
        "/etc/passwd",
        "other/secret.toml",
        "own/../other/secret.toml",
        "own/away.toml",  # leads out of the folder
        "own/private.key",
        "private.key",
        "own",
        "..",
        "../ours",
        "~/ours.toml",
        "nul\0",
        "x" * 5000,
        "own/" + "x" * 5000 + ".toml",
    ],
)
def test_no_other_file_is_even_looked_at(form: Form, said: str) -> None:
    """A file that is not there and one that is none of ours are told in the same words."""
    with pytest.raises(UsageError, match=r"^there is no profile ") as refused:
        form.read({"profile": said}, HOST)
    assert "a secret" not in str(refused.value)


def test_what_was_probably_meant_is_said(form: Form) -> None:
    with pytest.raises(UsageError, match="there is no profile 'smoek'; did you mean 'smoke'"):
        form.read({"profile": "smoek"}, HOST)


@pytest.mark.parametrize(
    "field",
    [
        "html_file",
        "csv_prefix",
        "json_file",
        "logfile",
        "results_parent",
        "profile_overrides",
        "allow_production",
        "resume",
        "baseline",
        "fail_on",
        "metrics_port",
        "master_host",
        "locustfile",
        "no_such_thing",
    ],
)
def test_only_what_the_page_offers_may_be_said(form: Form, field: str) -> None:
    with pytest.raises(UsageError, match=f"the form has no field '{field}'"):
        form.read({field: "/tmp/x"}, HOST)


def test_what_the_page_sends_is_taken(form: Form) -> None:
    """Locust's sends its disabled fields as well."""
    sent = {"user_count": "0", "spawn_rate": "0", "run_time": "", "capacity": "true", "mine": "1"}
    assert form.read(sent | {"host": "http://h:1", "profile": "ours"}, HOST).host == "http://h:1"


def test_the_target_is_checked_as_locust_will_take_it(form: Form) -> None:
    """It drops the two characters that would begin a tag."""
    assert form.read({"host": "http://127.<0.0.1>:8100"}, HOST).host == HOST
