"""The subscription kind pypi: a Python package of an index."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from pydantic import Field, field_validator

from airfreight.artifacts.disk_cache import DiskCache
from airfreight.artifacts.documents import MIB, document_client
from airfreight.artifacts.pypi import ACCEPT, Release, explain_releases, read_releases
from airfreight.errors import ArtifactError
from airfreight.sources.base import Access, Rejected
from airfreight.sources.egress import egress_of, server_url
from airfreight.sources.kind import ArtifactVersion, SubscriptionConfig, SubscriptionKind

_PAGE_BYTES = 32 * MIB  # the largest on pypi.org have about 10
_PAGE = "page"
_PYPI = "https://pypi.org"


class PypiConfig(SubscriptionConfig):
    """`constraint` is one of PEP 440; the index has to speak PEP 691."""

    package: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=200)
    constraint: str = Field(default="", max_length=500)
    pre_releases: bool = False
    index_url: str = Field(default=_PYPI, alias="indexURL")

    @field_validator("constraint")
    @classmethod
    def _is_a_specifier(cls, constraint: str) -> str:
        try:
            SpecifierSet(constraint)
        except InvalidSpecifier:
            raise ValueError("expected a constraint of PEP 440 such as >=2.1,<3 or ~=1.4") from None
        return constraint

    @field_validator("index_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        return server_url(url)


class PypiKind(SubscriptionKind[PypiConfig]):
    """The releases of a package, newest first; those that were yanked are not taken."""

    kind = "pypi"
    config_type = PypiConfig

    def url(self, config: PypiConfig) -> str:
        """Return the package's page."""
        return f"{config.index_url}/simple/{canonicalize_name(config.package)}/"

    def credential_url(self, config: PypiConfig) -> str:
        """Return the index."""
        return config.index_url

    async def versions(
        self, config: PypiConfig, access: Access
    ) -> AsyncGenerator[ArtifactVersion | Rejected]:
        """Read the page, which lists all releases, where it changed."""
        releases = await self._releases(config, access)
        explain = functools.partial(
            explain_releases,
            releases,
            SpecifierSet(config.constraint),
            pre_releases=config.pre_releases,
        )
        for release, rule in await asyncio.to_thread(lambda: list(explain())):
            yield Rejected(release.version, rule) if rule else self._version(config, release)

    async def _releases(self, config: PypiConfig, access: Access) -> list[Release]:
        url = self.url(config)
        user = access.credential.username if access.credential else ""
        cache = DiskCache(access.cache, size=access.settings.repository_cache_size)
        scope = f"pypi {user} {url}"
        known = (await cache.get(scope, [_PAGE])).get(_PAGE)
        validators = known["validators"] if known else {}
        async with document_client(egress_of(access)) as client:
            asked = {"Accept": ACCEPT, **validators}
            document = await client.get(url, limit=_PAGE_BYTES, headers=asked)
        if document is None:
            if known is None:
                raise ArtifactError(f"{url} says that it did not change, and was never read")
            return [Release(**one) for one in known["releases"]]
        page = await asyncio.to_thread(document.json, _PAGE_BYTES)
        releases = await asyncio.to_thread(read_releases, page, url)
        kept = [release.to_json() for release in releases]
        await cache.put(scope, {_PAGE: {"validators": dict(document.validators), "releases": kept}})
        return list(releases)

    def _version(self, config: PypiConfig, release: Release) -> ArtifactVersion:
        page = f"{_PYPI}/project/{canonicalize_name(config.package)}/{release.version}/"
        return ArtifactVersion(
            version=release.version,
            name=config.package,
            link=page if config.index_url == _PYPI else release.url,
            digest=f"sha256:{release.sha256}" if release.sha256 else "",
            created_at=release.created_at,
            undated="the index does not tell when files were uploaded (PEP 700)",
        )
