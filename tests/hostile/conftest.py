"""For the attacks: they borrow the helpers of the tests with real processes."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "integration"))
