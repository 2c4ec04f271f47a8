"""Files for targets that read some: in memory where there is such a place."""

import atexit
import shutil
from pathlib import Path
from tempfile import mkdtemp

__all__ = ["scratch"]


def scratch() -> Path:
    """Make a folder that goes away with this process."""
    memory = Path("/dev/shm")
    folder = Path(mkdtemp(prefix="loadkit-fuzz-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
