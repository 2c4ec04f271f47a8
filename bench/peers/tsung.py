"""The script for Tsung: a session of declared steps, written out as its XML.

Tsung sends, and waits for whatever comes first or for nothing; so who speaks sends without waiting,
and gives the answer the time that it takes. A heartbeat stands where it is due in the course of
turns.
"""

from collections.abc import Mapping
from xml.sax.saxutils import quoteattr

import orjson

from bench import TEXT
from bench.script import ANSWER, BEATS, Script

BRIEF = 0.05  # seconds that it may take of a server that answers at once
TURNS = 12  # more than a run has time for
PLACES = 20  # in a turn that sessions are found at: a session of Tsung's each, drawn evenly


def session(script: Script, host: str, port: int, environment: Mapping[str, str]) -> str:
    """The whole file, for one run against a host."""
    wishes = orjson.dumps({"streaming_enabled": script.streaming, "platform": "web"}).decode()
    identity = {
        "X-Token": environment["POLY_CONNECTOR_TOKEN"],
        "X-Host": environment["POLY_HOST_IDENTIFIER"],
    }
    if script.turns:  # a session is a user, and they come by themselves
        phase = '<users arrivalrate="200" unit="second"/>'
    else:
        rate = script.users / script.ramp
        phase = f'<users arrivalrate="{rate:g}" maxnumber="{script.users}" unit="second"/>'
    opening = [
        *_post("access-token", "{}", identity, "access_token"),
        *_post("sessions", wishes, {"Authorization": "Bearer %%_access_token%%"}, "session_id"),
        f'<change_type new_type="ts_websocket" host="{host}" port="{port}" server_type="tcp"/>',
        '<request subst="true"><websocket type="connect" '
        'path="/ws?session_id=%%_session_id%%&amp;access_token=%%_access_token%%"/></request>',
        _send("REQUEST_POLY_AGENT_JOIN", {}),
        _wait(BRIEF if not script.spread else 0.2),
    ]
    closing = [_send("USER_END_SESSION", {}), _wait(BRIEF)] if script.turns else []
    places = PLACES if script.spread else 1
    sessions = "\n".join(
        f'<session name="chat-{place}" probability="{100 / places:g}" type="ts_http">\n'
        + "\n".join([*opening, *_turns(script, (place + 0.5) / places), *closing])
        + "\n</session>"
        for place in range(places)
    )
    return f"""<?xml version="1.0"?>
<!DOCTYPE tsung SYSTEM "/usr/share/tsung/tsung-1.0.dtd">
<tsung loglevel="error">
<clients><client host="localhost" use_controller_vm="true" maxusers="20000"/></clients>
<servers><server host="{host}" port="{port}" type="tcp"/></servers>
<load><arrivalphase phase="1" duration="10" unit="minute">{phase}</arrivalphase></load>
<options><option name="websocket_path" value="/ws"/></options>
<sessions>
{sessions}
</sessions>
</tsung>
"""


def _turns(script: Script, place: float) -> list[str]:
    """All of them, from a place in the first one on: a share of what it takes."""
    steps: list[str] = []
    now = beaten = 0.0

    def rest(seconds: float) -> None:
        """Wait, and beat where it is due meanwhile."""
        nonlocal now, beaten
        while script.spread and now + seconds >= beaten + BEATS:
            part = max(0.001, beaten + BEATS - now)
            steps.extend((_wait(part), _send("HEARTBEAT", {})))
            now, seconds, beaten = now + part, max(0.001, seconds - part), beaten + BEATS
        now += seconds
        if seconds:
            steps.append(_wait(seconds))

    for number in range(script.turns or TURNS):
        wait, keys = script.think, script.keys
        if script.spread and not number:
            wait = place * script.spread  # until the message
            keys = min(keys, int(wait / script.key_s))
            wait -= keys * script.key_s
        rest(wait)
        for _ in range(keys):
            steps.append(_send("USER_TYPING", {"state": "TYPING_STATE_STARTED"}))
            rest(script.key_s)
        if script.keys:
            steps.append(_send("USER_TYPING", {"state": "TYPING_STATE_STOPPED"}))
        steps.append(_send("USER_MESSAGE", {"text": TEXT}))
        rest(ANSWER if script.spread else BRIEF)
    return steps


def _post(call: str, body: str, headers: Mapping[str, str], kept: str) -> list[str]:
    lines = "".join(
        f"<http_header name={quoteattr(name)} value={quoteattr(value)}/>"
        for name, value in headers.items()
    )
    http = (
        f'<http url="/api/v1/{call}" version="1.1" method="POST" contents={quoteattr(body)} '
        f'content_type="application/json">{lines}</http>'
    )
    dynamic = f'<dyn_variable name="{kept}" jsonpath="{kept}"/>'
    return [f'<request subst="true">{dynamic}{http}</request>']


def _send(kind: str, payload: Mapping[str, str]) -> str:
    text = orjson.dumps({"type": f"EVENT_TYPE_{kind}", "payload": payload}).decode()
    websocket = '<websocket type="message" ack="no_ack" frame="text">'
    return f"<request>{websocket}<![CDATA[{text}]]></websocket></request>"


def _wait(seconds: float) -> str:
    return f'<thinktime value="{seconds:g}" random="false"/>'
