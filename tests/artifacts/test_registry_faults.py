"""What a registry may do wrong, over real HTTP, and the exact words for it."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

import httpx
import pytest

from airfreight.artifacts.oci.client import RegistryClient
from airfreight.artifacts.oci.pace import Pace
from airfreight.artifacts.tls import tls_context
from airfreight.errors import (
    ArtifactError,
    AuthenticationError,
    NotFoundError,
    TransientError,
)
from airfreight.model.credential import Credential
from tests.certificates import private_authority
from tests.scripted_registry import IMAGE, Asked, Images, Reply, ScriptedRegistry, json_reply

NAME = "acme/web"
LOGIN = Credential("robot", "s3cret-word")
BASIC = "Basic " + base64.b64encode(b"robot:s3cret-word").decode()
SECONDS = 1.0


@asynccontextmanager
async def client_of(
    host: str, credential: Credential | None = LOGIN, *, tls: bool = False, verify: bool = True
) -> AsyncIterator[RegistryClient]:
    context = tls_context(verify=verify)
    async with httpx.AsyncClient(verify=context, trust_env=False) as http:
        yield RegistryClient(
            http,
            host=host,
            credential=credential,
            plain_http=not tls,
            allow_credentials_over_http=True,
            pace=Pace(100_000),
            seconds=SECONDS,
        )


def challenge(value: str) -> Reply:
    return Reply(401, headers={"WWW-Authenticate": value})


def token_script(token: Reply, opened: Reply) -> Callable[[Asked], Reply]:
    """Ask for a token of a realm on the same host, and answer to a token with `opened`."""

    def answer(asked: Asked) -> Reply:
        if asked.path == "/token":
            return token
        if asked.headers.get("authorization", "").startswith("Bearer "):
            return opened
        return challenge(f'Bearer realm="http://{asked.headers["host"]}/token"')

    return answer


def endless(tags: int) -> Callable[[Asked], Reply]:
    def answer(asked: Asked) -> Reply:
        page = int(asked.query.get("last", ["0"])[0])
        link = f'</v2/{NAME}/tags/list?last={page + 1}>; rel="next"'
        return json_reply({"tags": [f"{page}.{number}.0" for number in range(tags)]}, Link=link)

    return answer


def again(asked: Asked) -> Reply:
    return json_reply({"tags": ["1"]}, Link=f'</v2/{NAME}/tags/list?n=1000>; rel="next"')


def turning(asked: Asked) -> Reply:
    return Reply(307, headers={"Location": asked.path})


def pieces(count: int, piece: bytes = b" " * 2**20) -> Iterator[bytes]:
    for _ in range(count):
        yield piece


def _http_date(seconds: float) -> str:
    return formatdate(time.time() + seconds, usegmt=True)


TOKEN = json_reply({"token": "t0ken"})
MANY = b'{"tags": [' + b'"a",' * 300_000 + b'"a"]}'
SAYS: list[tuple[str, Any, type[ArtifactError], str]] = [
    (
        "no such repository",
        Reply(404),
        NotFoundError,
        "{host}/acme/web: there is no such repository",
    ),
    (
        "a wrong password",
        challenge("Basic realm=x"),
        AuthenticationError,
        "{host}/acme/web refused the login (HTTP 401); check its Connection",
    ),
    (
        "a login without rights",
        lambda asked: (
            Reply(403) if "authorization" in asked.headers else challenge("Basic realm=x")
        ),
        AuthenticationError,
        "{host}/acme/web accepted the login, but does not open the repository to it (HTTP 403): there is no"
        " such repository, or the login may not read it; check its name and the login's rights",
    ),
    (
        "a wrong password at the realm",
        token_script(Reply(401), Reply()),
        AuthenticationError,
        "the token realm {host} of {host} refused the login (HTTP 401)",
    ),
    (
        "a token that opens nothing",
        token_script(TOKEN, Reply(401)),
        AuthenticationError,
        "{host}/acme/web accepted the login, but does not open the repository to it (HTTP 401): there is no"
        " such repository, or the login may not read it; check its name and the login's rights",
    ),
    (
        "no realm",
        token_script(Reply(404), Reply()),
        ArtifactError,
        "the token realm {host} of {host} answered HTTP 404",
    ),
    (
        "a realm without token",
        token_script(json_reply({}), Reply()),
        AuthenticationError,
        "{host} sent no token for {host}",
    ),
    (
        "a realm that is no address",
        challenge('Bearer realm="https://[x"'),
        AuthenticationError,
        "{host} names a token realm that is no address",
    ),
    (
        "another kind of login",
        challenge("Negotiate"),
        AuthenticationError,
        "{host} asks for an unknown kind of login; Basic and Bearer are known",
    ),
    (
        "too many requests",
        Reply(429, headers={"Retry-After": "17"}),
        TransientError,
        "{host}/acme/web answered HTTP 429",
    ),
    ("a server error", Reply(500), TransientError, "{host}/acme/web answered HTTP 500"),
    (
        "truncated JSON",
        Reply(body=b'{"tags": ["1.0.0", "1.'),
        ArtifactError,
        "the registry sent a list of tags that is not a JSON object",
    ),
    (
        "an answer that breaks off",
        Reply(body=b'{"tags": ["1.0.0"', length=5000),
        TransientError,
        "{host} broke off its answer",
    ),
    (
        "bytes dripping",
        lambda asked: Reply(body=pieces(100, b" "), pause=0.1),
        TransientError,
        "{host} did not finish its answer within 1 s",
    ),
    (
        "no answer",
        lambda asked: Reply(body=pieces(1), pause=2.0),
        TransientError,
        "{host} did not finish its answer within 1 s",
    ),
    (
        "tags that are none",
        json_reply({"tags": [1, 2]}),
        ArtifactError,
        "{host}/acme/web sent a list of tags that is none",
    ),
    (
        "a page too long",
        lambda asked: Reply(body=pieces(100)),
        ArtifactError,
        "127.0.0.1 sent more than 8388608 bytes",
    ),
    (
        "a page of too many",
        Reply(body=MANY),
        ArtifactError,
        "the registry sent a list of tags of more than 200000 values",
    ),
    (
        "pages of tags without end",
        endless(5000),
        ArtifactError,
        "{host}/acme/web has more than 200000 tags or 33554432 characters of them; delete old ones, or"
        " watch another repository",
    ),
    (
        "a page that comes again",
        again,
        ArtifactError,
        "{host}/acme/web has a list of tags without end: a page comes again",
    ),
    (
        "a page elsewhere",
        json_reply({"tags": []}, Link='<http://evil.example/v2/>; rel="next"'),
        ArtifactError,
        "{host} names a next page on another host, 'evil.example'; it is not followed",
    ),
    (
        "a page at no address",
        json_reply({"tags": []}, Link='<http://[x>; rel="next"'),
        ArtifactError,
        "{host} names a next page by an address that is none",
    ),
    ("redirects without end", turning, ArtifactError, "{host} redirects more than 5 times"),
]


@pytest.mark.parametrize(
    ("script", "kind", "message"), [row[1:] for row in SAYS], ids=[row[0] for row in SAYS]
)
async def test_a_fault_has_its_message_and_ends_in_time(script, kind, message):
    answer = script if callable(script) else lambda asked: script
    started = time.monotonic()
    with ScriptedRegistry(answer) as registry:
        async with client_of(registry.host) as client:
            with pytest.raises(ArtifactError) as caught:
                await client.list_tags(NAME)
    assert (type(caught.value), str(caught.value)) == (kind, message.format(host=registry.host))
    assert time.monotonic() - started < 60


async def test_an_anonymous_visit_that_is_refused_names_both_causes():
    with ScriptedRegistry(token_script(TOKEN, Reply(401))) as registry:
        async with client_of(registry.host, credential=None) as client:
            with pytest.raises(AuthenticationError) as caught:
                await client.list_tags(NAME)
    assert str(caught.value) == (
        f"{registry.host}/acme/web refused an anonymous visit (HTTP 401): there is no such repository, or"
        " it needs a login; check its name, or make a Connection for it"
    )


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("17", 17, 17),
        (_http_date(86400), 80_000, 86_400),
        (_http_date(-60), 0, 0),
        ("soon", None, None),
        ("Fri, 31 Dec 9999 23:59:59 -2300", None, None),
    ],
    ids=["seconds", "date", "past", "nonsense", "none in UTC"],
)
async def test_the_wait_of_a_busy_registry_is_passed_on(header, low, high):
    with ScriptedRegistry(lambda asked: Reply(429, headers={"Retry-After": header})) as registry:
        async with client_of(registry.host) as client:
            with pytest.raises(TransientError) as caught:
                await client.list_tags(NAME)
    wait = caught.value.retry_after
    assert wait is low is None or low <= wait <= high


async def test_a_token_for_longer_than_can_be_counted_is_a_token():
    token = json_reply({"token": "t0ken", "expires_in": 10**400})
    with ScriptedRegistry(token_script(token, json_reply({"tags": ["1"]}))) as registry:
        async with client_of(registry.host) as client:
            assert await client.list_tags(NAME) == ["1"]


async def test_a_registry_that_is_down_did_not_answer():
    with ScriptedRegistry(lambda asked: Reply()) as registry:
        pass
    async with client_of(registry.host) as client:
        with pytest.raises(TransientError) as caught:
            await client.list_tags(NAME)
    assert str(caught.value) == f"{registry.host} did not answer: ConnectError"


async def test_a_certificate_that_is_not_trusted_is_named(tmp_path):
    authority, tls = private_authority(tmp_path)
    with ScriptedRegistry(lambda asked: json_reply({"tags": ["1"]}), tls) as registry:
        async with client_of(registry.host, tls=True) as client:
            with pytest.raises(ArtifactError) as caught:
                await client.list_tags(NAME)
        async with client_of(registry.host, tls=True, verify=False) as client:
            assert await client.list_tags(NAME) == ["1"]
        context = tls_context(verify=True, authority=authority)
        async with httpx.AsyncClient(verify=context, trust_env=False) as http:
            trusting = RegistryClient(http, host=registry.host, credential=None)
            assert await trusting.list_tags(NAME) == ["1"]
    assert str(caught.value).startswith(
        f"{registry.host} has a certificate that is not trusted: unable to get local issuer"
    )


async def test_a_manifest_of_100_mb_is_not_read_to_its_end():
    sent = 0

    def huge() -> Iterator[bytes]:
        nonlocal sent
        for piece in pieces(100):
            yield piece
            sent += len(piece)

    with ScriptedRegistry(lambda asked: Reply(body=huge())) as registry:
        async with client_of(registry.host) as client:
            tracemalloc.start()
            with pytest.raises(ArtifactError) as caught:
                await client.get_manifest(NAME, "1.0.0")
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert str(caught.value) == "127.0.0.1 sent more than 4194304 bytes"
    assert sent < 50 * 2**20
    assert peak < 30 * 2**20


async def test_a_repository_that_moved_is_followed_without_the_login():
    images = Images("new/home")
    digest = images.push("1.0.0")
    with ScriptedRegistry(images) as home:

        def moved(asked: Asked) -> Reply:
            if asked.headers.get("authorization") != BASIC:
                return challenge("Basic realm=x")
            place = asked.path.replace(NAME, "new/home")
            return Reply(301, headers={"Location": f"http://{home.host}{place}"})

        with ScriptedRegistry(moved) as registry:
            async with client_of(registry.host) as client:
                assert await client.list_tags(NAME) == ["1.0.0"]
                assert await client.head_digest(NAME, "1.0.0") == digest
                manifest = await client.get_manifest(NAME, "1.0.0")
                assert (await client.created_at(NAME, manifest)) is not None
        assert not any("authorization" in asked.headers for asked in home.asked)


async def test_a_next_page_on_another_host_gets_no_request_at_all():
    with ScriptedRegistry(lambda asked: json_reply({"tags": []})) as evil:
        link = f'<http://{evil.host}/v2/{NAME}/tags/list?last=1>; rel="next"'
        with ScriptedRegistry(lambda asked: json_reply({"tags": []}, Link=link)) as registry:
            async with client_of(registry.host) as client:
                with pytest.raises(ArtifactError, match="names a next page on another host"):
                    await client.list_tags(NAME)
        assert evil.requests() == []


@dataclass
class Realm:
    """Gives tokens that hold for `lifetime` seconds, and counts them."""

    lifetime: int
    given: int = 0

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == "/token":
            self.given += 1
            return json_reply({"token": f"t{self.given}", "expires_in": self.lifetime})
        if asked.headers.get("authorization") == f"Bearer t{self.given}":
            return json_reply({"tags": ["1"]})
        return challenge(f'Bearer realm="http://{asked.headers["host"]}/token"')


async def test_a_token_is_renewed_before_it_ends_without_another_refusal():
    realm = Realm(lifetime=1)
    with ScriptedRegistry(realm) as registry:
        async with client_of(registry.host) as client:
            assert await client.list_tags(NAME) == ["1"]
            registry.requests()
            await asyncio.sleep(0.6)
            assert await client.list_tags(NAME) == ["1"]
            assert registry.requests() == ["GET /token", f"GET /v2/{NAME}/tags/list"]
    assert realm.given == 2


async def test_a_token_that_was_taken_back_early_is_replaced():
    realm = Realm(lifetime=3600)
    with ScriptedRegistry(realm) as registry:
        async with client_of(registry.host) as client:
            await client.list_tags(NAME)
            realm.given += 1
            assert await client.list_tags(NAME) == ["1"]


async def test_a_manifest_that_is_none_says_so():
    body = json.dumps({"mediaType": "text/plain"}).encode()
    for reply, message in [
        (Reply(body=body), "a manifest of an unknown media type: 'text/plain'"),
        (Reply(body=b"[" * 100_000), "the registry sent a manifest that is not a JSON object"),
        (
            Reply(body=b"{}", headers={"Content-Type": IMAGE, "Docker-Content-Digest": "sha256:0"}),
            "sent content of sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a as"
            " sha256:0",
        ),
    ]:
        with ScriptedRegistry(lambda asked, reply=reply: reply) as registry:
            async with client_of(registry.host) as client:
                with pytest.raises(ArtifactError) as caught:
                    await client.get_manifest(NAME, "1.0.0")
        assert str(caught.value).endswith(message)
