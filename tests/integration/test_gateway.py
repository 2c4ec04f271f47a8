"""Through a proxy, to a gateway that wants a certificate and a header: sessions and runs."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gateway import Gateway, gateway
from processes import (
    HOST,
    READY_BOTH,
    READY_LOADKIT,
    READY_LOCUST,
    SECRETS,
    TOKEN,
    Simulator,
    forked,
    free_port,
    profile,
    results,
    run,
    simulator,
    started,
    summary,
    unless_busy,
)

from loadkit import cli
from loadkit.check_server.table import CHECKS
from loadkit.errors import Failure, RemoteError, UsageError
from loadkit.net.http.rest import Api
from loadkit.net.http.target import Target
from loadkit.net.websocket.link import Link, Traffic
from loadkit.network import Network
from loadkit.security.credentials import Credentials

GATE_KEY = "gate-secret-77aa"
PROXY_PASSWORD = "proxy-secret-55bb"
HIDDEN = (TOKEN, GATE_KEY, PROXY_PASSWORD, "cHJveHktc2Vj")
"""What nobody may see; the last is how the password looks in a header."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulator(tmp_path_factory.mktemp("simulator")) as running:
        yield running


@pytest.fixture
def gate(server: Simulator, tmp_path: Path) -> Iterator[Gateway]:
    with gateway(server.url, tmp_path) as running:
        yield running


@pytest.fixture
def resolve(gate: Gateway) -> Callable[..., Target]:
    """The target behind proxy and gateway, with some options more or other than it takes."""

    def resolved(login: str = "", url: str = "", **other: Any) -> Target:
        papers, options = gate.papers, {"insecure": False, "key": None}
        options |= {"ca": str(papers.ca), "cert": str(papers.client), "header": ["X-Gate=GATE"]}
        proxy = f"http://{login}127.0.0.1:{gate.proxy_port}"
        environment = {"GATE": GATE_KEY, "HTTPS_PROXY": proxy, "HTTP_PROXY": proxy}
        network = Network.of(options | other, environment)
        return Target.resolve(url or f"https://shop.test:{gate.port}", network)

    return resolved


def live(target: Target) -> None:
    """A token, a session, and its socket."""
    api = Api(target, Credentials(TOKEN, HOST), sleep=lambda _: None)
    with gevent.Timeout(20):
        try:
            token = api.access_token()
            session = api.create_session(token, streaming=False)
        finally:
            api.close()
        link = Link.open(target, f"session_id={session}&access_token={token}", Traffic())
        assert link.receive(None)
        link.close()


def refused(target: Target) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        live(target)
    assert not [secret for secret in HIDDEN if secret in repr(caught.value)]
    return caught.value


