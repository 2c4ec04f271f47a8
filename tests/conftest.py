"""For all tests: what is slow on a busy machine is not wrong."""

import gc

from hypothesis import settings

settings.register_profile("loadkit", deadline=None)
settings.load_profile("loadkit")


def pytest_collection_finish() -> None:
    """What all the modules are made of stays: the collector need not look through it each time."""
    gc.collect()
    gc.freeze()
