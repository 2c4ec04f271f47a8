"""A run whose server and users say what would do harm in HTML, made once."""

import pytest

from .runs import Lived, live

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)> \x1b[31mred\x1b[0m "
    "\u202etxt.exe '\"&amp; --> ]]> ${x} \u2028"
)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    return live(
        tmp_path_factory.mktemp("hostile"),
        30,
        said=HOSTILE,
        lost_at=frozenset({11, 20}),
        limits=[("response.p95", 100.0), ("turns.lost_ratio", 0.0)],
    )


@pytest.fixture(scope="session")
def long(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """A quarter of an hour, so that slices are of several rows."""
    return live(tmp_path_factory.mktemp("long"), 900, per_second=3, lost_at=frozenset({295, 296}))
