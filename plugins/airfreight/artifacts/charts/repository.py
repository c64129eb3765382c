"""A classic chart repository: its index, asked for only where it changed."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airfreight.artifacts.charts.cache import IndexCache
from airfreight.artifacts.charts.index import ChartVersions, read_index
from airfreight.artifacts.documents import MIB, Document, Egress, document_client, too_large
from airfreight.errors import NotFoundError

_INDEX_BYTES = 64 * MIB  # the largest that are known have about 20


class ChartRepository:
    """The repository at `repo_url`, as whoever has the login of `egress` sees it.

    Raises ArtifactError or what derives from it.
    """

    def __init__(
        self, repo_url: str, egress: Egress, cache: Path, *, most: int = _INDEX_BYTES
    ) -> None:
        self.url = f"{repo_url.rstrip('/')}/index.yaml"
        self._egress = egress
        self._cache = IndexCache(cache / "chart-indexes")
        user = egress.credential.username if egress.credential else ""
        self._key = f"{user} {egress.verify_tls} {self.url}"
        self._most = most

    async def refresh(self) -> str:
        """Ask whether the index changed, read it where it did, and return the digest of what it is now."""
        about = await asyncio.to_thread(self._cache.about, self._key)
        async with document_client(self._egress) as client:
            known = about["validators"] if about else {}
            document = await client.get(self.url, limit=self._most, headers=known)
        if document is None and about:
            return str(about["digest"])
        if document is None:
            raise NotFoundError(f"{self.url} says that it did not change, and was never read")
        return await asyncio.to_thread(self._keep, document, about)

    async def versions(self, chart: str) -> ChartVersions:
        """Return the versions of `chart` by the index as it was read last; raises NotFoundError where it has none."""
        found = await asyncio.to_thread(self._cache.versions, self._key, chart)
        if found is None:
            await self.refresh()
            found = await asyncio.to_thread(self._cache.versions, self._key, chart)
        if not found:
            raise NotFoundError(f"{self.url} lists no chart {chart!r}")
        return found

    def _keep(self, document: Document, before: dict[str, Any] | None) -> str:
        digest = hashlib.sha256(document.body).hexdigest()
        if (
            before is None
            or before["digest"] != digest
            or before["validators"] != document.validators
        ):
            about = {"digest": digest, "validators": document.validators}
            charts = read_index(_bounded(document, self._most), self.url)
            self._cache.keep(self._key, about, charts)
        return digest


def _bounded(document: Document, most: int) -> Iterator[bytes]:
    taken = 0
    for piece in document.pieces(most):
        taken += len(piece)
        if taken > most:
            raise too_large(document.url, most)
        yield piece
