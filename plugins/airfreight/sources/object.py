"""The subscription kind object: an object of S3 or Google Cloud Storage, or the newest below a prefix."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from airfreight.artifacts.objects import SCHEMES, Storage, StoredObject
from airfreight.errors import ArtifactError
from airfreight.model.patterns import path_pattern
from airfreight.sources.base import Access, Rejected
from airfreight.sources.egress import egress_of, server_url
from airfreight.sources.kind import ArtifactVersion, SubscriptionConfig, SubscriptionKind

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class ObjectConfig(SubscriptionConfig):
    """`pattern` is one of paths below `url`; without it `url` is one object."""

    url: str = Field(max_length=2000)
    pattern: str = Field(default="", max_length=1000)
    endpoint_url: str = Field(default="", alias="endpointURL")
    region: str = Field(default="", pattern="^[a-z0-9-]*$", max_length=40)

    @field_validator("url")
    @classmethod
    def _is_an_object(cls, url: str) -> str:
        parts = urlsplit(url)
        place = parts.path.strip("/") if parts.scheme == "file" else parts.netloc
        if parts.scheme not in SCHEMES or not place or parts.query or "@" in parts.netloc:
            raise ValueError("expected s3://bucket/key, gs://bucket/key or file:///path")
        if parts.scheme == "file" and (parts.netloc or ".." in parts.path.split("/")):
            raise ValueError("expected file:///path without a host and without '..'")
        return url.rstrip("/")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        path_pattern(pattern)
        return pattern

    @field_validator("endpoint_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        return server_url(url) if url else url


class ObjectKind(SubscriptionKind[ObjectConfig]):
    """One object by its etag or generation, or the objects that meet a pattern, last modified first."""

    kind = "object"
    config_type = ObjectConfig

    def url(self, config: ObjectConfig) -> str:
        """Return the object's or the prefix's URL."""
        return config.url

    async def versions(
        self, config: ObjectConfig, access: Access
    ) -> AsyncGenerator[ArtifactVersion | Rejected]:
        """List the URL."""
        if config.url.startswith("file:") and not access.settings.allow_file_objects:
            raise ArtifactError(
                f"{config.url}: files of this machine are closed; the setting allow_file_objects opens them"
            )
        storage = Storage(config.url, config.endpoint_url, config.region)
        found = await storage.list(egress_of(access))
        fits = path_pattern(config.pattern) if config.pattern else lambda path: not path
        found.sort(key=lambda one: (one.modified_at or _LONG_AGO, one.path), reverse=True)
        for one in found:
            if fits(one.path):
                yield self._version(config, one)
            else:
                rule = f"does not meet the pattern {config.pattern!r}"
                yield Rejected(one.path, rule if config.pattern else "not the object itself")

    def _version(self, config: ObjectConfig, one: StoredObject) -> ArtifactVersion:
        return ArtifactVersion(
            version=f"{one.path}@{one.tag}" if one.path else one.tag,
            name=one.path or config.url.rpartition("/")[2],
            link=f"{config.url}/{one.path}" if one.path else config.url,
            digest=one.digest,
            created_at=one.modified_at,
            undated="the storage does not tell when it was modified",
        )