class TestOneSession:
    def test_rest_and_socket_pass_the_proxy_and_the_gateway(
        self, gate: Gateway, resolve: Callable[..., Target]
    ) -> None:
        live(resolve(f"me:{PROXY_PASSWORD}@"))
        # A connection for the calls and one for the socket.
        assert len(gate.tunnels) == len(gate.heads) == 2
        for head in gate.tunnels:
            assert head.startswith(f"CONNECT shop.test:{gate.port} HTTP/1.1\r\n")
            assert "Proxy-Authorization: Basic bWU6cHJveHktc2VjcmV0LTU1YmI=\r\n" in head
            assert GATE_KEY not in head
        for head in gate.heads:
            assert f"X-Gate: {GATE_KEY}\r\n" in head
            assert f"Host: shop.test:{gate.port}\r\n" in head
            assert "proxy" not in head.lower()

    def test_a_target_without_tls_is_reached_by_a_tunnel_too(
        self, gate: Gateway, server: Simulator, resolve: Callable[..., Target]
    ) -> None:
        port = server.url.rpartition(":")[2]
        live(resolve(url=f"http://shop.test:{port}", ca=None, cert=None))
        assert [head.partition("\r\n")[0] for head in gate.tunnels] == [
            f"CONNECT shop.test:{port} HTTP/1.1"
        ] * 2

    def test_certificate_and_key_may_stand_in_two_files(
        self, gate: Gateway, resolve: Callable[..., Target]
    ) -> None:
        papers = gate.papers
        live(resolve(cert=str(papers.client_cert), key=str(papers.client_key)))

    def test_insecure_asks_for_no_authority_and_no_name(
        self, gate: Gateway, resolve: Callable[..., Target]
    ) -> None:
        live(resolve(url=f"https://other.test:{gate.port}", ca=None, insecure=True))

    @pytest.mark.parametrize("other", [{"ca": None}, {"url": "https://other.test:{}"}])
    def test_without_it_both_are_asked_for(
        self, gate: Gateway, resolve: Callable[..., Target], other: dict[str, Any]
    ) -> None:
        if "url" in other:
            other = {"url": other["url"].format(gate.port)}
        assert refused(resolve(**other)).kind == Failure.TLS_FAILED
        assert gate.heads == []

    @pytest.mark.parametrize(
        ("answer", "kind", "words"),
        [
            (b"HTTP/1.1 407 Proxy Authentication Required", Failure.PROXY_REFUSED, "wants a login"),
            (b"HTTP/1.1 403 Forbidden", Failure.PROXY_REFUSED, "HTTP 403 Forbidden"),
            (b"HTTP/1.1 502 Bad Gateway", Failure.CONNECT_REFUSED, "HTTP 502 Bad Gateway"),
            (b"HTTP/1.1 504", Failure.CONNECT_TIMEOUT, "HTTP 504"),
            (b"HTTP/1.1 200 OK\r\n\r\nwho speaks here", Failure.PROXY_REFUSED, "like an HTTP pro"),
            (b"SSH-2.0-OpenSSH_9.6", Failure.PROXY_REFUSED, "like an HTTP proxy"),
            (b"", Failure.CONNECTION_LOST, "closed before an answer"),
        ],
    )
    def test_a_proxy_that_opens_no_way_is_named(
        self,
        gate: Gateway,
        resolve: Callable[..., Target],
        answer: bytes,
        kind: Failure,
        words: str,
    ) -> None:
        gate.refusal = answer and answer + b"\r\n\r\n"
        error = refused(resolve())
        assert (error.kind, error.status) == (kind, None)
        assert f"the proxy http://127.0.0.1:{gate.proxy_port} (HTTPS_PROXY)" in error.detail
        assert words in error.detail

    def test_a_login_that_is_not_taken_is_told_as_such(
        self, gate: Gateway, resolve: Callable[..., Target]
    ) -> None:
        gate.refusal = b"HTTP/1.1 407 Nope\r\n\r\n"
        assert "does not take the login" in refused(resolve(f"me:{PROXY_PASSWORD}@")).detail

    def test_a_proxy_that_is_not_there_is_named(self, resolve: Callable[..., Target]) -> None:
        target = resolve()
        target.addresses = ((2, ("127.0.0.9", 9)),)
        error = refused(target)
        assert error.kind == Failure.CONNECT_REFUSED
        assert error.detail.startswith("the proxy http://127.0.0.1:")

    @pytest.mark.parametrize(
        ("other", "words"),
        [
            ({"ca": "/nowhere/ca.pem"}, "--ca /nowhere/ca.pem: No such file"),
            ({"ca": __file__}, "it is not a PEM file with one certificate"),
            ({"cert": "/nowhere/me.pem"}, "--cert /nowhere/me.pem: No such file"),
            ({"cert": __file__}, "it is not a PEM certificate"),
            ({"url": "http://shop.test"}, "http://shop.test has no TLS"),
        ],
    )
    def test_files_that_will_not_do_are_told_before_anything_is_sent(
        self, resolve: Callable[..., Target], other: dict[str, Any], words: str
    ) -> None:
        with pytest.raises(UsageError, match=words):
            resolve(**other)

    def test_a_key_of_another_certificate_is_told(
        self, gate: Gateway, resolve: Callable[..., Target], tmp_path: Path
    ) -> None:
        import trustme

        other = tmp_path / "other.key"
        trustme.CA().issue_cert("x.test").private_key_pem.write_to_path(other)
        with pytest.raises(UsageError, match="the key is not that of the certificate"):
            resolve(cert=str(gate.papers.client_cert), key=str(other))

    def test_a_key_with_a_pass_phrase_asks_nobody(
        self, gate: Gateway, resolve: Callable[..., Target], tmp_path: Path
    ) -> None:
        from cryptography.hazmat.primitives import serialization

        key = serialization.load_pem_private_key(gate.papers.client_key.read_bytes(), None)
        locked = tmp_path / "locked.key"
        locked.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"open sesame"),
            )
        )
        with pytest.raises(UsageError, match="has a pass phrase"):
            resolve(cert=str(gate.papers.client_cert), key=str(locked))


