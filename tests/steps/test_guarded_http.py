from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from airfreight.artifacts.guarded_http import guarded_client, refusal, send_following
from airfreight.errors import RefusedError
from tests.serving import QuietHandler, running


class Handler(QuietHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        seen = self.headers.get("Authorization", "-") + self.headers.get("X-Token", "-")
        self.send_response(200)
        self.end_headers()
        if self.path == "/slow":
            for _ in range(30):
                self.wfile.write(b".")
                self.wfile.flush()
                time.sleep(0.1)
        self.wfile.write(seen.encode())


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        yield url


def get(url: str, timeout: float = 5, *, allow_loopback: bool = True) -> str:
    with guarded_client(allow_loopback=allow_loopback, timeout=timeout) as client:
        headers = {"Authorization": "a", "X-Token": "t"}
        response = send_following(client, client.build_request("GET", url, headers=headers))
        return response.read().decode()


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "100.100.100.200",
        "fe80::1%eth0",
        "64:ff9b::a9fe:a9fe",
        "224.0.0.1",
    ],
)
def test_metadata_and_link_local_are_refused_whatever_is_set(address: str):
    assert refusal(address, allow_loopback=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1"])
def test_loopback_is_refused_unless_allowed(address: str):
    assert refusal(address, allow_loopback=False)
    assert refusal(address, allow_loopback=True) is None


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "172.16.0.1", "93.184.216.34"])
def test_internal_and_public_addresses_are_reached(address: str):
    assert refusal(address, allow_loopback=False) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f000001", "0177.1", "localhost"])
def test_every_spelling_of_loopback_is_refused(host: str):
    with pytest.raises(RefusedError, match="loopback"):
        get(f"http://{host}:9/", allow_loopback=False)


def test_an_answer_of_the_names_that_changes_leads_nowhere_unchecked(
    server: str, monkeypatch: pytest.MonkeyPatch
):
    """Guards: one look-up a connection, whose every address is checked, and the connection to a checked address."""
    answers = [["127.0.0.1"], ["169.254.169.254"], ["127.0.0.1", "169.254.169.254"]]
    left = iter(answers)
    real = socket.getaddrinfo

    def look_up(host: str, *arguments: Any, **options: Any) -> list[Any]:
        hosts = next(left) if host == "rebinding.example" else [host]
        return [found for one in hosts for found in real(one, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    url = f"{server.replace('127.0.0.1', 'rebinding.example')}/seen"
    assert get(url) == "at"
    for _ in answers[1:]:
        with pytest.raises(
            RefusedError, match=r"leads to 169\.254\.169\.254, a link-local address"
        ):
            get(url)


def test_a_redirect_to_metadata_is_refused(server: str):
    with pytest.raises(RefusedError, match="link-local"):
        get(f"{server}/to?http://169.254.169.254/latest")


def test_a_redirect_keeps_headers_at_its_origin_and_drops_them_elsewhere(server: str):
    assert get(f"{server}/to?/seen") == "at"
    assert get(f"{server}/to?{server.replace('127.0.0.1', 'localhost')}/seen") == "--"


def test_a_slow_body_ends_at_the_timeout(server: str):
    begun = time.monotonic()
    with pytest.raises(httpx.TimeoutException):
        get(f"{server}/slow", timeout=0.5)
    assert time.monotonic() - begun < 2


def test_the_proxies_of_the_environment_are_not_used(server: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert get(f"{server}/seen") == "at"
