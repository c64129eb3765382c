"""A classic chart repository: its index, asked for only where it changed, and read once for each change."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

from airfreight.artifacts.charts.index import ChartVersions, read_index
from airfreight.artifacts.disk_cache import DiskCache
from airfreight.artifacts.documents import MIB, Document, Egress, document_client
from airfreight.errors import NotFoundError

_INDEX_BYTES = 64 * MIB  # the largest that are known have about 20
_ABOUT = "about"
_NAMES = ""  # no chart is called so


class ChartRepository:
    """The repository at `repo_url`, as whoever has the login of `egress` sees it.

    What an index holds is kept under its digest, a chart at a time; the digest and the server's own words for it under
    the repository. Raises ArtifactError or what derives from it.
    """

    def __init__(self, repo_url: str, egress: Egress, cache: DiskCache) -> None:
        self.url = f"{repo_url.rstrip('/')}/index.yaml"
        self._egress = egress
        self._cache = cache
        user = egress.credential.username if egress.credential else ""
        self._scope = f"charts {user} {egress.verify_tls} {self.url}"

    async def refresh(self) -> str:
        """Ask whether the index changed, read it where it did, and return the digest of what it is now."""
        known = (await self._cache.get(self._scope, [_ABOUT])).get(_ABOUT)
        digest, _ = await self._read(known)
        return digest

    async def versions(self, digest: str, chart: str) -> ChartVersions:
        """Return the versions of `chart` by the index of this digest, or by today's where that is not kept any more.

        Raises NotFoundError where there are none.
        """
        kept = await self._cache.get(f"{self._scope} {digest}", [_NAMES, chart])
        versions = kept.get(chart)
        if versions is None and chart in kept.get(_NAMES, [chart]):
            _, charts = await self._read(None)
            versions = charts.get(chart)
        if not versions:
            raise NotFoundError(f"{self.url} lists no chart {chart!r}")
        return dict(versions)

    async def _read(
        self, known: Mapping[str, Any] | None
    ) -> tuple[str, Mapping[str, ChartVersions]]:
        """Return the index's digest, and its charts where it is another than the `known` one."""
        async with document_client(self._egress) as client:
            validators = known["validators"] if known else {}
            document = await client.get(self.url, limit=_INDEX_BYTES, headers=validators)
        if document is None:
            if known is None:
                raise NotFoundError(f"{self.url} says that it did not change, and was never read")
            return known["digest"], {}
        digest = await asyncio.to_thread(lambda: hashlib.sha256(document.body).hexdigest())
        about = {"digest": digest, "validators": dict(document.validators)}
        charts: dict[str, ChartVersions] = {}
        if known is None or known["digest"] != digest:
            charts = await asyncio.to_thread(self._charts, document)
            kept = {**charts, _NAMES: list(charts)}
            await self._cache.put(f"{self._scope} {digest}", kept)
        if about != known:
            await self._cache.put(self._scope, {_ABOUT: about})
        return digest, charts

    def _charts(self, document: Document) -> dict[str, ChartVersions]:
        charts: dict[str, ChartVersions] = {}
        for name, versions in read_index(document.pieces(_INDEX_BYTES), self.url):
            # A chart may stand twice; the first word counts.
            charts[name] = versions | charts.get(name, {})
        return charts
