from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airfreight.errors import ArtifactError
from airfreight.model.subscription import ImageSubscription
from airfreight.sources.backoff import Backoff
from airfreight.sources.base import Access, Rejected, SourceSettings
from airfreight.sources.images import ImageSource, check
from tests.scripted_registry import (
    DOCKER_IMAGE,
    DOCKER_INDEX,
    INDEX,
    Asked,
    Images,
    Reply,
    ScriptedRegistry,
)

FAST = SourceSettings(allow_credentials_over_http=True, image_registry_rate_limit=10_000)


class World:
    """One repository at a registry of its own, and Warehouses that watch it."""

    def __init__(self, registry: ScriptedRegistry, images: Images, cache: Path) -> None:
        self.registry = registry
        self.images = images
        self.cache = cache
        self.access = Access(None, FAST, cache)

    def source(self, **fields: object) -> ImageSource:
        url = f"{self.registry.host}/{self.images.name}"
        subscription = ImageSubscription.model_validate({"repoURL": url, **fields})
        return ImageSource(subscription, "web", backoff=Backoff())

    async def mark(self, source: ImageSource) -> str:
        return await source.mark(await source.poll(self.access), self.access)

    async def tags(self, limit: int = 20, as_of: datetime | None = None, **fields: object):
        found = await self.source(**fields).discover(self.access, limit=limit, as_of=as_of)
        return [one.artifact.tag for one in found.artifacts]


@pytest.fixture(params=[{}], ids=["plain"])
def world(request, tmp_path) -> Iterator[World]:
    images = Images(**request.param)
    with ScriptedRegistry(images) as registry:
        yield World(registry, images, tmp_path / "cache")


conditional = pytest.mark.parametrize("world", [{"validator": True}], indirect=True, ids=["etags"])


def day(number: int) -> str:
    return f"2026-01-{number:02}T12:00:00Z"


def moment(number: int) -> datetime:
    return datetime(2026, 1, number, 18, tzinfo=UTC)


def push_days(world: World) -> None:
    """Four releases, made in another order than they are numbered."""
    for tag, number in {"1.0.0": 1, "1.2.0": 3, "1.1.0": 4, "2.0.0": 2}.items():
        world.images.push(tag, created=day(number))


@pytest.mark.parametrize("gone", ["manifest", "child", "config"])
@pytest.mark.parametrize("strategy", ["SemVer", "NewestBuild", "Digest"])
async def test_an_image_of_which_a_part_is_gone_is_passed_over_with_the_rule(world, strategy, gone):
    index = world.images.push("1.0.0", platforms=["linux/amd64"])

    def answer(asked: Asked) -> Reply:
        is_index = asked.path.endswith(("/1.0.0", index))
        parts = {
            "manifest": is_index and asked.method == "GET",
            "child": "/manifests/" in asked.path and not is_index,
            "config": "/blobs/" in asked.path,
        }
        return Reply(404) if parts[gone] else world.images(asked)

    world.registry.script = answer
    source = world.source(imageSelectionStrategy=strategy, constraint="1.0.0")
    found = await source.discover(world.access, limit=20, as_of=None)
    assert (found.artifacts, found.mark) == ((), "")
    assert found.rejected == (Rejected("1.0.0", "has no manifest"),)
    assert await world.mark(source) == ""


SELECTIONS = [
    ({}, ["2.0.0", "1.2.0", "1.1.0", "1.0.0"]),
    ({"constraint": "^1.0.0"}, ["1.2.0", "1.1.0", "1.0.0"]),
    ({"imageSelectionStrategy": "Lexical"}, ["2.0.0", "1.2.0", "1.1.0", "1.0.0"]),
    ({"imageSelectionStrategy": "NewestBuild"}, ["1.1.0", "1.2.0", "2.0.0", "1.0.0"]),
    (
        {"imageSelectionStrategy": "NewestBuild", "ignoreTagsRegexes": [r"^1\.1"]},
        ["1.2.0", "2.0.0", "1.0.0"],
    ),
    ({"imageSelectionStrategy": "NewestBuild", "discoveryLimit": 1}, ["1.1.0"]),
    ({"imageSelectionStrategy": "Digest", "constraint": "1.2.0"}, ["1.2.0"]),
    ({"imageSelectionStrategy": "Digest", "constraint": "latest"}, []),
    ({"discoveryLimit": 2}, ["2.0.0", "1.2.0"]),
    ({"allowTagsRegexes": ["^1"], "ignoreTagsRegexes": ["2"]}, ["1.1.0", "1.0.0"]),
]


