import io
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from airfreight.artifacts.oci.client import RegistryClient
from airfreight.artifacts.oci.pace import Pace
from airfreight.artifacts.oci.protocol import IMAGE_TYPES, digest_of
from airfreight.errors import (
    ArtifactError,
    AuthenticationError,
    NotFoundError,
    TransientError,
)
from airfreight.model.credential import Credential

CREDENTIAL = Credential("robot", "s3cret-word")
INDEX = (Path(__file__).parent / "responses/hub_index.json").read_bytes()
Handler = Callable[[httpx.Request], httpx.Response]


class Registry:
    """Answers by `handler` and keeps what it was asked."""

    def __init__(self, handler: Handler, host: str = "r.example", **arguments) -> None:
        self.requests: list[httpx.Request] = []
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer), trust_env=False)
        arguments = {"credential": CREDENTIAL, "pace": Pace(10_000), **arguments}
        self.client = RegistryClient(http, host=host, **arguments)
        self._handler = handler

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._handler(request)

    def hosts_that_saw_the_login(self) -> set[str]:
        return {r.url.host for r in self.requests if r.headers.get("authorization")}


def bearer(realm: str) -> Handler:
    def answer(request: httpx.Request) -> httpx.Response:
        if "token" in request.url.path:
            return httpx.Response(200, json={"token": "t0ken"})
        if request.headers.get("authorization") == "Bearer t0ken":
            return httpx.Response(200, json={"name": "a/b", "tags": ["1"]})
        challenge = f'Bearer realm="{realm}",service="r.example"'
        return httpx.Response(401, headers={"WWW-Authenticate": challenge})

    return answer


async def test_a_token_is_fetched_once_for_all_requests():
    registry = Registry(bearer("https://auth.example/token"))
    assert await registry.client.list_tags("a/b") == ["1"]
    assert await registry.client.list_tags("a/b") == ["1"]
    paths = [request.url.path for request in registry.requests]
    assert paths.count("/token") == 1
    assert "scope=repository%3Aa%2Fb%3Apull" in str(registry.requests[1].url)


async def test_docker_hub_answers_at_its_own_api():
    registry = Registry(lambda _: httpx.Response(200, json={"tags": None}), host="docker.io")
    assert await registry.client.list_tags("library/nginx") == []
    assert registry.requests[0].url.host == "registry-1.docker.io"


@pytest.mark.parametrize("realm", ["http://evil.example/token", "http://127.0.0.1:8080/token"])
async def test_a_realm_on_plain_http_elsewhere_is_never_asked(realm):
    registry = Registry(bearer(realm), allow_credentials_over_http=True)
    with pytest.raises(AuthenticationError, match="token realm at another place over plain http"):
        await registry.client.list_tags("a/b")
    assert {request.url.host for request in registry.requests} == {"r.example"}


async def test_pages_are_followed_on_the_same_host():
    def answer(request: httpx.Request) -> httpx.Response:
        if "last" in request.url.params:
            return httpx.Response(200, json={"tags": ["2"]})
        link = '</v2/a/b/tags/list?last=1&n=1>; rel="next"'
        return httpx.Response(200, json={"tags": ["1"]}, headers={"Link": link})

    assert await Registry(answer).client.list_tags("a/b") == ["1", "2"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, NotFoundError),
        (500, TransientError),
        (429, TransientError),
        (302, ArtifactError),
        (418, ArtifactError),
    ],
)
async def test_an_answer_becomes_the_error_it_means(status, error):
    headers = {"Location": "https://evil.example/", "WWW-Authenticate": "Basic realm=x"}
    registry = Registry(lambda _: httpx.Response(status, headers=headers))
    with pytest.raises(error) as caught:
        await registry.client.list_tags("a/b")
    assert type(caught.value) is error
    assert "word" not in str(caught.value)
    assert registry.hosts_that_saw_the_login() <= {"r.example"}


async def test_the_wait_that_the_registry_asks_for_is_passed_on():
    registry = Registry(lambda _: httpx.Response(429, headers={"Retry-After": "17"}))
    with pytest.raises(TransientError) as caught:
        await registry.client.list_tags("a/b")
    assert caught.value.retry_after == 17


async def test_a_registry_that_does_not_answer_is_worth_another_try():
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("slow", request=request)

    with pytest.raises(TransientError, match=r"r\.example did not answer"):
        await Registry(answer).client.list_tags("a/b")


@pytest.mark.parametrize(
    ("reference", "claimed"),
    [("sha256:" + "0" * 64, ""), ("1.0", "sha256:" + "0" * 64)],
    ids=["asked-for", "claimed"],
)
async def test_a_manifest_of_another_digest_is_refused(reference, claimed):
    headers = {"Docker-Content-Digest": claimed} if claimed else {}
    registry = Registry(lambda _: httpx.Response(200, content=INDEX, headers=headers))
    with pytest.raises(ArtifactError, match="sent content of sha256"):
        await registry.client.get_manifest("a/b", reference)


async def test_a_digest_that_the_head_lacks_is_computed():
    registry = Registry(lambda _: httpx.Response(200, content=INDEX))
    assert await registry.client.head_digest("a/b", "1.0") == digest_of(INDEX)


async def test_a_huge_manifest_is_refused():
    registry = Registry(lambda _: httpx.Response(200, content=b" " * (4 * 2**20 + 1)))
    with pytest.raises(ArtifactError, match="more than 4194304 bytes"):
        await registry.client.get_manifest("a/b", "1.0")


