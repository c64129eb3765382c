from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import httpx
import pytest

from airfreight.artifacts.oci.client import RegistryClient
from airfreight.errors import AuthenticationError
from airfreight.model.credential import Credential
from tests.registry_server import DebianRegistry

USER = ("robot", "s3cret-word")
REPOSITORY = "acme/web"


@pytest.fixture(scope="module")
def registry() -> Iterator[DebianRegistry]:
    with DebianRegistry(USER) as running:
        for day, tag in enumerate(["1.0.0", "1.1.0", "1.2.0", "2.0.0", "latest"], start=1):
            created = datetime(2026, 1, day, tzinfo=UTC)
            digest = running.push_image(REPOSITORY, tag, created=created, payload=tag.encode())
            if tag == "1.1.0":
                running.delete_image(REPOSITORY, digest)
        yield running


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


def login(registry: DebianRegistry, http: httpx.AsyncClient, **changes) -> RegistryClient:
    arguments = {"credential": Credential(*USER), "allow_credentials_over_http": True, **changes}
    return RegistryClient(http, host=registry.host, plain_http=True, **arguments)


async def test_the_head_of_a_tag_is_its_digest(registry, http):
    client = login(registry, http)
    manifest = await client.get_manifest(REPOSITORY, "2.0.0")
    assert await client.head_digest(REPOSITORY, "2.0.0") == manifest.digest


@pytest.mark.parametrize(
    "changes",
    [
        {"credential": None},
        {"credential": Credential("robot", "wr0ng-word")},
        {"allow_credentials_over_http": False},
    ],
    ids=["no-credential", "wrong-password", "plain-http-not-allowed"],
)
async def test_a_login_that_is_refused_says_so_without_the_password(registry, http, changes):
    with pytest.raises(AuthenticationError) as caught:
        await login(registry, http, **changes).list_tags(REPOSITORY)
    assert registry.host in str(caught.value)
    assert "word" not in str(caught.value)
