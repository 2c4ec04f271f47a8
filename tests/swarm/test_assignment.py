"""A worker's share as it goes over the wire."""

import json

import pytest

from loadkit.profile.tables import Stage
from loadkit.swarm.workers.assignment import Assignment


@pytest.mark.parametrize(
    "stages",
    [None, (Stage(duration=3.0, arrivals_per_second=2.5), Stage(duration=1e7, users=None))],
)
def test_it_arrives_as_it_was_sent(stages: tuple[Stage, ...] | None) -> None:
    """In plain types, with the stages where they grow in mid-run."""
    plain = None if stages is None else [stage.model_dump() for stage in stages]
    sent = Assignment("2026", 12.5, 1, 3, 13.0, late=True, stages=plain)
    arrived = Assignment.from_wire(json.loads(json.dumps(sent.to_wire())))
    assert arrived == sent
    assert arrived.load_stages() == stages
