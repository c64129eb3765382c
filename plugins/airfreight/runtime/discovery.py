"""One look of a Warehouse at its repositories: what it would make Freight of (`kargo.md` §4.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import httpx

from airfreight.artifacts.images import DiscoveredImage, discover_images, list_selected_tags
from airfreight.artifacts.oci.client import RegistryClient
from airfreight.artifacts.oci.protocol import is_this_machine, parse_reference
from airfreight.artifacts.tls import tls_context
from airfreight.errors import ArtifactError
from airfreight.model.credential import Credential
from airfreight.model.freight import FreightContent, ImageArtifact
from airfreight.model.warehouse import Subscription, Warehouse

FindCredential = Callable[[str, str], Credential | None]

# Seconds for one answer of a registry.
_TIMEOUT = 30.0


@dataclass(frozen=True)
class Discovery:
    """What a Warehouse would make Freight of now, and what its watchers should take as handled.

    `seen` maps a repository to the best tag that it shows; empty where none meets the subscription.
    `content` is None where a subscription found nothing; `reason` says so.
    """

    content: FreightContent | None
    seen: Mapping[str, str]
    reason: str = ""


@asynccontextmanager
async def registry_client(
    repo_url: str,
    *,
    credential: Credential | None,
    allow_credentials_over_http: bool,
    verify_tls: bool = True,
) -> AsyncIterator[RegistryClient]:
    """Give a client for the registry of `repo_url`; its connections end with the block."""
    host = parse_reference(repo_url).host
    context = tls_context(verify=verify_tls)
    async with httpx.AsyncClient(timeout=_TIMEOUT, verify=context, trust_env=False) as http:
        yield RegistryClient(
            http,
            host=host,
            credential=credential,
            plain_http=is_this_machine(host),
            allow_credentials_over_http=allow_credentials_over_http,
        )


async def discover(
    warehouse: Warehouse,
    find_credential: FindCredential,
    *,
    allow_credentials_over_http: bool,
    as_of: datetime | None = None,
) -> Discovery:
    """Look at every subscription and take the best of each.

    `as_of`: only what existed at that moment counts. Raises ArtifactError where one subscription fails: no Freight is
    made of a part.
    """
    images: list[ImageArtifact] = []
    seen: dict[str, str] = {}
    for subscription in warehouse.subscriptions:
        best, tag = await _discover_one(
            subscription, find_credential, allow_credentials_over_http, as_of
        )
        seen[subscription.image.repo_url] = tag
        if best is None:
            reason = f"{subscription.image.repo_url} has no image that meets the subscription"
            return Discovery(None, seen, reason)
        images.append(_artifact(subscription, best))
    content = FreightContent(origin=warehouse.origin, images=tuple(images))
    return Discovery(content, seen)


async def _discover_one(
    subscription: Subscription,
    find_credential: FindCredential,
    allow_credentials_over_http: bool,
    as_of: datetime | None,
) -> tuple[DiscoveredImage | None, str]:
    image = subscription.image
    try:
        async with registry_client(
            image.repo_url,
            credential=find_credential("image", image.repo_url),
            allow_credentials_over_http=allow_credentials_over_http,
            verify_tls=not image.insecure_skip_tls_verify,
        ) as client:
            tags = await list_selected_tags(client, image)
            found = await discover_images(client, image, tags, limit=1, as_of=as_of)
    except ArtifactError as error:
        raise type(error)(f"{image.repo_url}: {error}") from error
    return (found[0] if found else None), (tags[0] if tags else "")


def _artifact(subscription: Subscription, image: DiscoveredImage) -> ImageArtifact:
    return ImageArtifact(
        repo_url=subscription.image.repo_url,
        tag=image.tag,
        digest=image.digest,
        annotations=image.annotations,
        subscription_name=subscription.name,
    )
