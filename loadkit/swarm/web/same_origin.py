"""Who may use the web UI from within a browser: its own pages, and nobody else's.

A browser sends what any page tells it to, with the cookies of whom it sends it to. It says whose
page that was (https://www.rfc-editor.org/rfc/rfc6454, section 7), and whom it believes to speak
to; an evil page has its own name lead to this machine to look like one of ours (DNS rebinding).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, section 9.2.1), with any route of Locust's."""

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


def objection(request: Mapping[str, Any], names: Collection[str], origins: Collection[str]) -> str:
    """Say why a request is not one of our own page's, or of a program; "" if it is.

    Args:
        request: as WSGI has it.
        names: by which the page may be asked for, beside addresses and localhost.
        origins: `host[:port]` of pages that are ours whatever they asked for, as behind a proxy.
    """
    host = str(request.get("HTTP_HOST", "")).lower()
    name = _split(f"//{host}").hostname or ""
    if not (_is_own(name) or name in names):
        return (
            f"this page does not answer to the name {name!r}: use its address or localhost, or "
            "start it with --web-host-display-name NAME"
        )
    if request["REQUEST_METHOD"] in SAFE:
        return ""
    page = request.get("HTTP_ORIGIN") or request.get("HTTP_REFERER")
    if page is None:
        foreign = request.get("HTTP_SEC_FETCH_SITE", "none") not in ("none", "same-origin")
    else:
        foreign = _split(str(page)).netloc.lower() not in {host, *origins}
    return "this was asked for by the page of another site" if foreign else ""


class SameOrigin:
    """An application of which other sites' pages see and change nothing.

    Args:
        display: a name or URL that people know it by.
        names: others that lead to it.
    """

    def __init__(self, app: Wsgi, display: str = "", names: Collection[str] = ()) -> None:
        known = _split(display.lower() if "//" in display else f"//{display.lower()}")
        self._app = app
        self._names = {name.lower() for name in (known.hostname, *names) if name}
        self._origins = {known.netloc} - {""}

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request as WSGI (PEP 3333) has it."""
        why = objection(environ, self._names, self._origins)
        if why:
            start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
            return [f"{why}\n".encode()]

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            # Locust has every answer say that any page may read it.
            own = [each for each in headers if not each[0].lower().startswith("access-control-")]
            own.append(("X-Frame-Options", "DENY"))  # nor lure clicks on it
            return start_response(status, own, *more)

        return self._app(environ, start)


def _is_own(name: str) -> bool:
    """Whether no other name server but this machine's own can have a browser come here by it."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return urlsplit("")
    return parts