@pytest.mark.parametrize(("fields", "expected"), SELECTIONS, ids=lambda value: str(value)[:60])
async def test_each_strategy_takes_what_it_says_in_its_order(world, fields, expected):
    push_days(world)
    assert await world.tags(**fields) == expected


@pytest.mark.parametrize(("fields", "expected"), SELECTIONS, ids=lambda value: str(value)[:60])
async def test_a_watcher_marks_what_discovery_finds(world, fields, expected):
    push_days(world)
    found = await world.source(**fields).discover(world.access, limit=20, as_of=None)
    mark = f"{expected[0]}@{world.images.shown[expected[0]]}" if expected else ""
    assert await world.mark(world.source(**fields)) == found.mark == mark


async def test_builds_of_the_same_moment_are_in_the_order_of_their_tags_and_undated_ones_last(
    world,
):
    for tag, created in {"a": day(1), "c": day(1), "b": day(1), "z": None}.items():
        world.images.push(tag, created=created)
    assert await world.tags(imageSelectionStrategy="NewestBuild") == ["c", "b", "a", "z"]


@pytest.mark.parametrize("media_type", [INDEX, DOCKER_INDEX])
async def test_an_index_is_taken_for_the_platforms_it_lists(world, media_type):
    platforms = ["linux/amd64", "linux/arm64"]
    world.images.push("2.0.0", platforms=platforms[:1], media_type=media_type)
    digest = world.images.push("1.0.0", platforms=platforms, media_type=media_type)
    source = world.source(platform="linux/arm64")
    found = await source.discover(world.access, limit=20, as_of=None)
    assert [one.artifact.digest for one in found.artifacts] == [digest]
    assert [(one.name, one.rule) for one in found.rejected] == [
        ("2.0.0", "is not for the platform linux/arm64")
    ]
    assert await world.mark(source) == f"1.0.0@{digest}"


async def test_an_image_of_docker_schema_2_is_found_with_its_annotations(world):
    digest = world.images.push(
        "1.0.0", media_type=DOCKER_IMAGE, annotations={"org.example.team": "web"}
    )
    found = await world.source().discover(world.access, limit=1, as_of=None)
    (one,) = found.artifacts
    assert (one.artifact.digest, one.artifact.subscription_name) == (digest, "web")
    assert one.artifact.annotations == {"org.example.team": "web"}
    assert one.created_at == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("strategy", ["SemVer", "Lexical", "NewestBuild"])
async def test_a_tag_that_vanishes_while_it_is_read_is_passed_over(world, strategy):
    world.images.push("1.0.0")
    world.images.ghosts = ["3.0.0"]
    source = world.source(imageSelectionStrategy=strategy)
    found = await source.discover(world.access, limit=20, as_of=None)
    assert [one.artifact.tag for one in found.artifacts] == ["1.0.0"]
    assert [(one.name, one.rule) for one in found.rejected] == [("3.0.0", "has no manifest")]
    assert (await world.mark(source)).startswith("1.0.0@")


async def test_why_a_tag_is_not_taken_is_said(world):
    for tag in ("1.0.0", "2.0.0", "latest", "1.0.0-sig"):
        world.images.push(tag)
    source = world.source(constraint="^1.0.0", ignoreTagsRegexes=["sig"])
    found = await source.discover(world.access, limit=20, as_of=None)
    assert {one.name: one.rule for one in found.rejected} == {
        "2.0.0": "does not meet the constraint '^1.0.0'",
        "latest": "no strict semantic version",
        "1.0.0-sig": "ignored by 'sig'",
    }


# Watching


def listing(world: World, pages: int = 1) -> list[str]:
    return [f"GET /v2/{world.images.name}/tags/list"] * pages


def head(world: World, tag: str) -> str:
    return f"HEAD /v2/{world.images.name}/manifests/{tag}"


