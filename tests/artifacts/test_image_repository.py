from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from airfreight.artifacts.disk_cache import DiskCache
from airfreight.artifacts.image_repository import DiscoveredImage, ImageRepository, Trust
from airfreight.artifacts.oci.client import RegistryClient
from airfreight.artifacts.oci.pace import Pace
from airfreight.errors import TransientError
from tests.scripted_registry import Asked, Images, Reply, ScriptedRegistry

HOUR = 3600.0


class World:
    """A repository, a cache that stays, and a clock; each look is by an ImageRepository of its own."""

    def __init__(self, registry: ScriptedRegistry, images: Images, folder: Path) -> None:
        self.registry = registry
        self.images = images
        self.now = 1_000_000.0
        self._folder = folder

    @asynccontextmanager
    async def looking(self, platform: str = "") -> AsyncIterator[ImageRepository]:
        async with httpx.AsyncClient(trust_env=False) as http:
            client = RegistryClient(
                http,
                host=self.registry.host,
                credential=None,
                plain_http=True,
                pace=Pace(10_000),
            )
            repository = ImageRepository(
                client,
                self.images.name,
                DiskCache(self._folder, size=2**22),
                platform=platform,
                trust=Trust(seconds=HOUR),
                clock=lambda: self.now,
            )
            try:
                yield repository
            finally:
                await repository.save()

    async def newest(self) -> list[str]:
        async with self.looking() as repository:
            images, _ = await repository.newest(list(self.images.shown), 1)
        return [image.tag for image in images]

    async def best(self, platform: str = "") -> list[str]:
        tags = sorted([*self.images.shown, *self.images.ghosts], reverse=True)
        async with self.looking(platform) as repository:
            images, _ = await repository.best(tags, 1, counts)
        return [image.tag for image in images]

    def heads(self) -> int:
        return sum(one.startswith("HEAD") for one in self.registry.requests())


def counts(image: DiscoveredImage) -> str:
    return ""


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    images = Images()
    with ScriptedRegistry(images) as registry:
        yield World(registry, images, tmp_path)


def push_many(world: World, count: int) -> None:
    for number in range(count):
        world.images.push(
            f"b{number:03}", created=f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z"
        )


async def test_known_builds_are_asked_again_within_the_time_of_trust_and_spread_over_it(world):
    push_many(world, 60)
    await world.newest()
    world.registry.requests()
    asked = []
    for _ in range(12):
        world.now += HOUR / 12
        await world.newest()
        # One HEAD is of the newest itself, at every look.
        asked.append(world.heads() - 1)
    assert sum(asked) >= 59
    assert asked[:5] == [0] * 5
    assert max(asked) <= 25


async def test_an_older_build_that_was_pushed_again_is_found_within_the_time_of_trust(world):
    push_many(world, 5)
    assert (await world.newest())[0] == "b004"
    world.images.push("b001", created="2026-02-01T00:00:00Z")
    assert (await world.newest())[0] == "b004"
    world.now += HOUR
    assert (await world.newest())[0] == "b001"


async def test_a_tag_that_shows_nothing_yet_is_asked_at_the_next_look_and_then_ever_more_rarely(
    world,
):
    world.images.push("1.0.0")
    world.images.ghosts = ["2.0.0"]
    asked = []
    for _ in range(12):
        world.now += 300
        assert await world.best() == ["1.0.0"]
        asked.append(any("2.0.0" in one for one in world.registry.requests()))
    assert asked[:2] == [True, True]
    assert 3 <= sum(asked) <= 6
    world.images.ghosts = []
    world.images.push("2.0.0")
    world.now += HOUR
    assert await world.best() == ["2.0.0"]


async def test_a_tag_that_gets_the_platform_later_is_found(world):
    world.images.push("1.0.0", platforms=["linux/arm64"])
    world.images.push("2.0.0", platforms=["linux/amd64"])
    assert await world.best("linux/arm64") == ["1.0.0"]
    world.images.push("2.0.0", platforms=["linux/amd64", "linux/arm64"])
    world.now += 300
    assert await world.best("linux/arm64") == ["2.0.0"]


async def test_what_a_look_learned_before_it_failed_is_kept(world):
    push_many(world, 300)
    served = 0

    def fail_late(asked: Asked) -> Reply:
        nonlocal served
        served += asked.path.startswith(f"/v2/{world.images.name}/manifests/b")
        return Reply(500) if served > 250 else world.images(asked)

    world.registry.script = fail_late
    with pytest.raises(TransientError):
        await world.newest()
    world.registry.script = world.images
    world.registry.requests()
    assert len(await world.newest()) == 300
    assert sum("/manifests/b" in one for one in world.registry.requests()) < 70


async def test_images_are_told_apart_by_platform(world):
    world.images.push("1.0.0", platforms=["linux/amd64"])
    assert await world.best("linux/amd64") == ["1.0.0"]
    assert await world.best("linux/arm64") == []
    assert await world.best() == ["1.0.0"]


async def test_a_tag_far_down_the_list_is_found_and_at_once_the_next_time(world):
    world.images.push("0.0.1", platforms=["linux/arm64"])
    for number in range(250):
        world.images.push(f"1.{number:03}", platforms=["linux/amd64"])
    assert await world.best("linux/arm64") == ["0.0.1"]
    world.now += 10
    await world.best("linux/arm64")
    world.registry.requests()
    world.now += 5
    assert await world.best("linux/arm64") == ["0.0.1"]
    assert world.registry.requests() == [f"HEAD /v2/{world.images.name}/manifests/0.0.1"]
