"""Which images of a repository a subscription discovers (`kargo.md` §4.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from airfreight.artifacts.oci.client import RegistryClient
from airfreight.artifacts.oci.protocol import parse_reference
from airfreight.artifacts.tags import select_tags
from airfreight.errors import NotFoundError


class ImageSubscriptionLike(Protocol):
    """What of an image subscription matters here."""

    @property
    def repo_url(self) -> str: ...
    @property
    def image_selection_strategy(self) -> str: ...
    @property
    def constraint(self) -> str: ...
    @property
    def strict_semvers(self) -> bool: ...
    @property
    def allow_tags_regexes(self) -> Sequence[str]: ...
    @property
    def ignore_tags_regexes(self) -> Sequence[str]: ...
    @property
    def platform(self) -> str: ...
    @property
    def discovery_limit(self) -> int: ...


@dataclass(frozen=True)
class DiscoveredImage:
    """An image behind a tag; `digest` is that of the tag's manifest or index."""

    tag: str
    digest: str
    annotations: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None


async def list_selected_tags(
    client: RegistryClient, subscription: ImageSubscriptionLike
) -> list[str]:
    """Return the tags that the subscription selects, best first; asks for no manifest.

    Raises as `select_tags` and the client do.
    """
    repository = parse_reference(subscription.repo_url).repository
    return select_of(await client.list_tags(repository), subscription)


def select_of(tags: Iterable[str], subscription: ImageSubscriptionLike) -> list[str]:
    """Return those of `tags` that the subscription selects, best first."""
    return select_tags(
        tags,
        strategy=subscription.image_selection_strategy,
        constraint=subscription.constraint,
        strict=subscription.strict_semvers,
        allow=subscription.allow_tags_regexes,
        ignore=subscription.ignore_tags_regexes,
    )


async def discover_images(
    client: RegistryClient,
    subscription: ImageSubscriptionLike,
    tags: Iterable[str],
    *,
    limit: int | None = None,
    as_of: datetime | None = None,
) -> list[DiscoveredImage]:
    """Return the images behind selected `tags`, in their order.

    At most `limit` (default: the subscription's discoveryLimit) tags are resolved successfully; a
    tag without a manifest, or without one for the platform, is passed over. With `as_of` only
    images made at or before that moment count: those that do not say when they were made do not.
    """
    wanted = subscription.discovery_limit if limit is None else limit
    found: list[DiscoveredImage] = []
    for tag in tags:
        if len(found) >= wanted:
            break
        image = await _resolve(client, subscription, tag)
        if image and _existed(image, as_of):
            found.append(image)
    return found


def _existed(image: DiscoveredImage, as_of: datetime | None) -> bool:
    return as_of is None or (image.created_at is not None and image.created_at <= as_of)


async def _resolve(
    client: RegistryClient, subscription: ImageSubscriptionLike, tag: str
) -> DiscoveredImage | None:
    repository = parse_reference(subscription.repo_url).repository
    try:
        manifest = await client.get_manifest(repository, tag)
        created_at = await client.created_at(repository, manifest, subscription.platform)
    except NotFoundError:
        return None
    return DiscoveredImage(tag, manifest.digest, manifest.annotations, created_at)
