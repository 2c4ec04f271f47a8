"""Whatever a test here lets happen to a session is held to the tables of the two machines."""

from collections.abc import Iterator

import pytest

from .watched import watched


@pytest.fixture(scope="module", autouse=True)
def tables_that_tell_all() -> Iterator[None]:
    """No state is entered but by a row that says so."""
    with watched():
        yield
