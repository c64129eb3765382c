"""ImageSource against Debian's docker-registry: open, with a Basic login, and with tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airfreight.errors import AuthenticationError
from airfreight.model.credential import Credential
from airfreight.model.subscription import ImageSubscription
from airfreight.sources.backoff import Backoff
from airfreight.sources.base import Access, SourceSettings
from airfreight.sources.images import ImageSource
from tests.registry_server import DebianRegistry

USER = ("robot", "s3cret-word")
REPOSITORY = "acme/web"
SETTINGS = SourceSettings(allow_credentials_over_http=True, image_registry_rate_limit=1000)


@pytest.fixture(scope="module", params=["open", "htpasswd"])
def registry(request) -> Iterator[DebianRegistry]:
    with ExitStack() as stack:
        user = USER if request.param == "htpasswd" else None
        running = stack.enter_context(DebianRegistry(user))
        for day, tag in enumerate(["1.0.0", "1.1.0", "1.2.0", "2.0.0", "latest"], start=1):
            created = datetime(2026, 1, day, tzinfo=UTC)
            digest = running.push_image(REPOSITORY, tag, created=created, payload=tag.encode())
            if tag == "1.1.0":
                running.delete_image(REPOSITORY, digest)
        yield running


@pytest.fixture
def access(registry, tmp_path) -> Access:
    return Access(Credential(*USER), SETTINGS, tmp_path)


def source(registry: DebianRegistry, **fields: object) -> ImageSource:
    url = f"{registry.host}/{REPOSITORY}"
    subscription = ImageSubscription.model_validate({"repoURL": url, **fields})
    return ImageSource(subscription, "", backoff=Backoff())


async def test_the_best_images_are_discovered_and_a_tag_without_manifest_passed_over(
    registry, access
):
    found = await source(registry, constraint="^1.0.0").discover(access, limit=20, as_of=None)
    assert [(one.artifact.tag, one.created_at) for one in found.artifacts] == [
        ("1.2.0", datetime(2026, 1, 3, tzinfo=UTC)),
        ("1.0.0", datetime(2026, 1, 1, tzinfo=UTC)),
    ]


async def test_the_newest_build_is_found(registry, access):
    newest = source(registry, imageSelectionStrategy="NewestBuild")
    found = await newest.discover(access, limit=2, as_of=None)
    assert [one.artifact.tag for one in found.artifacts] == ["latest", "2.0.0"]


async def test_a_tag_that_moves_changes_the_mark(registry, access):
    moving = source(registry, imageSelectionStrategy="Digest", constraint="edge")
    assert await moving.mark(await moving.poll(access), access) == ""
    for day in (10, 11):
        made = datetime(2026, 1, day, tzinfo=UTC)
        digest = registry.push_image(REPOSITORY, "edge", created=made)
        assert await moving.mark(await moving.poll(access), access) == f"edge@{digest}"


async def test_nothing_new_asks_for_no_manifest(registry, access):
    watching = source(registry)
    first = await watching.mark(await watching.poll(access), access)
    before = _manifests_read(registry.log)
    assert await watching.mark(await watching.poll(access), access) == first
    assert _manifests_read(registry.log) == before


def _manifests_read(log: Path) -> int:
    return log.read_text(errors="replace").count('"GET /v2/acme/web/manifests/')


@pytest.mark.parametrize("registry", ["htpasswd"], indirect=True)
@pytest.mark.parametrize(
    ("credential", "message"),
    [
        (None, "asks for a login; make a Connection for it"),
        (Credential("robot", "wr0ng-word"), "refused the login (HTTP 401); check its Connection"),
    ],
    ids=["none", "wrong"],
)
async def test_a_login_that_is_refused_says_so_without_the_password(
    registry, access, credential, message
):
    with pytest.raises(AuthenticationError) as caught:
        await source(registry).poll(Access(credential, SETTINGS, access.cache))
    assert message in str(caught.value)
    assert "-word" not in str(caught.value)
