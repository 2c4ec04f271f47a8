"""For all tests: what is slow on a busy machine is not wrong."""

import gc
import sys
from pathlib import Path

from hypothesis import settings

# Whoever tests with real processes starts them with the helpers of `tests/integration`.
sys.path.append(str(Path(__file__).parent / "integration"))

settings.register_profile("loadkit", deadline=None)
settings.load_profile("loadkit")


def pytest_collection_finish() -> None:
    """What all the modules are made of stays: the collector need not look through it each time."""
    gc.collect()
    gc.freeze()