def image(config: bytes) -> bytes:
    return json.dumps(
        {"mediaType": IMAGE_TYPES[0], "config": {"digest": digest_of(config)}}
    ).encode()


async def test_a_blob_behind_a_redirect_is_fetched_without_the_login():
    config = json.dumps({"created": "2026-01-01T00:00:00Z"}).encode()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "cdn.example":
            return httpx.Response(200, content=config)
        if "authorization" not in request.headers:
            return httpx.Response(401, headers={"WWW-Authenticate": "Basic realm=x"})
        if "/blobs/" in request.url.path:
            return httpx.Response(307, headers={"Location": "https://cdn.example/data"})
        return httpx.Response(200, content=image(config))

    registry = Registry(answer)
    manifest = await registry.client.get_manifest("a/b", "1.0")
    moment = await registry.client.created_at("a/b", manifest)
    assert moment is not None
    assert moment.day == 1
    assert registry.hosts_that_saw_the_login() == {"r.example"}


async def test_a_redirect_to_plain_http_is_not_followed():
    config = b"{}"

    def answer(request: httpx.Request) -> httpx.Response:
        if "/blobs/" in request.url.path:
            return httpx.Response(307, headers={"Location": "http://cdn.example/data"})
        return httpx.Response(200, content=image(config))

    registry = Registry(answer)
    manifest = await registry.client.get_manifest("a/b", "1.0")
    with pytest.raises(ArtifactError, match="from https to http"):
        await registry.client.created_at("a/b", manifest)


async def test_storage_that_asks_for_a_login_gets_none():
    def answer(request: httpx.Request) -> httpx.Response:
        challenge = {"WWW-Authenticate": 'Bearer realm="https://evil.example/token"'}
        if request.url.host != "r.example":
            return httpx.Response(401, headers=challenge)
        return httpx.Response(307, headers={"Location": "https://cdn.example/data"})

    registry = Registry(answer)
    with pytest.raises(AuthenticationError):
        await registry.client.has_blob("a/b", digest_of(b"x"))
    assert registry.hosts_that_saw_the_login() == set()
    assert [request.url.host for request in registry.requests] == ["r.example", "cdn.example"]


async def test_a_blob_comes_piece_by_piece_as_it_is_stored():
    pieces: list[bytes] = []
    content = b"x" * 100_000
    registry = Registry(lambda _: httpx.Response(200, content=content))
    await registry.client.pull_blob("a/b", digest_of(content), pieces.append, limit=100_000)
    assert b"".join(pieces) == content
    assert registry.requests[0].headers["accept-encoding"] == "identity"


async def test_what_a_registry_says_of_a_refusal_is_no_part_of_the_blob():
    pieces: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if "token" in request.url.path:
            return httpx.Response(200, json={"token": "t0ken"})
        if request.headers.get("authorization"):
            return httpx.Response(200, content=b"blob")
        challenge = {"WWW-Authenticate": 'Bearer realm="https://auth.example/token"'}
        return httpx.Response(401, content=b"no", headers=challenge)

    registry = Registry(answer)
    await registry.client.pull_blob("a/b", digest_of(b"blob"), pieces.append, limit=4)
    assert pieces == [b"blob"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("http://r.example/upload", "from https to http"),
        ("//[::", "an address that is none"),
        ("https://r.example/\x00", "no address"),
    ],
    ids=["plain-http", "no-host", "no-address"],
)
async def test_a_place_for_an_upload_that_is_not_safe_is_refused(place, message):
    registry = Registry(lambda _: httpx.Response(202, headers={"Location": place}))
    with pytest.raises(ArtifactError, match=message):
        await registry.client.put_blob("a/b", digest_of(b"x"), io.BytesIO(b"x"), 1)
    assert [request.method for request in registry.requests] == ["POST"]


async def test_an_upload_is_sent_again_from_its_start_when_the_token_has_expired():
    received: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if "token" in request.url.path:
            return httpx.Response(200, json={"token": f"t{len(received)}"})
        if request.method == "PUT":
            received.append(request.content)
        if request.headers.get("authorization") == f"Bearer t{len(received[:1])}":
            place = {"Location": "/v2/a/b/uploads/1?state=s"}
            return httpx.Response(202 if request.method == "POST" else 201, headers=place)
        challenge = {"WWW-Authenticate": 'Bearer realm="https://auth.example/token"'}
        return httpx.Response(401, headers=challenge)

    registry = Registry(answer, actions="pull,push")
    await registry.client.put_blob("a/b", digest_of(b"blob"), io.BytesIO(b"blob"), 4)
    assert received == [b"blob", b"blob"]
    assert registry.requests[-1].headers["content-length"] == "4"
    assert dict(registry.requests[-1].url.params) == {"state": "s", "digest": digest_of(b"blob")}
    asked = [request for request in registry.requests if "token" in request.url.path]
    assert asked[0].url.params.get_list("scope") == ["repository:a/b:pull,push"]


@pytest.mark.parametrize(
    ("status", "mounted"), [(201, True), (202, False), (401, False), (403, False), (404, False)]
)
async def test_a_blob_that_cannot_be_mounted_is_to_be_sent(status, mounted):
    headers = {"WWW-Authenticate": "Basic realm=x"}
    registry = Registry(lambda _: httpx.Response(status, headers=headers))
    assert await registry.client.mount_blob("a/b", digest_of(b"x"), "c/d") is mounted
    assert dict(registry.requests[0].url.params) == {"mount": digest_of(b"x"), "from": "c/d"}
