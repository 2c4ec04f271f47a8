"""What serves the web UI and the metrics, so that a run does not suffer from whoever asks."""

from collections.abc import Callable, Iterable
from http.client import HTTPException
from time import perf_counter
from typing import Any, Final

import gevent
from gevent.lock import Semaphore
from gevent.pywsgi import WSGIHandler

SHARE: Final = 0.1
"""Of the process' time, at most. A scrape takes some 30 ms."""


class Handler(WSGIHandler):
    """gevent's, without a traceback of what others send."""

    def read_request(self, raw_requestline: str) -> Any:
        """Read the head of a request. Returns whether it is one."""
        try:
            return super().read_request(raw_requestline)
        except HTTPException:  # more than a hundred headers, say
            return False


class Paced:
    """An application that takes a small share of the process' time, whoever asks and how often.

    Those who ask too often wait: a run is not to suffer from them. What `app` answers has to be
    ready when it returns.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._one_at_a_time = Semaphore()
        self._rests_until = 0.0

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer a request as WSGI (PEP 3333) has it."""
        with self._one_at_a_time:
            gevent.sleep(max(0.0, self._rests_until - perf_counter()))
            began = perf_counter()
            answer = self._app(environ, start_response)
            took = perf_counter() - began
            self._rests_until = began + took / SHARE
        return answer
