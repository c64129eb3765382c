"""Charts: classic repositories, of which a poll is one conditional request, and the tags of registries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Iterable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from airfreight.artifacts.charts.repository import ChartRepository
from airfreight.artifacts.charts.versions import (
    Explained,
    explain_chart_tags,
    explain_versions,
    tag_of,
)
from airfreight.artifacts.disk_cache import DiskCache
from airfreight.artifacts.oci.client import RegistryClient
from airfreight.artifacts.oci.protocol import parse_reference, read_moment
from airfreight.artifacts.semver import Constraint
from airfreight.errors import ArtifactError, NotFoundError, VersionError
from airfreight.model.freight import ChartArtifact
from airfreight.model.subscription import ChartSubscription
from airfreight.model.urls import has_plain_host
from airfreight.sources.backoff import Backoff
from airfreight.sources.base import Access, Discovered, Fault, Found, Rejected
from airfreight.sources.egress import egress_of
from airfreight.sources.registries import RegistryLimits, registry_client

_OCI = "oci://"
_MOST_DATED = 100  # each takes two requests
_WATCHED = Backoff()


def check(subscription: ChartSubscription) -> Iterator[Fault]:
    """Yield what is wrong with a subscription beyond its shape."""
    url, name = subscription.repo_url, subscription.name
    host = _host(url)
    if host is None:
        yield Fault(("repoURL",), "expected a URL; its host cannot be read")
    elif "@" in host:
        hint = "put the login into a Connection that a Secret of the type helm names"
        yield Fault(("repoURL",), "expected a URL without a login", hint)
    elif not has_plain_host(url):
        yield Fault(
            ("repoURL",), "expected a host in ASCII", "write xn--… for a name in other letters"
        )
    elif url.startswith(_OCI):
        yield from _check_registry(url, name)
    elif not host:
        yield Fault(("repoURL",), "expected the URL of a chart repository, with a host")
    elif not name:
        yield Fault(("name",), "required: a repository of http(s) holds many charts")
    if subscription.semver_constraint:
        try:
            Constraint.parse(subscription.semver_constraint)
        except VersionError as error:
            yield Fault(("semverConstraint",), error.message, offset=error.offset)


def _host(url: str) -> str | None:
    """Return host, port and login; None where urlsplit refuses them, such as a bracket that nobody closes."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return None


def _check_registry(url: str, name: str) -> Iterator[Fault]:
    try:
        parse_reference(url.removeprefix(_OCI))
    except ArtifactError:
        yield Fault(("repoURL",), "expected oci://registry/path of the chart, without a tag")
    if name:
        yield Fault(
            ("name",),
            "expected none: the URL of an oci:// repository is that of one chart",
            f"write repoURL: {url.rstrip('/')}/{name}",
        )


class _Charts(Protocol):
    """One look at a repository, as far as the two sorts differ."""

    async def poll(self) -> Any: ...
    async def explain(self, seen: Any) -> Explained: ...
    def dates(
        self, seen: Any, versions: Sequence[str]
    ) -> AsyncGenerator[tuple[str, datetime | None] | Rejected]: ...


