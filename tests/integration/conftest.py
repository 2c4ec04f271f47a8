"""For tests with real processes, several files of which run at once."""

import pytest

LONGEST = (
    "test_declining_server",
    "test_capacity_search",
    "test_figures",
    "test_bad_input",
    "test_distributed",
    "test_conformance",
    "test_orphans",
    "test_never_stuck",
    "test_run",
    "test_survival",
    "test_profiles",
    "test_faults_survived",
    "test_web_ui",
    "test_chaos",
    "test_reconciliation",
)
"""The files that take longest come first, so that nobody waits for one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by file, and leave each file's own order as it is."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))
