"""The bench's table, small: loadkit lives the script, and the server's log says that it did."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sources import ROOT


@pytest.mark.slow
def test_loadkit_lives_the_tables_script(tmp_path: Path) -> None:
    """Whole sessions with their typing; a run that does less has no figure, and says so."""
    path = tmp_path / "table.json"
    command = [sys.executable, "-m", "bench", "table", "--quick", "--rows", "sessions"]
    command += ["--tools", "loadkit", "--others", "1000", "--json", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    cell = json.loads(path.read_text(encoding="utf-8"))["rows"]["sessions"]["cells"]["loadkit"]
    assert "why" not in cell, cell
    assert len(cell["values"]) == 1
    assert cell["values"][0] > 10
    assert "| whole sessions a second of CPU |" in done.stdout