class ChartSource:
    """A chart subscription; `name` is the subscription's own, `backoff` is shared by all of the process.

    Its mark is the version. A chart that was replaced under its version is not new: Freight's name knows no digest of
    a chart either, so that it would be the same Freight.
    """

    credential_kind = "helm"

    def __init__(
        self, subscription: ChartSubscription, name: str, *, backoff: Backoff = _WATCHED
    ) -> None:
        self.name = name
        self._subscription = subscription
        self._backoff = backoff
        self._marked: tuple[Any, str] | None = None

    @property
    def discovery_limit(self) -> int:
        """The most versions that one look returns."""
        return self._subscription.discovery_limit

    @property
    def url(self) -> str:
        """The repository, and in a classic one the chart: a Warehouse may watch several of its charts."""
        return f"{self.credential_url} {self._subscription.name}".rstrip()

    @property
    def credential_url(self) -> str:
        """The repository as credentials name it."""
        return self._subscription.repo_url

    def stream_key(self) -> Hashable:
        """Return the repository: a poll sees all of its charts."""
        return "chart", self.credential_url, self._subscription.insecure_skip_tls_verify

    async def poll(self, access: Access) -> Any:
        """Return the digest of the index, or the tags."""
        key = (self.stream_key(), access.credential)
        async with self._backoff.attempt(key, most=access.settings.repository_backoff):
            return await self._charts(access).poll()

    async def mark(self, seen: Any, access: Access) -> str:
        """Return the best version."""
        if self._marked is None or self._marked[0] != seen:
            kept, _ = await self._charts(access).explain(seen)
            self._marked = (seen, kept[0] if kept else "")
        return self._marked[1]

    async def discover(self, access: Access, *, limit: int, as_of: datetime | None) -> Found:
        """Return the best versions; with `as_of` the dates of an index's entries, or of a registry's charts, count."""
        limit = min(limit, self.discovery_limit)
        charts = self._charts(access)
        seen = await charts.poll()
        kept, dropped = await charts.explain(seen)
        rejected = [Rejected(*one) for one in dropped]
        if as_of is None:
            found = [Discovered(self._artifact(version)) for version in kept[:limit]]
        else:
            async with aclosing(charts.dates(seen, kept)) as dates:
                found, late = await self._existing(dates, limit, as_of)
            rejected += late
        return Found(tuple(found), kept[0] if kept else "", tuple(rejected))

    async def _existing(
        self,
        dates: AsyncIterator[tuple[str, datetime | None] | Rejected],
        limit: int,
        as_of: datetime,
    ) -> tuple[list[Discovered], list[Rejected]]:
        found: list[Discovered] = []
        late: list[Rejected] = []
        async for one in dates:
            if isinstance(one, Rejected):
                late.append(one)
                continue
            version, created = one
            if created is None:
                raise ArtifactError(self._undated(version, as_of))
            if created > as_of:
                late.append(Rejected(version, f"made after {as_of.isoformat()}"))
            else:
                found.append(Discovered(self._artifact(version), created))
            if len(found) == limit:
                break
        return found, late

    def _undated(self, version: str, as_of: datetime) -> str:
        return (
            f"{self.url}: nothing says when version {version} was made, so that nobody can know whether it was there "
            f"at {as_of.isoformat()}; leave it out by semverConstraint"
        )

    def _artifact(self, version: str) -> ChartArtifact:
        return ChartArtifact(
            repo_url=self._subscription.repo_url,
            name=self._subscription.name,
            version=version,
            subscription_name=self.name,
        )

    def _charts(self, access: Access) -> _Charts:
        if self._subscription.repo_url.startswith(_OCI):
            return _RegistryCharts(self._subscription, access)
        egress = egress_of(access, verify_tls=not self._subscription.insecure_skip_tls_verify)
        cache = DiskCache(access.cache, size=access.settings.repository_cache_size)
        repository = ChartRepository(self._subscription.repo_url, egress, cache)
        return _ClassicCharts(self._subscription, repository)


@dataclass(frozen=True)
class _ClassicCharts:
    subscription: ChartSubscription
    repository: ChartRepository

    async def poll(self) -> str:
        return await self.repository.refresh()

    async def explain(self, seen: str) -> Explained:
        versions = await self.repository.versions(seen, self.subscription.name)
        constraint = self.subscription.semver_constraint
        return await asyncio.to_thread(explain_versions, versions, constraint)

    async def dates(
        self, seen: str, versions: Sequence[str]
    ) -> AsyncGenerator[tuple[str, datetime | None] | Rejected]:
        created = await self.repository.versions(seen, self.subscription.name)
        for version in versions:
            yield version, read_moment(created.get(version))


@dataclass(frozen=True)
class _RegistryCharts:
    subscription: ChartSubscription
    access: Access

    async def poll(self) -> list[str]:
        async with self._client() as (client, repository):
            return await client.list_tags(repository)

    async def explain(self, seen: Iterable[str]) -> Explained:
        constraint = self.subscription.semver_constraint
        return await asyncio.to_thread(explain_chart_tags, seen, constraint)

    async def dates(
        self,
        seen: Iterable[str],  # noqa: ARG002 the protocol's shape
        versions: Sequence[str],
    ) -> AsyncGenerator[tuple[str, datetime | None] | Rejected]:
        async with self._client() as (client, repository):
            for version in versions[:_MOST_DATED]:
                try:
                    manifest = await client.get_manifest(repository, tag_of(version))
                    created = await client.created_at(repository, manifest)
                except NotFoundError:
                    yield Rejected(version, "its tag is gone")
                else:
                    yield version, created
        if len(versions) > _MOST_DATED:
            raise ArtifactError(
                f"{self.subscription.repo_url}: the dates of the best {_MOST_DATED} versions do not tell what was "
                "there, and more are not asked for; narrow semverConstraint"
            )

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[tuple[RegistryClient, str]]:
        repo_url = self.subscription.repo_url.removeprefix(_OCI)
        settings = self.access.settings
        async with registry_client(
            repo_url,
            credential=self.access.credential,
            allow_credentials_over_http=settings.allow_credentials_over_http,
            allow_loopback=settings.allow_loopback,
            verify_tls=not self.subscription.insecure_skip_tls_verify,
            limits=RegistryLimits.of(settings),
        ) as client:
            yield client, parse_reference(repo_url).repository
