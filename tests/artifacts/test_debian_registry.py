from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import httpx
import pytest

from airfreight.artifacts.images import DiscoveredImage, discover_images, list_selected_tags
from airfreight.artifacts.oci.client import RegistryClient
from airfreight.errors import AuthenticationError
from airfreight.model.credential import Credential
from airfreight.model.subscription import ImageSubscription
from tests.registry_server import DebianRegistry

USER = ("robot", "s3cret-word")
REPOSITORY = "acme/web"


async def discover(client, wanted, **options):
    """List and resolve, as a Warehouse does."""
    tags = await list_selected_tags(client, wanted)
    return await discover_images(client, wanted, tags, **options)


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


def subscription(registry: DebianRegistry, **changes) -> ImageSubscription:
    return ImageSubscription(repo_url=f"{registry.host}/{REPOSITORY}", **changes)


async def test_the_best_images_are_discovered_and_a_tag_without_manifest_passed_over(
    registry, http
):
    client = login(registry, http)
    images = await discover(client, subscription(registry, constraint="^1.0.0"))
    assert [(image.tag, image.created_at) for image in images] == [
        ("1.2.0", datetime(2026, 1, 3, tzinfo=UTC)),
        ("1.0.0", datetime(2026, 1, 1, tzinfo=UTC)),
    ]
    assert all(isinstance(image, DiscoveredImage) for image in images)


async def test_a_look_into_the_past_sees_what_was_there(registry, http):
    images = await discover(
        login(registry, http),
        subscription(registry),
        limit=1,
        as_of=datetime(2026, 1, 3, 12, tzinfo=UTC),
    )
    assert [image.tag for image in images] == ["1.2.0"]


async def test_selected_tags_need_no_manifest(registry, http):
    tags = await list_selected_tags(login(registry, http), subscription(registry))
    assert tags == [tag for tag in ["2.0.0", "1.2.0", "1.1.0", "1.0.0"] if tag in tags]
    assert "2.0.0" in tags


async def test_the_head_of_a_tag_is_its_digest(registry, http):
    client = login(registry, http)
    manifest = await client.get_manifest(REPOSITORY, "2.0.0")
    assert await client.head_digest(REPOSITORY, "2.0.0") == manifest.digest


async def test_only_the_platform_asked_for_is_discovered(registry, http):
    client = login(registry, http)
    arm = await discover(client, subscription(registry, platform="linux/arm64"))
    amd = await discover(client, subscription(registry, platform="linux/amd64"), limit=1)
    assert arm == []
    assert [image.tag for image in amd] == ["2.0.0"]


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