async def test_a_steady_poll_is_one_listing_and_one_head_also_after_a_restart(world):
    push_days(world)
    first = await world.mark(world.source())
    for _ in range(2):
        world.registry.requests()
        # A source of its own each time: nothing is remembered but on disk.
        assert await world.mark(world.source()) == first
        assert world.registry.requests() == [*listing(world), head(world, "2.0.0")]


async def test_a_tag_that_was_moved_is_seen_at_the_next_poll(world):
    world.images.push("1.0.0")
    source = world.source()
    before = await world.mark(source)
    moved = world.images.push("1.0.0", created=day(9))
    assert await world.mark(source) == f"1.0.0@{moved}" != before
    found = await world.source().discover(world.access, limit=1, as_of=None)
    assert found.artifacts[0].artifact.digest == moved


async def test_with_cache_by_tag_a_tag_is_asked_once(world):
    world.images.push("1.0.0")
    source = world.source(cacheByTag=True)
    first = await world.mark(source)
    world.images.push("1.0.0", created=day(9))
    world.registry.requests()
    assert await world.mark(source) == first
    assert world.registry.requests() == listing(world)


async def test_digest_asks_for_its_tag_and_for_nothing_else(world):
    world.images.push("latest")
    source = world.source(imageSelectionStrategy="Digest", constraint="latest", cacheByTag=True)
    await world.mark(source)
    world.registry.requests()
    await world.mark(source)
    assert world.registry.requests() == [head(world, "latest")]
    moved = world.images.push("latest", created=day(9))
    assert await world.mark(source) == f"latest@{moved}"


async def test_newest_build_asks_for_new_tags_and_for_the_newest_only(world):
    push_days(world)
    source = world.source(imageSelectionStrategy="NewestBuild")
    await world.mark(source)
    world.registry.requests()
    await world.mark(source)
    assert world.registry.requests() == [*listing(world), head(world, "1.1.0")]
    world.images.push("0.1.0", created=day(9))
    assert (await world.mark(source)).startswith("0.1.0@")
    asked = world.registry.requests()
    assert f"GET /v2/{world.images.name}/manifests/0.1.0" in asked
    assert not any("1.0.0" in one or "1.2.0" in one for one in asked)


async def test_newest_build_sees_that_the_newest_was_replaced_by_an_older_one(world):
    push_days(world)
    source = world.source(imageSelectionStrategy="NewestBuild")
    assert (await world.mark(source)).startswith("1.1.0@")
    world.images.push("1.1.0", created="2025-01-01T00:00:00Z")
    assert (await world.mark(source)).startswith("1.2.0@")


@conditional
async def test_a_list_that_did_not_change_is_not_sent_again(world):
    push_days(world)
    first = await world.mark(world.source())
    world.registry.requests()
    await world.source().poll(world.access)
    assert world.registry.asked[0].headers["if-none-match"].startswith('"sha256:')
    assert await world.mark(world.source()) == first
    world.images.push("3.0.0")
    assert (await world.mark(world.source())).startswith("3.0.0@")


@pytest.mark.parametrize("world", [{"page": 2, "validator": True}], indirect=True, ids=["pages"])
async def test_every_page_of_a_list_is_asked_for(world):
    push_days(world)
    world.images.push("0.9.0")
    for _ in range(2):
        assert len((await world.source().poll(world.access))["tags"]) == 5
        assert world.registry.requests() == listing(world, pages=3)


async def test_subscriptions_share_a_poll_where_only_their_rules_differ(world):
    plain = world.source().stream_key()
    assert world.source(constraint="^1", platform="linux/arm64").stream_key() == plain
    assert world.source(insecureSkipTLSVerify=True).stream_key() != plain
    latest = world.source(imageSelectionStrategy="Digest", constraint="latest").stream_key()
    edge = world.source(imageSelectionStrategy="Digest", constraint="edge").stream_key()
    assert len({plain, latest, edge}) == 3


POLICIES = [
    ("Forbid", True, ["HEAD"]),
    ("Allow", True, []),
    ("Allow", False, ["HEAD"]),
    ("Require", True, []),
    ("Force", False, []),
]


