"""Whether there is room for a load: what is refused, what is only doubted, and what is forced."""

from typing import Any

import pytest

from loadkit.errors import UsageError
from loadkit.figures import Client
from loadkit.machine.resources import PortUse, ResourceLimit
from loadkit.profile.tables import Load
from loadkit.readiness.room import SESSION_BYTES, Room, check, session_bytes

ROOM = Room(ResourceLimit(20_000, 20_000), PortUse(1_000, 28_232), 8_000_000_000, 2.0)


def closed(users: int, duration: float = 60) -> Load:
    return Load.model_validate({"stages": [{"duration": duration, "users": users}]})


def opened(rate: float, **more: Any) -> Load:
    stages = [{"duration": 0, "arrivals_per_second": rate}]
    stages += [{"duration": 60, "arrivals_per_second": rate}]
    return Load.model_validate({"model": "open", "stages": stages, **more})


@pytest.mark.parametrize(
    ("load", "room", "workers", "told"),
    [
        (closed(20_001), ROOM, 1, "20,001 sessions at once are more than this machine has open"),
        (closed(28_233), ROOM, 2, "more than this machine has ports for"),
        (closed(10_000), ROOM._replace(memory=190_000_000), 1, "has memory for"),
        (closed(1, 367 * 86_400), ROOM, 1, "the stages last 367 days"),
        (closed(1), ROOM, 33, "33 workers on 2 cores would only wait for each other"),
        (closed(1), ROOM._replace(memory=150_000_000), 2, "2 workers take 0.2 GB of memory"),
        (opened(5_001), ROOM, 1, "5,001 arrivals a second are more than 1 worker can bring about"),
        (
            opened(300, max_concurrent=200),
            ROOM._replace(files=ResourceLimit(150, 150)),
            1,
            "open files",
        ),
        (None, ROOM, 33, "--workers 32 or fewer; or add --force"),
    ],
)
def test_what_cannot_work_is_refused_unless_it_is_forced(
    load: Load | None, room: Room, workers: int, told: str
) -> None:
    with pytest.raises(UsageError, match=told) as refused:
        check(load, room, workers)
    assert "or add --force, to try all the same" in str(refused.value)
    forced = check(load, room, workers, force=True)
    assert any(
        told.partition(";")[0] in f"{doubt}" and "forced: " in f"{doubt}" for doubt in forced
    )


@pytest.mark.parametrize(
    ("load", "workers", "addresses"),
    [
        (closed(19_000), 1, 1),
        (closed(27_000), 2, 1),
        (closed(50_000), 3, 2),  # each address of a target has the ports once more
        (closed(10_000_000), None, 1),  # of workers on other machines this one knows nothing
        (opened(100), 1, 1),
        (closed(1, 366 * 86_400), 1, 1),
    ],
)
def test_what_may_work_is_not(load: Load, workers: int | None, addresses: int) -> None:
    assert not check(load, ROOM, workers, addresses=addresses)


def test_what_is_near_a_limit_is_told_of() -> None:
    (doubt,) = check(closed(27_500), ROOM, 2)
    assert "has ports for (about 27,232" in doubt.why
    assert "ip_local_port_range" in doubt.fix


REFERENCE, ANDROID, IOS, WEB = Client.REFERENCE, Client.ANDROID, Client.IOS, Client.WEB


@pytest.mark.parametrize(
    ("clients", "deflate", "more"),
    [
        ({REFERENCE: 1.0}, None, 0),
        ({IOS: 3.0}, None, 0),
        ({ANDROID: 2.0}, None, 40_000),  # what it writes is hardly ever long enough
        ({WEB: 1.0}, None, 63_000),
        ({WEB: 1.0, IOS: 3.0}, None, 63_000 / 4),
        ({ANDROID: 1.0, WEB: 1.0, REFERENCE: 0.0}, None, 103_000 / 2),
        ({WEB: 1.0}, False, 0),
        ({IOS: 1.0}, True, 63_000),
    ],
)
def test_a_session_takes_more_where_its_client_offers_compression(
    clients: dict[Client, float], deflate: bool | None, more: float
) -> None:
    assert session_bytes(clients, deflate) == SESSION_BYTES + more


def test_a_load_that_only_compression_makes_too_great_is_doubted_and_not_refused() -> None:
    """The target may agree to none of it."""
    room = ROOM._replace(memory=1_240_000_000)  # a thousand MB for sessions
    assert check(closed(15_000), room, 1) == []
    (doubt,) = check(closed(15_000), room, 1, session=session_bytes({WEB: 1.0}, None))
    assert "for (about 9,708: 1.2 GB can be had, 103 KB for each as it may be compressed)" in (
        f"{doubt}"
    )
