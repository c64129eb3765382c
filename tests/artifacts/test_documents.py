"""Documents over HTTP: bounds of time, and addresses that are not asked."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airfreight.artifacts.documents import DocumentClient, Egress, document_client, egress_client
from airfreight.errors import ArtifactError, TransientError
from airfreight.model.credential import Credential
from tests.certificates import private_authority
from tests.document_server import DocumentServer, Sent


@pytest.fixture
def server() -> Iterator[DocumentServer]:
    with DocumentServer() as server:
        yield server


def dripping() -> Iterator[bytes]:
    for _ in itertools.repeat(None, 50):
        time.sleep(0.1)
        yield b"."


async def test_bytes_that_drip_buy_no_time(server: DocumentServer) -> None:
    server.answers["/page"] = Sent(dripping())
    egress = Egress(allow_loopback=True)
    began = time.monotonic()
    async with egress_client(egress) as http:
        client = DocumentClient(http, egress, seconds=0.5)
        with pytest.raises(TransientError) as caught:
            await client.get(f"{server.url}/page", limit=1000)
    assert str(caught.value) == f"{server.url}/page took longer than 0.5 s"
    assert time.monotonic() - began < 4


REFUSED = {
    "a login": (
        "https://robot:s3cret@example.com/page",
        "a URL with a login in it is not asked; make a Connection instead",
    ),
    "another scheme": (
        "ftp://example.com/page",
        "ftp://example.com/page is no URL that can be asked",
    ),
    "no host": ("https:///page", "https:///page is no URL that can be asked"),
    "cloud metadata by another spelling": (
        "http://[::ffff:169.254.169.254]/latest",
        "::ffff:169.254.169.254 leads to ::ffff:169.254.169.254, a link-local address: "
        "requests there are refused",
    ),
}


@pytest.mark.parametrize(("url", "message"), REFUSED.values(), ids=REFUSED)
async def test_what_is_not_asked_is_told(url: str, message: str) -> None:
    async with document_client(Egress(allow_loopback=True)) as client:
        with pytest.raises(ArtifactError) as caught:
            await client.get(url, limit=1000)
    assert str(caught.value) == message


async def test_nobody_is_led_from_https_to_http(server: DocumentServer, tmp_path: Path) -> None:
    authority, tls = private_authority(tmp_path)
    egress = Egress(Credential("", "", ca_certificate=authority), allow_loopback=True)
    with DocumentServer(tls) as secure:
        target = f"{server.url}/page"
        secure.answers["/page"] = Sent(status=302, headers={"Location": target})
        async with document_client(egress) as client:
            with pytest.raises(ArtifactError) as caught:
                await client.get(f"{secure.url}/page", limit=1000)
        assert str(caught.value) == (
            f"{secure.url}/page redirects from https to http; not followed"
        )
    assert server.asked == []


async def test_a_date_after_which_to_come_back_is_passed_on(server: DocumentServer) -> None:
    over = {"Retry-After": "Thu, 01 Jan 2026 00:00:00 GMT"}
    server.answers["/page"] = Sent(status=429, headers=over)
    async with document_client(Egress(allow_loopback=True)) as client:
        with pytest.raises(TransientError) as caught:
            await client.get(f"{server.url}/page", limit=1000)
    assert caught.value.retry_after == 0


async def test_a_server_that_is_not_there_may_be_tried_again() -> None:
    with DocumentServer() as server:
        gone = server.url
    async with document_client(Egress(allow_loopback=True)) as client:
        with pytest.raises(TransientError) as caught:
            await client.get(f"{gone}/page", limit=1000)
    assert str(caught.value) == f"{gone.removeprefix('http://')} did not answer: ConnectError"
