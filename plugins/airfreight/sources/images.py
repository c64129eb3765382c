"""Temporary."""

from __future__ import annotations

import functools
import ssl
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx

from airfreight.artifacts.images import discover_images, list_selected_tags, select_of
from airfreight.artifacts.oci.client import RegistryClient
from airfreight.artifacts.oci.protocol import is_this_machine, parse_reference
from airfreight.artifacts.semver import Constraint
from airfreight.errors import VersionError
from airfreight.model.freight import ImageArtifact
from airfreight.model.patterns import pattern_fault
from airfreight.model.subscription import ImageSubscription
from airfreight.model.urls import normalize_image
from airfreight.sources.base import Access, Discovered, Fault, Found


@functools.cache
def tls_context(*, verify: bool) -> ssl.SSLContext:
    return httpx.create_ssl_context(verify=verify, trust_env=False)


@asynccontextmanager
async def registry_client(
    image: ImageSubscription, access: Access
) -> AsyncIterator[RegistryClient]:
    host = parse_reference(image.repo_url).host
    context = tls_context(verify=not image.insecure_skip_tls_verify)
    async with httpx.AsyncClient(timeout=30, verify=context, trust_env=False) as http:
        yield RegistryClient(
            http,
            host=host,
            credential=access.credential,
            plain_http=is_this_machine(host),
            allow_credentials_over_http=access.settings.allow_credentials_over_http,
        )


class ImageSource:
    credential_kind = "image"

    def __init__(self, subscription: ImageSubscription, name: str) -> None:
        self.image = subscription
        self.name = name
        self.discovery_limit = subscription.discovery_limit
        self.url = subscription.repo_url

    def stream_key(self) -> Hashable:
        return (normalize_image(self.url), self.image.insecure_skip_tls_verify)

    async def poll(self, access: Access) -> Any:
        async with registry_client(self.image, access) as client:
            return await client.list_tags(parse_reference(self.url).repository)

    async def mark(self, seen: Any, access: Access) -> str:
        selected = select_of(seen, self.image)
        return selected[0] if selected else ""

    async def discover(self, access: Access, *, limit: int, as_of: datetime | None) -> Found:
        async with registry_client(self.image, access) as client:
            tags = await list_selected_tags(client, self.image)
            found = await discover_images(client, self.image, tags, limit=limit, as_of=as_of)
        artifacts = tuple(
            Discovered(
                ImageArtifact(
                    repo_url=self.url,
                    tag=image.tag,
                    digest=image.digest,
                    annotations=image.annotations,
                    subscription_name=self.name,
                ),
                image.created_at,
            )
            for image in found
        )
        return Found(artifacts, tags[0] if tags else "")


def check(image: ImageSubscription) -> Iterator[Fault]:
    if image.image_selection_strategy == "SemVer" and image.constraint:
        try:
            Constraint.parse(image.constraint)
        except VersionError as error:
            yield Fault(("constraint",), error.message, offset=error.offset)
    for field, patterns in (
        ("allowTagsRegexes", image.allow_tags_regexes),
        ("ignoreTagsRegexes", image.ignore_tags_regexes),
    ):
        for index, pattern in enumerate(patterns):
            fault = pattern_fault(pattern)
            if fault:
                yield Fault((field, index), f"bad regular expression: {fault}")
    if image.platform and image.platform.count("/") not in (1, 2):
        yield Fault(("platform",), "expected os/arch or os/arch/variant")
