"""How many sessions a server keeps, and which it drops for a new one."""

from loadkit.simulator.app.registry import Registry
from loadkit.simulator.session.session import ServerSession

from .doubles import World


def full(world: World, *, most: int) -> tuple[Registry, list[ServerSession]]:
    registry = world.registry
    registry._most = most
    return registry, [world.session() for _ in range(most)]


def test_the_oldest_that_no_socket_has_come_for_makes_room() -> None:
    """Those that somebody has connected to stay, connected or not."""
    world = World()
    registry, (first, second, third) = full(world, most=3)
    registry.met(first)
    assert registry.make_room()
    assert [registry.find(each.id) for each in (first, second, third)] == [first, None, third]


def test_a_session_that_is_over_and_lingers_makes_room_too() -> None:
    """It was met, and is of no use but to who missed its end."""
    world = World("ended_session_linger_seconds=1h")
    registry, (session,) = full(world, most=1)
    registry.met(session)
    assert not registry.make_room()
    session.hear(world.connect(session), b'{"type":"EVENT_TYPE_USER_END_SESSION","payload":{}}')
    assert registry.find(session.id) is session
    assert registry.make_room()
    assert len(registry) == 0


def test_a_server_full_of_living_sessions_has_no_room() -> None:
    """Nobody who is served loses anything to a newcomer."""
    world = World()
    registry, sessions = full(world, most=2)
    for session in sessions:
        registry.met(session)
    assert not registry.make_room()
    assert len(registry) == 2