@pytest.mark.parametrize(("policy", "wanted", "asked"), POLICIES)
async def test_the_deployments_policy_decides_who_takes_tags_for_immutable(
    world, policy, wanted, asked
):
    world.images.push("1.0.0")
    settings = SourceSettings(cache_by_tag_policy=policy, image_registry_rate_limit=10_000)
    world.access = Access(None, settings, world.cache)
    source = world.source(cacheByTag=wanted)
    await world.mark(source)
    world.registry.requests()
    await world.mark(source)
    assert [one.split()[0] for one in world.registry.requests()[1:]] == asked


async def test_a_policy_that_requires_immutable_tags_says_what_to_do(world):
    settings = SourceSettings(cache_by_tag_policy="Require")
    world.access = Access(None, settings, world.cache)
    with pytest.raises(ArtifactError, match="is Require: set cacheByTag: true"):
        await world.tags()
    # The poll may be shared with a Warehouse that does what is required.
    seen = await world.source().poll(world.access)
    with pytest.raises(ArtifactError, match="is Require"):
        await world.source().mark(seen, world.access)
    assert await world.tags(imageSelectionStrategy="Digest", constraint="latest") == []


# The past


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ["2.0.0", "1.2.0", "1.0.0"]),
        ({"imageSelectionStrategy": "NewestBuild"}, ["1.2.0", "2.0.0", "1.0.0"]),
        ({"imageSelectionStrategy": "Digest", "constraint": "1.0.0"}, ["1.0.0"]),
    ],
    ids=["SemVer", "NewestBuild", "Digest"],
)
async def test_a_look_into_the_past_takes_what_was_made_by_then(world, fields, expected):
    push_days(world)
    assert await world.tags(as_of=moment(3), **fields) == expected


async def test_a_date_in_the_tag_tells_what_an_undated_image_does_not(world):
    world.images.push("2026-01-05", created=None)
    world.images.push("build-20260109.3", created="1970-01-01T00:00:00Z")
    lexical = {"imageSelectionStrategy": "Lexical"}
    assert await world.tags(as_of=moment(6), **lexical) == ["2026-01-05"]
    assert await world.tags(as_of=moment(5), **lexical) == []


async def test_what_nobody_can_know_of_the_past_is_said(world):
    world.images.push("1.0.0", created="1980-01-01T00:00:01Z")
    with pytest.raises(ArtifactError) as undated:
        await world.tags(as_of=moment(6))
    assert str(undated.value) == (
        "nobody can know whether 1.0.0 was there at 2026-01-06 18:00 UTC: neither its image nor its"
        " tag has a date; build images with org.opencontainers.image.created"
    )
    world.images.push("latest", created=day(9))
    with pytest.raises(ArtifactError, match="nobody can know what latest showed at 2026-01-06"):
        await world.tags(as_of=moment(6), imageSelectionStrategy="Digest", constraint="latest")


# Manifests

FAULTS = [
    ({"constraint": ">=1 <<2"}, ("constraint",), 4),
    ({"imageSelectionStrategy": "Digest"}, ("constraint",), None),
    ({"imageSelectionStrategy": "Digest", "constraint": "a b"}, ("constraint",), None),
    ({"imageSelectionStrategy": "Lexical", "constraint": "a b"}, None, None),
    ({"platform": "linux"}, ("platform",), None),
    ({"platform": "linux/arm/v7"}, None, None),
    ({"allowTagsRegexes": ["ok", "("]}, ("allowTagsRegexes", 1), None),
    ({"ignoreTagsRegexes": ["(?=x)"]}, ("ignoreTagsRegexes", 0), None),
    ({"repoURL": "ghcr.io/Acme/web"}, ("repoURL",), None),
]


@pytest.mark.parametrize(("fields", "place", "offset"), FAULTS, ids=lambda value: str(value)[:60])
def test_what_is_wrong_with_a_subscription_is_found_without_a_look_at_its_repository(
    fields, place, offset
):
    subscription = ImageSubscription.model_validate({"repoURL": "ghcr.io/acme/web", **fields})
    faults = list(check(subscription))
    assert [fault.field for fault in faults] == ([place] if place else [])
    assert [fault.offset for fault in faults] == ([offset] if place else [])
