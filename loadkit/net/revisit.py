"""A look at a session that was left without a word: what became of it?"""

from time import perf_counter
from typing import Final

from loadkit.chat.violations import told
from loadkit.errors import Failure, RemoteError
from loadkit.net.interfaces import SessionContext
from loadkit.net.websocket.link import Link
from loadkit.protocol import Event, EventType

__all__ = ["revisit"]

LOOKS_BACK: Final = 5.0  # seconds that who comes back waits for the news


def revisit(setting: SessionContext, query: str) -> str:
    """Open the session's socket once more, and listen.

    Args:
        setting: of the session.
        query: of the upgrade, encoded, with the cursor of what was seen before.

    Returns:
        `still_alive`; the reason it ended for; `frame_flood`; or `refused_` with the status or the
        failure.
    """
    try:
        link = Link.open(setting.target, query, setting.traffic, compression=setting.compression)
    except RemoteError as error:
        return f"refused_{error.status or error.kind}"
    try:
        until, news = perf_counter() + LOOKS_BACK, "still_alive"
        while link.closed is None and perf_counter() < until and news == "still_alive":
            for frame in link.receive(until):
                for event in link.events(frame):
                    if isinstance(event, Event) and event.type is EventType.SESSION_END:
                        news = told(event.payload.get("reason")).removeprefix("REASON_").lower()
        if link.flooded:
            news = str(Failure.FRAME_FLOOD)
        link.close()
    finally:
        link.drop()
    return news
