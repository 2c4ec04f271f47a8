"""What a check does with a session's sockets: it drops, resumes, doubles and outlives them."""

from typing import Any, Final

from loadkit.chat.violations import told
from loadkit.check_server import waits
from loadkit.check_server.table import CheckVerdict
from loadkit.check_server.visit import OverError, Visit, ending, refusal
from loadkit.check_server.waits import BESIDE, is_a, owed, rest, upgraded
from loadkit.errors import RemoteError
from loadkit.protocol import Event, EventType
from loadkit.protocol.encode import HEARTBEAT
from loadkit.protocol.system_texts import Family, family
from loadkit.security.escaping import one_line

MADE_UP_TOKEN: Final = "e30.e30.bG9hZGtpdA"
"""It has a token's shape, and nobody has given it."""

BAD_EVENT: Final = (
    b'{"type":"EVENT_TYPE_LOADKIT_CHECK","payload":{},'
    b'"metadata":{"custom":{"local_id":"loadkit-check"}}}'
)


def heartbeat(visit: Visit, capabilities: dict[str, Any]) -> None:
    """Send one, whatever interval the server has announced, and see it echoed."""
    interval = capabilities.get("heartbeat_interval_seconds")
    if type(interval) in (int, float) and interval == 0:
        visit.found.ok("heartbeat", "not sent: the server has switched them off")
        return
    since = len(visit.events)
    visit.link.send(HEARTBEAT)
    if owed(visit, "heartbeat", is_a(EventType.HEARTBEAT), since, waits.ECHO):
        every = f"{interval:g}" if type(interval) in (int, float) else "30 (it does not say)"
        visit.found.ok("heartbeat", f"as expected; wanted every {every} s")


def bad_event(visit: Visit) -> None:
    """Send what no server knows, and see it refused on a connection that goes on."""
    since = len(visit.events)
    visit.link.send(BAD_EVENT)
    words = owed(visit, "bad_event", is_a(EventType.SYSTEM_MESSAGE), since, waits.ECHO)
    if words is None:
        return
    said = f'"{one_line(told(words.payload.get("message")))}"'
    rest(visit, waits.SETTLES)
    if visit.link.closed is not None:
        visit.found.wrong("bad_event", f"{said}, and then {visit.silence(0)}")
        raise OverError(visit.silence(0))
    known = family(words.payload.get("message")) is Family.BAD_EVENT
    visit.found.add("bad_event", CheckVerdict.OK if known else CheckVerdict.DIFFERS, said)


def second_socket(visit: Visit) -> None:
    """Open the session in a second tab, and close that one with a code of its own."""
    cursor = max((each.sequence or 0 for each in visit.events), default=0)
    try:
        second = visit.another(cursor)
    except RemoteError as error:
        limited = error.status == 429
        verdict = CheckVerdict.DIFFERS if limited else CheckVerdict.WRONG
        visit.found.add("second_socket", verdict, refusal(error))
        return
    try:
        rest(visit, waits.SETTLES)
        first = visit.link.closed
        if first is None:
            visit.found.ok("second_socket")
        else:
            replaced = first.code == 4000
            verdict = CheckVerdict.DIFFERS if replaced else CheckVerdict.WRONG
            visit.found.add(
                "second_socket", verdict, f"the first one ended with {ending(visit.link)}"
            )
        second.close(4002, timeout=waits.LEAVES)
        echoed = second.closed is not None and second.closed.code == 4002
        came = "as expected" if echoed else ending(second)
        if not echoed and second.closed is not None and second.closed.code == 1006:
            came = f"no close within {waits.LEAVES:g} s, or a connection that was cut"
        visit.found.add("close_code", CheckVerdict.OK if echoed else CheckVerdict.WRONG, came)
    finally:
        second.drop()
    if first is not None:
        upgraded(visit, "second_socket", cursor)


def resume(visit: Visit, key: str, style: str) -> None:
    """Drop the socket, and resume at a place in the middle of what is known."""
    journal = sorted({each.sequence for each in visit.events if each.sequence is not None})
    if len(journal) < 2:
        visit.found.not_seen(key, "fewer than two events had a sequence")
        return
    cursor = journal[(len(journal) - 1) // 2]
    _replayed(visit, key, cursor, style)


def cold(visit: Visit) -> None:
    """Shut the app down, without a word that the session is over, and start it again."""
    visit.link.close(1000, timeout=waits.LEAVES)
    _replayed(visit, "cold")


def _replayed(visit: Visit, key: str, cursor: int = 0, style: str = "seq") -> None:
    """Connect again, and look whether all that is owed comes, and nothing else."""
    owed = {
        each.id: each.sequence
        for each in visit.events
        if each.sequence is not None and each.sequence > cursor and each.type not in BESIDE
    }
    since = upgraded(visit, key, cursor, style)
    missing = {*owed}

    def all_came(event: Event) -> bool:
        missing.discard(event.id)
        return not missing

    if missing:
        visit.wait(all_came, since, waits.ECHO)
    visit.wait(is_a(EventType.EVENT_BATCH), since, waits.LEAVES)
    came = visit.events[since:]
    early = [each.sequence for each in came if each.sequence and each.sequence <= cursor]
    wanted = f"after {cursor}" if cursor else "of all"
    if early:
        misread = CheckVerdict.WRONG if style == "seq" else CheckVerdict.DIFFERS
        fix = "" if style == "seq" else '; keep conversation.cursor = "seq"'
        visit.found.add(key, misread, f"{wanted} came {min(early)} too{fix}")
    elif missing:
        numbers = ", ".join(map(str, sorted(owed[each] for each in missing)[:10]))
        visit.found.wrong(key, f"{wanted} these did not come: {numbers}")
    else:
        visit.found.ok(key, f"{wanted} came {len(owed)} events, none was missing")
    if visit.link.closed is not None:
        visit.found.wrong(key, visit.silence(0))
        raise OverError(visit.silence(0))


def ended(visit: Visit) -> None:
    """Come back to a session that is over."""
    try:
        since = visit.connect()
    except RemoteError as error:
        right = error.status in (401, 404)
        visit.found.add("ended", CheckVerdict.OK if right else CheckVerdict.WRONG, refusal(error))
        return
    # It may still show what was said, and close.
    over = visit.wait(is_a(EventType.SESSION_END), since, waits.ECHO)
    rest(visit, waits.LEAVES)
    closed = visit.link.closed
    if over is not None and closed is not None and closed.code == 1000:
        visit.found.add(
            "ended", CheckVerdict.DIFFERS, "the history with SESSION_END, and close 1000"
        )
    else:
        visit.found.wrong("ended", f"101, then {ending(visit.link)}")


def stranger(visit: Visit) -> None:
    """Come to the session with a token that is not its own."""
    verdicts = {
        401: CheckVerdict.OK,
        404: CheckVerdict.DIFFERS,
    }  # a client takes a new session at both
    try:
        visit.another(0, token=MADE_UP_TOKEN).drop()
    except RemoteError as error:
        verdict = verdicts.get(error.status or 0, CheckVerdict.WRONG)
        visit.found.add("wrong_token_upgrade", verdict, refusal(error))
    else:
        visit.found.wrong("wrong_token_upgrade", "101")
