"""Locust patches the standard library as it is imported; the tests' own process is spared that."""

import os
from unittest import mock

with mock.patch.dict(os.environ, LOCUST_SKIP_MONKEY_PATCH="1"):
    import locust  # noqa: F401

    from tests.swarm.sites import command_line, site  # noqa: F401
    from tests.swarm.worlds import begin  # noqa: F401
