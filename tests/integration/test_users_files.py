"""What users say, from files as spreadsheets and scripts write them."""

import json
import os
import signal
import threading
from pathlib import Path

from processes import (
    READY_BOTH,
    SECRETS,
    as_run,
    profile,
    results,
    simulator,
    started,
    summary,
    timeline,
    unless_busy,
)

SECRET = "nobody may read this in a journal"


def test_a_spreadsheet_is_said_by_a_profile_that_came_through_a_pipe(tmp_path: Path) -> None:
    """With a byte order mark in both; the columns are told, and no worker needs the file."""
    chats = tmp_path / "chats.csv"
    rows = [f"{number};user;{SECRET} {number}\r\n{number};agent;ok" for number in range(50)]
    chats.write_text("Chat ID;Role;Message\r\n" + "\r\n".join(rows), encoding="utf-8-sig")
    text = profile(tmp_path, name="piped", seconds=3).read_text()
    text = text.replace("[conversation]\n", f'[conversation]\ndialogues = "{chats}"\n')
    pipe = tmp_path / "fifo"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(text, "utf-8-sig"))
    writer.start()
    out = tmp_path / "out"
    with simulator(tmp_path) as server:
        command = [READY_BOTH, "run", pipe, "--host", server.url, "--workers", "2", "--out", out]
        with started(command, tmp_path, SECRETS) as process:
            journal = process.wait_for(lambda: list(out.glob("*/journal.jsonl")), "under way")[0]
            process.wait_for(lambda: b'"tick"' in journal.read_bytes(), "writing")
            assert SECRET not in journal.read_text()
            ended = process.finish()
    writer.join()
    told = summary(out)
    assert ended.code == unless_busy(0, told), ended.output
    assert told["turns"]["answered"] > 0
    assert "50 conversations, 50 lines; text from column 'Message' (guessed)" in ended.output
    assert "50 rows of other speakers left out" in ended.output
    used = json.loads((results(out) / "run.json").read_text())
    assert used["profile"]["own_dialogues"]["conversations"] == 50
    assert SECRET not in json.dumps(used)


def test_dialogues_of_60_mb_reach_every_worker(tmp_path: Path) -> None:
    """Once: in Locust's spawn messages they would go out once a second."""
    line = json.dumps({"intent": "x", "lines": ["a" * 10_000] * 10})
    (tmp_path / "big.jsonl").write_text(f"{line}\n" * 600)
    path = profile(tmp_path, seconds=600, turns="{ min = 500, max = 500 }")  # one session each
    path.write_text(
        path.read_text().replace("[conversation]\n", '[conversation]\ndialogues = "big.jsonl"\n')
    )
    out = tmp_path / "out"
    with simulator(tmp_path) as server:
        command = as_run(path, server.url, out, workers=2)
        command += ["--set", "human.typing_wpm={median=100000}"]
        with started(command, tmp_path, SECRETS) as process:
            process.wait_for(
                lambda: sum(int(row["sessions_started"]) for row in timeline(out)) >= 6, "all there"
            )
            process.send(signal.SIGTERM)
            ended = process.finish()
    told = summary(out)
    assert told["generator"]["workers"] == 2, ended.output
    assert told["sessions"]["started"] >= 6
    assert "60 MB" not in ended.output
    assert not told["generator"]["workers_lost"]
