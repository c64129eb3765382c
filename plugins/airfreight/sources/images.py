"""The subscription to a repository of container images (`kargo.md` §1.4, §4.5)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Hashable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from airfreight.artifacts.disk_cache import DiskCache
from airfreight.artifacts.image_repository import (
    DiscoveredImage,
    ImageRepository,
    Judge,
    Look,
    Trust,
)
from airfreight.artifacts.images import existed, explain_of
from airfreight.artifacts.oci.protocol import (
    Platform,
    is_tag,
    is_this_machine,
    parse_reference,
)
from airfreight.artifacts.semver import Constraint
from airfreight.errors import ArtifactError, VersionError
from airfreight.model.freight import ImageArtifact
from airfreight.model.patterns import pattern_fault
from airfreight.model.subscription import ImageSubscription
from airfreight.model.urls import normalize_image
from airfreight.sources.backoff import Backoff
from airfreight.sources.base import (
    Access,
    Discovered,
    Fault,
    Found,
    Rejected,
    SourceSettings,
)
from airfreight.sources.registries import RegistryLimits, registry_client

_WATCHED = Backoff()


class ImageSource:
    """One image subscription; `name` is the subscription's own, `backoff` is shared by all of the process."""

    credential_kind = "image"

    def __init__(
        self, subscription: ImageSubscription, name: str, *, backoff: Backoff = _WATCHED
    ) -> None:
        self.name = name
        self._subscription = subscription
        self._backoff = backoff
        # Of the list of tags that was seen last: to select among many costs more than to ask whether they changed.
        self._selected: tuple[str, list[str]] = ("", [])

    @property
    def discovery_limit(self) -> int:
        """The most images that one look returns."""
        return self._subscription.discovery_limit

    @property
    def url(self) -> str:
        """The repository, as the manifest spells it."""
        return self._subscription.repo_url

    @property
    def credential_url(self) -> str:
        """The repository."""
        return self._subscription.repo_url

    def stream_key(self) -> Hashable:
        """Return what `poll` depends on: the repository, and for Digest the tag."""
        subscription = self._subscription
        tag = subscription.constraint if self._is_digest else ""
        repository = normalize_image(subscription.repo_url)
        return ("image", repository, subscription.insecure_skip_tls_verify, tag)

    async def poll(self, access: Access) -> dict[str, Any]:
        """Return all tags and a fingerprint of them; for Digest what its tag shows, without any list."""
        most = access.settings.repository_backoff
        key = (self.stream_key(), access.credential)
        # Others share this poll: what the deployment wants of this subscription alone is no matter here.
        opened = self._repository(access, by_tag=False)
        async with self._backoff.attempt(key, most=most), opened as repository:
            if self._is_digest:
                return {"digest": await repository.digest_of(self._subscription.constraint)}
            tags = await repository.list_tags()
        return {"tags": tags, "fingerprint": await asyncio.to_thread(_fingerprint, tags)}

    async def mark(self, seen: Any, access: Access) -> str:
        """Return ``<tag>@<digest>`` of the best image; costs a HEAD of its tag, or nothing with cacheByTag."""
        most = access.settings.repository_backoff
        key = (self._subscription, access.credential)
        opened = self._repository(access, by_tag=self._caches_by_tag(access))
        async with self._backoff.attempt(key, most=most), opened as repository:
            found, _ = await self._best(repository, seen, limit=1)
        return _mark(found)

    async def discover(self, access: Access, *, limit: int, as_of: datetime | None) -> Found:
        """Return the best images, and why the other tags are not taken."""
        limit = min(limit, self.discovery_limit)
        opened = self._repository(access, by_tag=self._caches_by_tag(access))
        async with opened as repository:
            if self._is_digest:
                tag = self._subscription.constraint
                found, passed = await self._tag_named(
                    repository, await repository.digest_of(tag), as_of
                )
                dropped: list[tuple[str, str]] = []
            else:
                tags = await repository.list_tags()
                selected, dropped = await asyncio.to_thread(explain_of, tags, self._subscription)
                found, passed = await self._in_order(repository, selected, limit, as_of)
        return Found(
            tuple(Discovered(self._artifact(image), image.created_at) for image in found),
            _mark(found),
            await asyncio.to_thread(_rejected, passed, dropped),
        )

    def _caches_by_tag(self, access: Access) -> bool:
        return caches_by_tag(self._subscription, access.settings)

    @property
    def _is_digest(self) -> bool:
        return self._subscription.image_selection_strategy == "Digest"

    async def _best(
        self, repository: ImageRepository, seen: Any, limit: int
    ) -> tuple[list[DiscoveredImage], list[Look]]:
        if self._is_digest:
            return await self._tag_named(repository, seen["digest"], None)
        if self._selected[0] != seen["fingerprint"]:
            selected, _ = await asyncio.to_thread(explain_of, seen["tags"], self._subscription)
            self._selected = (seen["fingerprint"], selected)
        return await self._in_order(repository, self._selected[1], limit, None)

    async def _in_order(
        self,
        repository: ImageRepository,
        selected: Sequence[str],
        limit: int,
        as_of: datetime | None,
    ) -> tuple[list[DiscoveredImage], list[Look]]:
        judge = _judge(as_of)
        if self._subscription.image_selection_strategy != "NewestBuild":
            return await repository.best(selected, limit, judge)
        images, passed = await repository.newest(selected, limit)
        found: list[DiscoveredImage] = []
        for image in images:
            if len(found) == limit:
                break
            if rule := judge(image):
                passed.append(Look(image.tag, rule=rule))
            else:
                found.append(image)
        return found, passed

    async def _tag_named(
        self, repository: ImageRepository, digest: str, as_of: datetime | None
    ) -> tuple[list[DiscoveredImage], list[Look]]:
        tag = self._subscription.constraint
        look = await repository.image_of(tag, digest)
        if look.image is None:
            return [], [look]
        if as_of is not None and not existed(look.image, as_of):
            raise ArtifactError(
                f"nobody can know what {tag} showed at {_utc(as_of)}: its image was made later, and a"
                " registry keeps no record of what a tag showed before"
            )
        return [look.image], []

    def _artifact(self, image: DiscoveredImage) -> ImageArtifact:
        return ImageArtifact(
            repo_url=self._subscription.repo_url,
            tag=image.tag,
            digest=image.digest,
            annotations=dict(image.annotations),
            subscription_name=self.name,
        )

    @asynccontextmanager
    async def _repository(self, access: Access, *, by_tag: bool) -> AsyncIterator[ImageRepository]:
        subscription, settings = self._subscription, access.settings
        verify = not subscription.insecure_skip_tls_verify
        limits = RegistryLimits.of(settings)
        trust = Trust(by_tag=by_tag, seconds=settings.newest_build_recheck, verified=verify)
        reference = parse_reference(subscription.repo_url)
        # A registry elsewhere leads nobody to this machine, by no realm and no redirect.
        loopback = settings.allow_loopback or is_this_machine(reference.host)
        async with registry_client(
            subscription.repo_url,
            allow_loopback=loopback,
            credential=access.credential,
            allow_credentials_over_http=settings.allow_credentials_over_http,
            verify_tls=verify,
            limits=limits,
        ) as client:
            repository = ImageRepository(
                client,
                reference.repository,
                DiskCache(access.cache, size=settings.repository_cache_size),
                platform=subscription.platform,
                trust=trust,
                at_once=max(1, limits.at_once // 4),
            )
            try:
                yield repository
            finally:
                await repository.save()


def caches_by_tag(subscription: ImageSubscription, settings: SourceSettings) -> bool:
    """Say whether tags are taken for immutable; raises ArtifactError where the deployment wants them to be."""
    policy = settings.cache_by_tag_policy
    if subscription.image_selection_strategy == "Digest" or policy == "Forbid":
        return False
    if policy == "Require" and not subscription.cache_by_tag:
        raise ArtifactError(
            "the setting cache_by_tag_policy is Require: set cacheByTag: true, where no tag of the"
            " repository is ever pushed again, or watch one tag with the strategy Digest"
        )
    return subscription.cache_by_tag or policy == "Force"


def check(subscription: ImageSubscription) -> Iterator[Fault]:
    """Yield all that is wrong with a subscription, without a look at its repository."""
    try:
        parse_reference(subscription.repo_url)
    except ArtifactError as error:
        yield Fault(("repoURL",), str(error))
    yield from _constraint_faults(subscription)
    try:
        if subscription.platform:
            Platform.parse(subscription.platform)
    except ArtifactError as error:
        yield Fault(("platform",), str(error))
    for field, patterns in (
        ("allowTagsRegexes", subscription.allow_tags_regexes),
        ("ignoreTagsRegexes", subscription.ignore_tags_regexes),
    ):
        for place, pattern in enumerate(patterns):
            if fault := pattern_fault(pattern):
                yield Fault((field, place), f"the regular expression does not compile: {fault}")


def _constraint_faults(subscription: ImageSubscription) -> Iterator[Fault]:
    strategy, constraint = subscription.image_selection_strategy, subscription.constraint
    place = ("constraint",)
    if strategy == "Digest" and not constraint:
        yield Fault(place, "the strategy Digest needs the name of a tag here", "such as latest")
    elif strategy == "Digest" and not is_tag(constraint):
        yield Fault(place, f"not the name of a tag: {constraint[:100]!r}", "such as latest")
    elif strategy == "SemVer" and constraint:
        try:
            Constraint.parse(constraint)
        except VersionError as error:
            yield Fault(place, error.message, offset=error.offset)


def _judge(as_of: datetime | None) -> Judge:
    def rule(image: DiscoveredImage) -> str:
        is_late = as_of is not None and not existed(image, as_of)
        return f"was made after {_utc(as_of)}" if as_of and is_late else ""

    return rule


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _mark(found: Sequence[DiscoveredImage]) -> str:
    return f"{found[0].tag}@{found[0].digest}" if found else ""


def _rejected(passed: Sequence[Look], dropped: Sequence[tuple[str, str]]) -> tuple[Rejected, ...]:
    looked_at = (Rejected(look.tag, look.rule) for look in passed)
    return (*looked_at, *(Rejected(tag, rule) for tag, rule in dropped))


def _fingerprint(tags: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(tags).encode("utf-8", "replace")).hexdigest()
