"""For tests with real processes, several files of which run at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Simulator, simulator

LONGEST = (
    "test_capacity_search",
    "test_never_stuck",
    "test_distributed",
    "test_conformance",
    "test_faults_survived",
    "test_folders",
    "test_cut_short",
    "test_bad_input",
    "test_run",
    "test_figures",
    "test_chaos",
    "test_profiles",
    "test_frames",
    "test_reconciliation",
    "test_output",
    "test_check_server",
    "test_users_files",
    "test_web_ui",
    "test_own_class",
    "test_clients_seen",
    "test_open_waits",
    "test_no_worker_left",
    "test_killed",
    "test_inputs",
    "test_orphans",
    "test_nothing_lost",
    "test_own_code",
    "test_survival",
)
"""The files that take longest come first, so that nobody waits for one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by file, and leave each file's own order as it is."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A simulator of its own for the tests of a file."""
    with simulator(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Where a simulator of a test's own is to keep its truth log."""
    return tmp_path / "truth.jsonl"
