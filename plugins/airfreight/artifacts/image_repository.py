"""A repository of images as one login sees it, with what earlier looks learned (`kargo.md` §4.5).

What a tag shows is asked by one HEAD; what the image behind a digest is never changes and is asked once. Both are kept
in the cache on disk, so that a look at which nothing is new asks for no manifest, after a restart as before.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from airfreight.artifacts.disk_cache import DiskCache
from airfreight.artifacts.oci.client import RegistryClient
from airfreight.artifacts.oci.protocol import Manifest
from airfreight.artifacts.tags import sort_down
from airfreight.errors import NotFoundError

_MISSING = "has no manifest"
# So often newest tags that moved while they were looked at are put in order again.
_ROUNDS = 5
_KEPT_AT_ONCE = 200
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class DiscoveredImage:
    """An image behind a tag; `digest` is that of the tag's manifest or index."""

    tag: str
    digest: str
    annotations: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None


@dataclass(frozen=True)
class Look:
    """What a tag shows: an image, or the rule by which it is passed over."""

    tag: str
    image: DiscoveredImage | None = None
    rule: str = ""


# Returns the rule by which an image does not count; empty where it does.
Judge = Callable[[DiscoveredImage], str]


@dataclass(frozen=True)
class Trust:
    """How far earlier looks are believed.

    `by_tag`: a tag that was seen once is not asked again. `seconds`: for so long at most, what is not among the best
    is believed to be what it was. `verified`: whether the registry's certificate is checked; what was seen without is
    believed by nobody who checks.
    """

    by_tag: bool = False
    seconds: float = 3600.0
    verified: bool = True


@dataclass(frozen=True)
class _Seen:
    """What a tag showed at a moment, and since when, in seconds since 1970; an empty `digest` is nothing."""

    digest: str
    at: float
    since: float


