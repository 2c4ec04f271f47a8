"""What of a run is written down, and how finely."""

from typing import Annotated, Literal

from pydantic import Field

from loadkit.config.table import Table
from loadkit.config.units import Duration

__all__ = ["Results"]


class Results(Table):
    """How the course of a run is written down.

    Attributes:
        interval: seconds that one row of `timeline.csv` and one interval of `latency.hlog` last.
        texts: whether what people and agents said is in examples and transcripts.
    """

    interval: Annotated[Duration, Field(ge=0.1, le=60)] = 1.0
    texts: Literal["shown", "hidden"] = "shown"
