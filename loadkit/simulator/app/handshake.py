"""The opening handshake of a WebSocket, as strictly as RFC 6455, section 4.2, has it."""

import base64
import binascii
import hashlib
import re
from typing import Final, NamedTuple

from aiohttp import HttpVersion11, web

VERSION: Final = "13"
_KEY, _VERSION = "Sec-WebSocket-Key", "Sec-WebSocket-Version"
_EXTENSIONS: Final = "Sec-WebSocket-Extensions"
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3
_DEFLATE: Final = "permessage-deflate"
_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_OFFER: Final = re.compile(rf'{_TOKEN}(?:\s*;\s*{_TOKEN}(?:\s*=\s*(?:{_TOKEN}|"{_TOKEN}"))?)*')
_WIDEST: Final = 15  # bits of deflate's window


class Objection(NamedTuple):
    """Why a request is no opening handshake, as HTTP says it."""

    status: int
    headers: dict[str, str]


_BAD: Final = Objection(400, {})


def objection(request: web.Request) -> Objection | None:
    """What a request lacks to be an opening handshake; None if it is one."""
    headers = request.headers
    upgrade = [each.strip().lower() for each in headers.getall("Upgrade", [])]
    connection = ",".join(headers.getall("Connection", [])).lower().split(",")
    keys, versions = headers.getall(_KEY, []), headers.getall(_VERSION, [])
    if (
        request.version != HttpVersion11
        or upgrade != ["websocket"]
        or "upgrade" not in map(str.strip, connection)
        or len(headers.getall("Host", [])) != 1
        or request.body_exists
        or len(keys) != 1
        or not _is_key(keys[0])
        or len(versions) != 1
        or _offers(request) is None
    ):
        return _BAD
    if versions[0] != VERSION:
        return Objection(426, {"Upgrade": "websocket", _VERSION: VERSION})
    return None


class AcceptedUpgrade(web.StreamResponse):
    """The answer to an opening handshake. What follows it is none of aiohttp's business."""

    async def write_eof(self, data: bytes = b"") -> None:
        """See `StreamResponse.write_eof`; there is no end to be written."""


def agree(request: web.Request, *, compression: bool) -> tuple[AcceptedUpgrade, int]:
    """Agree to a request against which there is no objection.

    Returns:
        The answer, to be prepared, and the `server_max_window_bits`, 0 without compression.
    """
    accept = hashlib.sha1(request.headers[_KEY].strip().encode() + _GUID).digest()
    headers = {
        "Upgrade": "websocket",
        "Connection": "upgrade",
        "Sec-WebSocket-Accept": base64.b64encode(accept).decode(),
    }
    bits = 0
    for offer in (_offers(request) or []) if compression else []:
        bits = _window(offer)
        if bits:
            headers[_EXTENSIONS] = _taken(offer, bits)
            break
    answer = AcceptedUpgrade(status=101, headers=headers)
    answer.force_close()
    return answer, bits


def _is_key(text: str) -> bool:
    """Whether it is 16 bytes in base64, and nothing else."""
    try:
        return len(base64.b64decode(text.strip().encode(), validate=True)) == 16
    except (binascii.Error, UnicodeEncodeError):
        return False


def _offers(request: web.Request) -> list[list[str]] | None:
    """Each extension that is offered, as its name and its parameters; None if they make no sense.

    No value holds a comma or a semicolon: quoted ones are tokens too (section 9.1).
    """
    parts = [
        part.strip()
        for line in request.headers.getall(_EXTENSIONS, [])
        for part in line.split(",")
        if part.strip()
    ]
    if not all(_OFFER.fullmatch(part) for part in parts):
        return None
    return [[piece.strip() for piece in part.split(";")] for part in parts]


def _window(offer: list[str]) -> int:
    """The `server_max_window_bits` that an offer of compression allows, 0 if it will not do."""
    name, *parameters = offer
    names = [each.partition("=")[0].strip() for each in parameters]
    if name.lower() != _DEFLATE or len(set(names)) != len(names):
        return 0
    bits = _WIDEST
    for key, parameter in zip(names, parameters, strict=True):
        _, is_set, text = parameter.partition("=")
        value = text.strip().strip('"')
        if key in ("server_no_context_takeover", "client_no_context_takeover"):
            if is_set:
                return 0
        elif key in ("server_max_window_bits", "client_max_window_bits"):
            ours = key.startswith("server")
            if (is_set or ours) and value not in _SIZES:
                return 0
            if ours:
                bits = int(value)
        else:
            return 0
    return bits if bits > 8 else 0  # zlib cannot make a window of 8


_SIZES: Final = frozenset(str(bits) for bits in range(8, 16))


def _taken(offer: list[str], bits: int) -> str:
    taken = [_DEFLATE]
    if bits < _WIDEST:
        taken.append(f"server_max_window_bits={bits}")
    if "server_no_context_takeover" in offer:
        taken.append("server_no_context_takeover")
    return "; ".join(taken)
