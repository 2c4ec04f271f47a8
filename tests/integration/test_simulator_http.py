"""The REST calls and the refusals of the upgrade, over real connections."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jwt
import pytest
from simulator_client import (
    ACCESS,
    ASKING,
    HOST,
    SESSIONS,
    TOKEN,
    Answer,
    Client,
    RawSocket,
    simulator,
)
from websockets.exceptions import InvalidStatus


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with simulator() as running:
        yield running


def assert_refused(answer: Answer, status: int, text: str) -> None:
    assert (answer.status, answer.body) == (status, {"error": text, "message": text})
    assert answer.headers["content-type"].startswith("application/json")


def test_an_access_token_is_a_jwt_for_a_day(client: Client) -> None:
    answer = client.request("POST", ACCESS, ASKING, "{}")
    assert answer.status == 200
    assert set(answer.body) == {"access_token", "expires_in", "token_type"}
    assert (answer.body["expires_in"], answer.body["token_type"]) == (86400, "Bearer")
    claims = jwt.decode(answer.body["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 86400


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({}, "Missing authentication headers"),
        ({"X-Token": TOKEN}, "Missing authentication headers"),
        ({"X-Host": HOST}, "Missing authentication headers"),
        ({"X-Token": "wrong", "X-Host": HOST}, "Connector token does not exist"),
        ({"X-Token": TOKEN, "X-Host": "elsewhere.example"}, "Failed to validate connector"),
    ],
)
def test_wrong_credentials_are_refused(client: Client, headers: dict[str, str], text: str) -> None:
    assert_refused(client.request("POST", ACCESS, headers, "{}"), 401, text)


@pytest.mark.parametrize("given", ["4f6c1b1e-correlated", "", "x" * 100])
def test_every_answer_has_a_correlation_id_the_client_s_own_if_it_has_one(
    client: Client, given: str
) -> None:
    named = {"X-Polyai-Correlation-Id": given} if given else {}
    answers = [
        client.request("POST", ACCESS, ASKING | named, "{}"),
        client.request("POST", ACCESS, named, "{}"),
        client.request("GET", "/nowhere", named),
    ]
    assert [answer.status for answer in answers] == [200, 401, 404]
    ids = [answer.headers["x-polyai-correlation-id"] for answer in answers]
    assert len(set(ids)) == (1 if given.startswith("4f") else 3)
    assert given in ids if given.startswith("4f") else all(len(one) == 36 for one in ids)
    with RawSocket(client, client.place(), **named) as link:
        assert link.status == 101
        assert link.headers["x-polyai-correlation-id"]


def test_the_host_may_be_a_url(client: Client) -> None:
    headers = {"X-Token": TOKEN, "X-Host": f"https://{HOST}"}
    assert client.request("POST", ACCESS, headers, "{}").status == 200


def test_a_subdomain_of_the_registered_host_will_do(client: Client) -> None:
    headers = {"X-Token": TOKEN, "X-Host": f"www.{HOST}"}
    assert client.request("POST", ACCESS, headers, "{}").status == 200


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        '{"streaming_enabled": true}',
        '{"streaming_enabled": true, "platform": "android", "device_type": "tablet"}',
    ],
)
def test_a_session_has_an_id_whatever_else_the_body_holds(client: Client, body: str) -> None:
    headers = {"Authorization": f"Bearer {client.token()}", "X-Polyai-Correlation-Id": "any"}
    answer = client.request("POST", SESSIONS, headers, body)
    assert answer.status == 200
    assert len(answer.body["session_id"]) == 36


@pytest.mark.parametrize(
    ("headers", "status", "text"),
    [
        ({}, 400, "Missing access token"),
        ({"Authorization": "Basic x"}, 401, "Missing authentication headers"),
        ({"Authorization": "Bearer nonsense"}, 401, "Invalid access token"),
        ({"Authorization": "Bearer "}, 401, "Missing authentication headers"),
    ],
)
def test_a_session_needs_a_token_of_ours(
    client: Client, headers: dict[str, str], status: int, text: str
) -> None:
    assert_refused(client.request("POST", SESSIONS, headers, "{}"), status, text)


@pytest.mark.parametrize(
    "body", ["[]", "{", '{"streaming_enabled": "yes"}', '{"platform": "fridge"}', '{"platform": 1}']
)
def test_a_body_that_makes_no_sense_is_refused(client: Client, body: str) -> None:
    headers = {"Authorization": f"Bearer {client.token()}"}
    assert_refused(client.request("POST", SESSIONS, headers, body), 400, "Error parsing request")


def test_dials_make_the_other_errors_happen() -> None:
    with simulator("connector_has_host_domain=false") as client:
        answer = client.request("POST", ACCESS, ASKING, "{}")
        assert_refused(answer, 401, "Connector missing host domain")
    with simulator("faults.token_500=1") as client:
        answer = client.request("POST", ACCESS, ASKING, "{}")
        assert_refused(answer, 500, "Failed to create access token")
    with simulator("faults.session_500=1") as client:
        headers = {"Authorization": f"Bearer {client.token()}"}
        answer = client.request("POST", SESSIONS, headers, "{}")
        assert_refused(answer, 500, "Failed to create session")


def test_an_expired_token_opens_nothing() -> None:
    with simulator("token_lifetime_seconds=0") as client:
        headers = {"Authorization": f"Bearer {client.token()}"}
        answer = client.request("POST", SESSIONS, headers, "{}")
        assert_refused(answer, 401, "Invalid access token")
        answer = client.request("GET", f"/ws?session_id=x&access_token={client.token()}", UPGRADE)
        assert_refused(answer, 401, "authentication failed")


def test_unknown_paths_and_methods_are_refused_in_the_same_shape(client: Client) -> None:
    assert_refused(client.request("GET", "/nowhere"), 404, "Not Found")
    assert_refused(client.request("GET", SESSIONS), 405, "Method Not Allowed")


UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def upgrade(client: Client, query: str, headers: dict[str, str] = UPGRADE) -> Answer:
    return client.request("GET", f"/ws?{query}", headers)


def test_an_upgrade_needs_its_parameters_and_to_be_one(client: Client) -> None:
    session_id, token = client.place()
    for query in (
        "",
        f"session_id={session_id}",
        f"access_token={token}",
        "session_id=&access_token=",
    ):
        assert_refused(upgrade(client, query), 400, "invalid connection parameters")
    whole = f"session_id={session_id}&access_token={token}"
    assert_refused(upgrade(client, whole, {}), 400, "invalid connection parameters")


def test_an_upgrade_needs_the_token_that_made_the_session(client: Client) -> None:
    session_id, _ = client.place()
    for token in ("nonsense", client.token()):
        answer = upgrade(client, f"session_id={session_id}&access_token={token}")
        assert_refused(answer, 401, "authentication failed")


def test_an_upgrade_to_an_unknown_session_is_not_found(client: Client) -> None:
    answer = upgrade(client, f"session_id=unknown&access_token={client.token()}")
    assert_refused(answer, 404, "session not found")


def test_the_eleventh_socket_of_a_session_is_refused_until_one_goes(client: Client) -> None:
    place = client.place()
    with ExitStack() as stack:
        sockets = [stack.enter_context(RawSocket(client, place)) for _ in range(11)]
        assert [each.status for each in sockets] == [101] * 10 + [429]
        assert sockets[10].headers["retry-after"] == "1"
        sockets[0].receive()
        sockets[0].send_close(1000)
        assert sockets[0].receive()[0] == 8
        assert sockets[0].at_end()
        assert stack.enter_context(RawSocket(client, place)).status == 101


def test_a_websocket_library_sees_the_refusal(client: Client) -> None:
    with pytest.raises(InvalidStatus) as caught, client.connect(("unknown", client.token())):
        pass
    assert caught.value.response.status_code == 404


@pytest.mark.parametrize(
    ("body", "platform", "device"),
    [
        ({"platform": "android", "device_type": "tablet"}, "android", "tablet"),
        ({"platform": "web"}, "web", None),
        ({"device_type": ["x"]}, None, None),
        ({"device_type": "y" * 1000}, None, "y" * 64),
        (None, None, None),
    ],
)
def test_the_truth_log_says_what_a_client_announced(
    body: dict[str, Any] | None, platform: str | None, device: str | None, tmp_path: Path
) -> None:
    truth = tmp_path / "truth.jsonl"
    with simulator(truth=truth) as client:
        headers = {"Authorization": f"Bearer {client.token()}"}
        text = "" if body is None else json.dumps(body)
        assert client.request("POST", SESSIONS, headers, text).status == 200
    session = json.loads(truth.read_text().splitlines()[0])
    assert (session["kind"], session["platform"], session["device_type"]) == (
        "session",
        platform,
        device,
    )
