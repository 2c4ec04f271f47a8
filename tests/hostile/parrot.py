"""A server that puts words of its choice wherever a text can stand in what it says."""

import base64
import json
import secrets
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from processes import ROOT, SECRETS, as_run, profile, started

from tests.hostile.peer import Peer, Wire, answer, create, greet
from tests.rfc6455 import TEXT, close_frame, frame

Words = Callable[[str, str], Sequence[str]]
"""Given the access token of a session, and what its person said last, the words to be said."""

HEARD = 24  # things that people have said, before a run is stopped


class Parrot(Peer):
    """The server.

    Args:
        words: that it says.
        names: what it makes of an access token as the name of a session; None for a name that says
            nothing.

    Attributes:
        tokens: all access tokens that it gave.
        said: all that people said to it.
    """

    def __init__(self, words: Words, names: Callable[[str], str] | None = None) -> None:
        self._words, self._names = words, names
        self.tokens: list[str] = []
        self.said: list[str] = []
        self._sessions = self._sockets = 0
        super().__init__(token=self._grant, session=self._create, upgrade=self._talk)

    def _grant(self, wire: Wire) -> None:
        claims = {"exp": time.time() + 3600, "jti": secrets.token_hex(40)}
        part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        self.tokens.append(f"e30.{part}.{secrets.token_urlsafe(32)}")
        wire.send(answer(200, {"access_token": self.tokens[-1], "expires_in": 3600}))

    def _create(self, wire: Wire) -> None:
        self._sessions += 1
        token = (wire.header("Authorization") or "").removeprefix("Bearer ")
        if self._sessions % 6 != 2:
            if self._names is None:
                create(wire)
            else:
                wire.send(answer(200, {"session_id": self._names(token)}))
            return
        self._refuse(wire, self._words(token, "")[self._sessions // 6 :])

    def _refuse(self, wire: Wire, words: Sequence[str]) -> None:
        text = " ".join(words)
        called = "".join(char for char in text if " " <= char <= "~")
        body = {"message": text, "correlation_id": text}
        wire.send(answer(403, body, f"X-Polyai-Correlation-Id: {called[:2000]}"))

    def _talk(self, wire: Wire) -> None:
        self._sockets += 1
        number = self._sockets
        path = wire.request.split(" ")[1]
        token = parse_qs(urlsplit(path).query)["access_token"][0]
        if number % 6 == 1:
            self._refuse(wire, self._words(token, "")[number // 6 :])
            return
        greet(wire)
        said = wire.read_event("USER_MESSAGE")
        text = said["payload"]["text"]
        self.said.append(text)
        wire.send(wire.echo(said))
        for word in self._words(token, text):
            self._say(wire, word, said)
        if number % 6 == 2:  # a close with a reason, in the midst of it all
            reason = self._words(token, text)[0].encode(errors="replace")[:120]
            wire.send(close_frame(4000, reason.decode(errors="ignore")))
        else:
            reason = self._words(token, text)[number % len(self._words(token, text))]
            wire.send(wire.event("SESSION_END", {"reason": reason}), close_frame(1000))
        wire.silence()

    def _say(self, wire: Wire, word: str, said: dict[str, Any]) -> None:
        """One word in each place, split over two fields as well."""
        half = len(word) // 2
        message = {"message_id": word, "text": word, "attachments": [{"title": word}]}
        wire.send(
            wire.event("POLY_AGENT_MESSAGE", message, id=word),
            wire.event("POLY_AGENT_MESSAGE", message),
            wire.event("POLY_AGENT_MESSAGE_CHUNK", message | {"chunk_index": word}),
            wire.event("POLY_AGENT_MESSAGE_CHUNK", message | {"chunk_index": 1}),
            wire.event("POLY_AGENT_JOINED", {"agent_name": word}),
            wire.event("SYSTEM_MESSAGE", {"message": f"I am having trouble responding: {word}"}),
            wire.event(word, {word: word}),
            wire.event(word, {}, sequence=word),
            wire.event(word[:half], {}, id=word[half:]),
            wire.event("HANDOFF_QUEUE_STATUS", {"queue_name": word, "position_in_queue": word}),
            frame(TEXT, json.dumps({"type": word, word: word}).encode()),
            frame(TEXT, b'{"broken": "' + word.encode(errors="replace")),
        )
        if wire.number % 3 == 0:
            left = {"reason": word, "queue_name": word}
            wire.send(wire.event("CLIENT_HANDOFF_REQUIRED", left))


class Ended(NamedTuple):
    """A run against one."""

    code: int
    output: str
    files: dict[str, str]
    folder: Path
    parrot: Parrot


def against(
    parrot: Parrot,
    folder: Path,
    environment: Mapping[str, str],
    *options: str,
    locustfile: Path = ROOT / "locustfile.py",
    more: str = "",
) -> Ended:
    """A run, each person of which says one thing, that is stopped once so many have.

    Args:
        environment: of the process, beside the secrets.
        options: further words of its command line.
        locustfile: the user classes.
        more: tables of its profile.
    """
    folder.mkdir(exist_ok=True)
    turns = "{ min = 1, max = 1 }"
    path = profile(folder, seconds=600, users=12, turns=turns, pause="50ms", more=more)
    command = as_run(path, parrot.url, folder / "out", *options, locustfile=locustfile)
    with started(command, folder, SECRETS | environment) as process:
        process.wait_for(lambda: len(parrot.said) >= HEARD, "all of it was said")
        process.send(signal.SIGTERM)
        ended = process.finish()
    assert ended.code == 128 + signal.SIGTERM, ended.output
    (results,) = (folder / "out").iterdir()
    files = {file.name: file.read_text() for file in results.iterdir()}
    return Ended(ended.code, ended.output, files, results, parrot)
