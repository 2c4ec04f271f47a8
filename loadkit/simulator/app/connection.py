"""A connection of HTTP whose mistakes, and ours, are told without a word of what came over it.

aiohttp shows a request that it cannot read in its answer and in a traceback, and in both of them
the token that was in it.
"""

import logging
import traceback
from typing import Any, Final

from aiohttp import web

from loadkit.simulator.app.rest_api import PATIENCE, error

_log = logging.getLogger(__name__)

_WORDS: Final = {400: "malformed request", 504: "timed out"}


class HttpConnection(web.RequestHandler):
    """See `aiohttp.web.RequestHandler`."""

    def __init__(self, server: web.Server, **options: Any) -> None:
        # No access log: its lines hold the query, and the query holds the token.
        super().__init__(
            server,
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=PATIENCE,
            **options,
        )

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that cannot be read, or that we failed at, and hang up."""
        if status >= 500 and exc is not None:
            self.log_exception("a request cannot be answered", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the answer is sent already")
        answer = error(status, _WORDS.get(status, "internal error"))
        answer.force_close()
        return answer

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log what failed and where, not what it failed at; nothing of a body that is none."""
        failed = kw.get("exc_info")
        if not isinstance(failed, web.RequestPayloadError):
            _log.error("%s: %s", args[0], told(failed))


def told(error: object) -> str:
    """The kind of an error and where it came up, for a log. Its own words may hold a secret."""
    if not isinstance(error, BaseException):
        return "no reason is known"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