@dataclass(frozen=True)
class _Facts:
    """What an image says of itself; `fits` is whether it is for the platform."""

    fits: bool
    created_at: datetime | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        created = self.created_at.isoformat() if self.created_at else None
        return {"fits": self.fits, "created": created, "annotations": dict(self.annotations)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> _Facts:
        created = value["created"]
        moment = datetime.fromisoformat(created) if created else None
        return cls(value["fits"], moment, value["annotations"])


class ImageRepository:
    """Looks at tags for one subscription; `save` keeps what it learned. Not for two looks at once.

    At most `at_once` requests are open. Raises as the client does; a tag without a manifest is no error.
    """

    def __init__(
        self,
        client: RegistryClient,
        repository: str,
        cache: DiskCache,
        *,
        platform: str = "",
        trust: Trust | None = None,
        at_once: int = 4,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._repository = repository
        self._cache = cache
        self._platform = platform
        self._trust = trust or Trust()
        self._at_once = at_once
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._facts: dict[str, _Facts] = {}
        self._checked: set[str] = set()
        self._manifests: dict[str, Manifest] = {}
        self._new_seen: dict[str, Any] = {}
        self._new_facts: dict[str, Any] = {}
        where = f"{client.host}/{repository}"
        believed = "verified" if self._trust.verified else "unverified"
        self._tag_scope = f"tags {believed} {where}"
        self._page_scope = f"pages {believed} {where}"
        self._image_scope = f"images {where} {platform}"

    async def list_tags(self) -> list[str]:
        """Return all tags; a page that did not change is not sent again where the registry has validators."""
        return await self._client.list_tags(self._repository, _Pages(self._cache, self._page_scope))

    async def digest_of(self, tag: str) -> str:
        """Return what a tag shows now, empty where it shows nothing."""
        try:
            return await self._client.head_digest(self._repository, tag)
        except NotFoundError:
            return ""

    async def image_of(self, tag: str, digest: str) -> Look:
        """Return the image behind a digest that the tag was just seen to show."""
        if not digest:
            return Look(tag, rule=_MISSING)
        await self._load_facts([digest])
        try:
            return await self._judged(tag, digest)
        except NotFoundError:
            return Look(tag, rule=_MISSING)

    async def best(
        self, tags: Iterable[str], limit: int, judge: Judge
    ) -> tuple[list[DiscoveredImage], list[Look]]:
        """Return the first `limit` images of `tags` that count, and what was passed over on the way.

        A tag is asked what it shows now, but for one that was known for nothing a while ago.
        """
        found: list[DiscoveredImage] = []
        passed: list[Look] = []
        rest = iter(tags)
        size = limit
        # The first are mostly enough; far down a list the cache is asked for many at once.
        while len(found) < limit and (chunk := list(itertools.islice(rest, size))):
            await self._load(chunk)
            near = iter(chunk)
            while batch := list(itertools.islice(near, min(limit - len(found), self._at_once))):
                for look in await self._each(self._look, batch):
                    rule = judge(look.image) if look.image else look.rule
                    if look.image and not rule:
                        found.append(look.image)
                    else:
                        passed.append(Look(look.tag, rule=rule))
            size = _KEPT_AT_ONCE
        return found, passed

    async def newest(
        self, tags: Sequence[str], limit: int
    ) -> tuple[list[DiscoveredImage], list[Look]]:
        """Return the images of all `tags`, the newest first, and what was passed over.

        The first `limit` are asked what they show now, tags that are new too; the others are asked again within the
        time for which they are believed, spread over it.
        """
        await self._load(tags)
        looks, due = await asyncio.to_thread(self._believed, tags)
        for look in await self._each(self._look, due):
            looks[look.tag] = look
        images = [look.image for look in looks.values() if look.image]
        for _ in range(_ROUNDS):
            images = await asyncio.to_thread(sort_down, images, _age)
            moving = [image.tag for image in images[:limit] if image.tag not in self._checked]
            if not moving or self._trust.by_tag:
                break
            for look in await self._each(self._look, moving):
                looks[look.tag] = look
            images = [look.image for look in looks.values() if look.image]
        return images, [look for look in looks.values() if not look.image]

    async def save(self) -> None:
        """Keep what was learned for the next look."""
        seen, self._new_seen = self._new_seen, {}
        facts, self._new_facts = self._new_facts, {}
        await self._cache.put(self._image_scope, facts)
        await self._cache.put(self._tag_scope, seen)

    async def _load(self, tags: Sequence[str]) -> None:
        known = await self._cache.get(self._tag_scope, tags)
        seen = await asyncio.to_thread(_read_seen, known)
        self._seen |= seen
        await self._load_facts({one.digest for one in seen.values()} - {""})

    async def _load_facts(self, digests: Iterable[str]) -> None:
        unknown = [digest for digest in digests if digest not in self._facts]
        known = await self._cache.get(self._image_scope, unknown)
        self._facts |= await asyncio.to_thread(_read_facts, known)

    def _believed(self, tags: Iterable[str]) -> tuple[dict[str, Look], list[str]]:
        """Return what tags are believed to show, and those that are to be asked."""
        looks: dict[str, Look] = {}
        due: list[str] = []
        for tag in tags:
            seen = self._seen.get(tag)
            look = self._known(tag, seen.digest) if seen else None
            if seen and look and self._is_fresh(look, seen):
                looks[tag] = look
            else:
                due.append(tag)
        return looks, due

    def _is_fresh(self, look: Look, seen: _Seen) -> bool:
        if look.tag in self._checked or (self._trust.by_tag and look.image):
            return True
        # Each tag has a time of its own within the second half: what was seen in one hour is not asked in one hour.
        share = 0.5 + zlib.crc32(look.tag.encode("utf-8", "replace")) / 2**33
        lasts = self._trust.seconds * share
        if look.image is None:
            # A tag may be listed before all of it is there: what was never there yet is asked again soon.
            lasts = min(lasts, seen.at - seen.since)
        return 0 <= self._clock() - seen.at < lasts

    def _known(self, tag: str, digest: str) -> Look | None:
        if not digest:
            return Look(tag, rule=_MISSING)
        facts = self._facts.get(digest)
        return self._look_of(tag, digest, facts) if facts else None

    def _look_of(self, tag: str, digest: str, facts: _Facts) -> Look:
        if not facts.fits:
            return Look(tag, rule=f"is not for the platform {self._platform or 'of any image'}")
        return Look(tag, DiscoveredImage(tag, digest, facts.annotations, facts.created_at))

    async def _look(self, tag: str) -> Look:
        seen = self._seen.get(tag)
        known = self._known(tag, seen.digest) if seen else None
        if seen and known and self._is_enough(known, seen):
            return known
        try:
            digest = await self._ask(tag, seen)
            look = await self._judged(tag, digest)
        except NotFoundError:
            digest, look = "", Look(tag, rule=_MISSING)
        self._note(look, digest)
        if len(self._new_seen) >= _KEPT_AT_ONCE:
            await self.save()
        return look

    def _is_enough(self, known: Look, seen: _Seen) -> bool:
        """Say whether the tag need not be asked: an image may have moved, whenever it was seen."""
        if known.image and not self._trust.by_tag:
            return known.tag in self._checked
        return self._is_fresh(known, seen)

    async def _ask(self, tag: str, seen: _Seen | None) -> str:
        if seen and seen.digest in self._facts:
            return await self._client.head_digest(self._repository, tag)
        # The manifest is needed in any case, and has the digest.
        manifest = await self._client.get_manifest(self._repository, tag)
        self._manifests[manifest.digest] = manifest
        return manifest.digest

    async def _judged(self, tag: str, digest: str) -> Look:
        facts = self._facts.get(digest)
        if facts is None:
            facts = await self._fetch_facts(digest)
            self._facts[digest] = facts
            self._new_facts[digest] = facts.to_json()
        self._manifests.pop(digest, None)
        return self._look_of(tag, digest, facts)

    async def _fetch_facts(self, digest: str) -> _Facts:
        manifest = self._manifests.pop(digest, None)
        if manifest is None:
            # By the digest and not by the tag, which may have moved since.
            manifest = await self._client.get_manifest(self._repository, digest)
        details = await self._client.describe(self._repository, manifest, self._platform)
        if details is None:
            return _Facts(fits=False)
        return _Facts(True, details.created_at, manifest.annotations)

    def _note(self, look: Look, digest: str) -> None:
        before, now = self._seen.get(look.tag), self._clock()
        is_same = before is not None and before.digest == digest
        since = before.since if before and is_same else now
        self._checked.add(look.tag)
        self._seen[look.tag] = _Seen(digest, now, since)
        # An image that was seen again is written again only where it would be asked for soon.
        if before and is_same and look.image and now - before.at < self._trust.seconds / 4:
            return
        self._new_seen[look.tag] = {"digest": digest, "at": now, "since": since}

    async def _each(
        self, look: Callable[[str], Coroutine[Any, Any, Look]], tags: Sequence[str]
    ) -> list[Look]:
        """Look at all tags, so many at once as may be; the first failure ends all."""
        rest, looks = iter(tags), dict.fromkeys(tags, Look(""))

        async def work() -> None:
            for tag in rest:
                looks[tag] = await look(tag)

        await _together([work() for _ in range(min(self._at_once, len(tags)))])
        return list(looks.values())


@dataclass(frozen=True)
class _Pages:
    """The pages of one repository's list of tags, in the cache."""

    cache: DiskCache
    scope: str

    async def get(self, url: str) -> Any:
        return (await self.cache.get(self.scope, [url])).get(url)

    async def put(self, url: str, page: Any) -> None:
        await self.cache.put(self.scope, {url: page})


async def _together(works: Sequence[Awaitable[None]]) -> None:
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _age(image: DiscoveredImage) -> tuple[datetime, bytes]:
    return image.created_at or _BEFORE_ALL, image.tag.encode("utf-8", "replace")


def _read_seen(values: Mapping[str, Any]) -> dict[str, _Seen]:
    return _readable(values, lambda value: _Seen(value["digest"], value["at"], value["since"]))


def _read_facts(values: Mapping[str, Any]) -> dict[str, _Facts]:
    return _readable(values, _Facts.from_json)


def _readable(values: Mapping[str, Any], read: Callable[[Any], _Found]) -> dict[str, _Found]:
    found: dict[str, _Found] = {}
    for name, value in values.items():
        # What an older or newer version wrote is as good as nothing.
        with suppress(LookupError, TypeError, ValueError):
            found[name] = read(value)
    return found
