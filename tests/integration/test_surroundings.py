"""What stands about a run, in the environment and in its folder, decides nothing of it."""

import json
import socket
from pathlib import Path

from processes import (
    LOCUST,
    READY_LOADKIT,
    READY_LOCUST,
    ROOT,
    SECRETS,
    free_port,
    profile,
    results,
    run,
    simulator,
    summary,
    unless_busy,
)

STEERING = {
    "LOCUST_MODE_WORKER": "true",
    "LOCUST_USERS": "3",
    "LOCUST_USER_CLASSES": "CompleteChat",
    "LOCUST_SKIP_MONKEY_PATCH": "1",
    "LOCUST_LOCUSTFILE": "nowhere.py",
}


def at_home(folder: Path, text: str) -> dict[str, str]:
    """A home with a file of options for Locust."""
    (folder / ".locust.conf").write_text(text)
    return {"HOME": str(folder)}


def test_locusts_variables_and_files_decide_nothing_of_a_run(tmp_path: Path) -> None:
    """Not one of its figures, and not whether it comes to its end."""
    home = at_home(tmp_path, "set = load.seed=9\nloglevel = DEBUG\nworker = true\n")
    path, out = profile(tmp_path, seconds=2), tmp_path / "out"
    with simulator(tmp_path) as server:
        command = [READY_LOADKIT, "run", path, "--host", server.url, "--workers", "1", "--out", out]
        ended = run(command, tmp_path, SECRETS | STEERING | home)
    told = summary(out)
    assert ended.code == unless_busy(0, told), ended.output
    assert told["sessions"]["peak_concurrent"] == 6
    used = json.loads((results(out) / "run.json").read_text())
    assert used["profile"]["load"]["seed"] == 7
    assert " DEBUG " not in (results(out) / "loadkit.log").read_text()


def test_locusts_own_way_refuses_by_name_what_contradicts_a_profile(tmp_path: Path) -> None:
    """On the command line, in a variable and in a file, all at once, before any load."""
    home = at_home(tmp_path, "set = load.seed=9\n")
    url = f"http://127.0.0.1:{free_port()}"
    command = [LOCUST, "--headless", "--profile", profile(tmp_path), "-H", url, "-u", "5"]
    ended = run(command, tmp_path, SECRETS | home | {"LOCUST_USER_CLASSES": "CompleteChat"})
    assert ended.code == 2
    assert "error: --users 5 contradicts the profile" in ended.output
    assert "CompleteChat (LOCUST_USER_CLASSES in the environment) contradicts" in ended.output
    assert "set load.seed=9 (in " in ended.output
    assert not list(ROOT.glob("results/*-tiny"))


def test_a_port_that_is_taken_is_one_line_and_a_usage_error(tmp_path: Path) -> None:
    """Before any load, whoever wanted it."""
    with socket.socket() as taken, simulator(tmp_path) as server:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        own_way = [READY_LOCUST, "--profile", "smoke", "-H", server.url, "--loglevel", "WARNING"]
        for command, flag in (
            ([READY_LOADKIT, "simulate", "--port", port], "--port"),
            ([READY_LOADKIT, "ui", "smoke", "--host", server.url, "--port", port], "--port"),
            ([*own_way, "--web-port", port], "--web-port"),
            ([*own_way, "--headless", "--metrics-port", port], "--metrics-port"),
            (
                [*own_way, "--headless", "--master", "--master-bind-port", port],
                "--master-bind-port",
            ),
        ):
            ended = run(command, tmp_path, SECRETS)
            assert ended.code == 2, ended.output
            (line,) = ended.output.splitlines()
            assert line.startswith("error: ")
            assert "address already in use" in line.lower()
            assert f"127.0.0.1:{port}" in line
            assert flag in line
        ended = run([*own_way, "--web-port", "65536"], tmp_path, SECRETS)
        assert ended.code == 2
        assert "should be from 0 to 65535, not '65536'" in ended.output
