"""Locust's web UI with a login: who gets to start a run there, with what, from which page.

One process takes all the requests. Each of them says what it is to bring about; that nothing else
came of it is looked at in the end: no stranger was spoken to, no file written, no run begun.
"""

import http.client
import json
import socket
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from processes import (
    LOCUST,
    PATIENCE,
    ROOT,
    SECRETS,
    TOKEN,
    Simulator,
    Started,
    free_port,
    profile,
    simulator,
    started,
)

LOGIN = """
from flask_login import UserMixin, login_user


class Somebody(UserMixin):
    id = "somebody"


@events.init.add_listener
def ask_for_a_login(environment, **_):
    ui = environment.web_ui
    ui.app.secret_key = "of this test"
    ui.login_manager.user_loader(lambda _: Somebody())
    ui.auth_args = {"username_password_callback": "/enter"}

    @ui.app.route("/enter", methods=["POST"])
    def enter():
        login_user(Somebody())
        return "welcome"
"""


USER = json.dumps({"user_class_name": "CompleteChat", "host": "http://evil.example", "tasks": []})


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    text: str


class Page:
    """A browser at the page, or whoever pretends to be one.

    Attributes:
        port: of the page.
        cookie: of somebody who is logged in, once they are.
    """

    def __init__(self, port: int) -> None:
        self.port, self.cookie = port, ""

    def ask(
        self,
        method: str,
        path: str,
        *,
        login: bool = True,
        form: Any = None,
        body: str = "",
        **headers: str,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        kind = "application/json" if path == "/user" else "application/x-www-form-urlencoded"
        sent = {"Content-Type": kind, **headers}
        if login:
            sent["Cookie"] = self.cookie
        body = body or (USER if path == "/user" else urllib.parse.urlencode(form or {}))
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        told = Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
        connection.close()
        assert TOKEN not in told.text
        assert not [name for name in told.headers if name.lower().startswith("access-control")]
        return told

    def swarm(self, **form: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.ask("POST", "/swarm", form=form).text)
        return content


class World(NamedTuple):
    page: Page
    process: Started
    server: Simulator
    stranger: socket.socket
    folder: Path
    path: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("guarded")
    own = folder / "own"
    own.mkdir()
    path = profile(own, seconds=600)
    (folder / "elsewhere.toml").write_text("the_secret = of_somebody_else")
    locustfile = folder / "login.py"
    locustfile.write_text((ROOT / "locustfile.py").read_text() + LOGIN)
    port = free_port()
    command = [LOCUST, "-f", locustfile, "--web-login", "--web-port", str(port)]
    command += ["--profile", path, "--out", folder / "out"]
    with socket.create_server(("127.0.0.2", 0)) as stranger, simulator(folder) as server:
        stranger.settimeout(0.1)
        with started([*command, "-H", server.url], folder, SECRETS) as process:
            page = Page(port)
            process.wait_for(lambda: _answers(port), "serving")
            entered = page.ask("POST", "/enter", login=False)
            page.cookie = entered.headers["Set-Cookie"].partition(";")[0]
            yield World(page, process, server, stranger, folder, path)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def page(world: World) -> Page:
    return world.page


@pytest.fixture
def evil(world: World) -> str:
    """The URL of a server that nobody named."""
    return f"http://127.0.0.2:{world.stranger.getsockname()[1]}"


DOING = [f"/chat/{what}" for what in ("start", "stop", "storm", "load", "mark")]
CHANGING = [*DOING, "/swarm", "/stop", "/stats/reset", "/user", "/enter"]
READING = ["/chat", "/chat/now", "/chat/setup", "/chat/runs", "/chat/assets/live.js", "/locust"]


@pytest.mark.parametrize("login", [True, False])
@pytest.mark.parametrize("host", ["127.0.0.1:{}", "localhost:{}", "evil.example:{}"])
@pytest.mark.parametrize(
    "origin",
    [
        None,
        "http://127.0.0.1:{}",
        "http://localhost:{}",
        "https://evil.example",
        "http://evil.example:{}",
        "http://127.0.0.1:1",
        "null",
    ],
)
def test_every_way_to_come_here(
    page: Page, evil: str, origin: str | None, host: str, login: bool
) -> None:
    """By each route that changes something and each that does not; with a form that is refused."""
    host = host.format(page.port)
    headers = {"Host": host} | ({"Origin": origin.format(page.port)} if origin else {})
    ours = not host.startswith("evil")
    same = ours and headers.get("Origin") in (None, f"http://{host}")
    form = {"host": evil}
    done = {"percent": "5", "times": "2", "note": "here"}
    for path in CHANGING:
        said = done if path in DOING[1:] else form
        answer = page.ask("POST", path, login=login, form=said, **headers)
        if not same:
            assert answer.status == 403, (path, answer)
        elif path == "/enter":
            assert answer.text == "welcome"
        elif not login:
            assert answer.status == 302, (path, answer)
            assert answer.headers["Location"].startswith("/login"), (path, answer)
        elif path == "/user":
            assert answer.status == 403, (path, answer)
            assert "is said by the profile" in answer.text
        elif path in DOING[1:]:
            assert "no run is under way" in answer.text
        elif path in ("/swarm", "/chat/start"):
            assert f"{evil} may not have the connector token" in answer.text
        else:
            assert answer.status in (200, 201), (path, answer)
    for path in READING:
        answer = page.ask("GET", path, login=login, **headers)
        assert answer.status == (403 if not ours else 200 if login else 302), (path, answer)
    opened = page.ask("GET", "/", login=login, **headers)
    assert opened.status == (302 if ours else 403)
    if ours:
        assert opened.headers["Location"].startswith("/chat" if login else "/login")
    preflight = page.ask("OPTIONS", "/swarm", login=login, **headers)
    assert preflight.status == (200 if ours else 403)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("login", [True, False])
def test_no_other_method_starts_a_run(page: Page, method: str, login: bool) -> None:
    assert page.ask(method, "/swarm", login=login).status == 405


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("host", "{evil}", "{evil} may not have the connector token"),
        ("host", "{evil}/prefix", "may not have the connector token"),
        ("host", "http://127.0.0.1:1", "may not have the connector token"),
        ("host", "https://messaging.us-1.poly.ai", "may not have the connector token"),
        ("host", "http://user:password@127.0.0.1", "holds a user name or password"),
        ("host", "file:///etc/passwd", "does not start with http://"),
        ("host", "javascript:alert(1)", "does not start with http://"),
        ("host", "{server}\r\nX-Evil: 1", "cannot be read"),
        ("host", "{server}\x00", "cannot be read"),
        ("host", "http://127.0.0.1\x00", "is not a host name"),
        ("host", "http://a..b", "is not a host name"),
        ("host", "http://[::1", "cannot be read"),
        ("host", "http://" + "a" * 100_000, "is not a host name"),
        ("host", "<script>alert(1)</script>", "does not start with http://"),
        ("profile", "/etc/passwd", "there is no profile '/etc/passwd'"),
        ("profile", "/dev/zero", "there is no profile '/dev/zero'"),
        ("profile", "-", "there is no profile '-'"),
        ("profile", "a\x00b", "there is no profile"),
        ("profile", "a/" * 100_000, "there is no profile with a name of 200,000 characters"),
        ("profile", "{folder}/elsewhere.toml", "there is no profile"),
        ("profile", "{folder}/own/../elsewhere.toml", "there is no profile"),
        ("profile", "../../../../../../etc/passwd", "there is no profile"),
        ("html_file", "{folder}/written.html", "the form has no field 'html_file'"),
        ("csv_prefix", "{folder}/written", "the form has no field 'csv_prefix'"),
        ("json_file", "{folder}/written", "the form has no field 'json_file'"),
        ("results_parent", "{folder}/written", "the form has no field 'results_parent'"),
        ("profile_overrides", "load.seed=1", "the form has no field 'profile_overrides'"),
        ("allow_production", "true", "the form has no field 'allow_production'"),
        ("web_login", "false", "the form has no field 'web_login'"),
        ("user_classes", "IdleChat", "the form has no field 'user_classes'"),
    ],
)
def test_a_field_that_may_not_say_so(
    page: Page, world: World, evil: str, field: str, value: str, says: str
) -> None:
    """Of somebody who is logged in, on our own page."""
    places = {"evil": evil, "folder": str(world.folder), "server": world.server.url}
    answer = page.swarm(**{field: value.format(**places)})
    assert answer["success"] is False
    assert says.format(**places) in answer["message"]
    assert "root:" not in answer["message"]
    assert "the_secret" not in answer["message"]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        # A field that comes twice is what came first, which is what is checked and taken.
        ("application/x-www-form-urlencoded", "host={evil}&host={server}", 200),
        ("multipart/form-data; boundary=x", '{part}name="html_file"\r\n\r\n/x\r\n--x--\r\n', 200),
        ("application/x-www-form-urlencoded", "host=" + "a" * 2_000_000, 413),
        (
            "multipart/form-data; boundary=x",
            '{part}name="a"; filename="b"\r\n\r\n' + "a" * 2_000_000,
            413,
        ),
    ],
)
def test_a_form_of_another_shape(
    page: Page, world: World, evil: str, kind: str, body: str, status: int
) -> None:
    """It starts nothing, and keeps nothing on the disk."""
    part = "--x\r\nContent-Disposition: form-data; "
    sent = body.format(evil=evil, server=world.server.url, part=part)
    try:
        answer = page.ask("POST", "/swarm", body=sent, **{"Content-Type": kind})
    except ConnectionError:
        assert status == 413  # it hung up before all of it was written
        return
    assert answer.status == status
    if status == 200:
        assert json.loads(answer.text)["success"] is False


def test_what_may_be_said_starts_a_run_that_only_we_can_stop(page: Page, world: World) -> None:
    """The profile by its name, with the fields that the page always sends."""
    sent = {"user_count": "0", "spawn_rate": "0", "run_time": "", "capacity": "false"}
    begun = page.swarm(host=world.server.url, profile="tiny", **sent)
    assert begun["success"] is True, begun
    world.process.wait_for(lambda: list(world.folder.glob("out/*")), "begun")
    assert page.ask("POST", "/stop", Origin="https://evil.example").status == 403
    assert page.ask("POST", "/stop", login=False).status == 302
    assert "a run is under way" in page.swarm(profile="tiny")["message"]
    assert page.ask("POST", "/stop", Origin=f"http://127.0.0.1:{page.port}").status == 200
    world.process.wait_for(lambda: list(world.folder.glob("out/*/summary.json")), "written")


def test_nothing_else_came_of_it(world: World) -> None:
    """After all that was asked above."""
    with pytest.raises(TimeoutError):
        world.stranger.accept()
    assert len(list(world.folder.glob("out/*"))) <= 1
    assert not list(world.folder.glob("written*"))
    assert TOKEN not in world.process.output
    assert "Traceback" not in world.process.output