class TestACheck:
    def test_a_server_is_checked_through_proxy_and_gateway(
        self, gate: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Every row, by every path, and no secret in what is told."""
        proxy = f"http://me:{PROXY_PASSWORD}@127.0.0.1:{gate.proxy_port}"
        for name, value in (SECRETS | {"HTTPS_PROXY": proxy, "GATE": GATE_KEY}).items():
            monkeypatch.setenv(name, value)
        papers = gate.papers
        words = ["--host", f"https://shop.test:{gate.port}", "--header", "X-Gate=GATE"]
        words += ["--ca", str(papers.ca), "--cert", str(papers.client)]
        assert cli.main(["check-server", "--json", *words]) == 0
        told = capsys.readouterr()
        counts = json.loads(told.out)["counts"]
        assert counts == {"not seen": 2, "ok": len(CHECKS) - 2, "differs, allowed": 0, "wrong": 0}
        assert f"by the proxy http://127.0.0.1:{gate.proxy_port} (HTTPS_PROXY)" in told.err
        assert all(f"X-Gate: {GATE_KEY}\r\n" in head for head in gate.heads)
        assert not [secret for secret in HIDDEN if secret in told.out + told.err]


def everything_below(folder: Path) -> str:
    return "\n".join(path.read_text() for path in folder.rglob("*") if path.is_file())


class TestWholeRuns:
    def test_a_run_passes_proxy_and_gateway_and_gives_nothing_away(
        self, gate: Gateway, tmp_path: Path
    ) -> None:
        """Two workers, which read the files and variables for themselves."""
        out, papers = tmp_path / "out", gate.papers
        proxy = f"http://me:{PROXY_PASSWORD}@127.0.0.1:{gate.proxy_port}"
        ended = run(
            [
                *(READY_BOTH, "run", profile(tmp_path), "--out", out, "--workers", "2"),
                *("--host", f"https://shop.test:{gate.port}", "--header", "X-Gate=GATE_KEY"),
                *("--ca", papers.ca, "--cert", papers.client_cert, "--key", papers.client_key),
            ],
            tmp_path,
            SECRETS | {"https_proxy": proxy, "GATE_KEY": GATE_KEY},
        )
        told = summary(out)
        assert ended.code == unless_busy(0, told), ended.output
        assert told["sessions"]["completed"]
        assert not told["errors"]
        assert len(gate.heads) > 2 * told["sessions"]["completed"]
        assert len(gate.tunnels) >= len(gate.heads)  # one may be cut off in between
        assert all(f"X-Gate: {GATE_KEY}\r\n" in head for head in gate.heads)
        named = f"the proxy http://127.0.0.1:{gate.proxy_port} (HTTPS_PROXY)"
        assert told["notes"] == [f"through {named}, whose time is in every latency"]
        assert f"through {named}" in ended.output
        network = json.loads((results(out) / "run.json").read_text())["network"]
        assert network == {
            "ca": str(papers.ca),
            "cert": str(papers.client_cert),
            "key": str(papers.client_key),
            "headers": {"X-Gate": "GATE_KEY"},
            "proxy": named,
        }
        said = ended.output + everything_below(out)
        assert not [secret for secret in HIDDEN if secret in said]

    def test_locusts_own_way_does_without_verifying_and_says_so(
        self, gate: Gateway, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        ended = run(
            [
                *(
                    READY_LOCUST,
                    "--headless",
                    "--profile",
                    profile(tmp_path),
                    "--out",
                    out,
                    *forked(1),
                ),
                *("-H", f"https://localhost:{gate.port}", "--insecure"),
                *("--cert", gate.papers.client),
            ],
            tmp_path,
            SECRETS,
        )
        told = summary(out)
        assert ended.code == unless_busy(0, told), ended.output
        assert told["sessions"]["completed"]
        assert told["notes"] == ["TLS certificates were not verified (--insecure)"]
        said = ended.output.splitlines()
        (verdict,) = [line for line in said if line.startswith(("PASS", "INVALID"))]
        assert verdict.endswith("TLS certificates were not verified (--insecure)")
        for name in ("summary.md", "junit.xml", "run.json"):
            assert "insecure" in (results(out) / name).read_text()

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--insecure"], "http://127.0.0.1 has no TLS"),
            (["--header", "X-Gate=NOT_SET"], "the environment variable that it names is not set"),
        ],
    )
    def test_what_cannot_be_done_is_told_before_anything_starts(
        self, tmp_path: Path, options: list[str], words: str
    ) -> None:
        ended = run([READY_LOADKIT, "run", "smoke", "--out", tmp_path / "out", *options], tmp_path)
        assert ended.code == 2
        assert words in ended.output
        assert not (tmp_path / "out").exists()

    def test_a_worker_of_its_own_gets_it_all_from_its_master(self, tmp_path: Path) -> None:
        port = str(free_port())
        master = [
            READY_LOCUST,
            "--master",
            "--profile",
            profile(tmp_path),
            "-H",
            "http://127.0.0.1",
        ]
        master += ["--master-bind-port", port, "--web-port", str(free_port())]
        worker = [READY_LOCUST, "--worker", "--master-port", port, "--header", "X-Gate=GATE_KEY"]
        with started(master, tmp_path, SECRETS):
            ended = run(worker, tmp_path, SECRETS)
        assert ended.code == 2
        assert "the master tells its workers the way to the target" in ended.output
