"""Sources that show what a test puts there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from airfreight.errors import ArtifactError
from airfreight.sources.base import (
    Access,
    Artifact,
    Discovered,
    Found,
    Rejected,
    Source,
    SourceSettings,
)


@dataclass(frozen=True)
class FakeSource:
    """Shows `artifacts`, best first, or fails with `fault`."""

    url: str
    artifacts: tuple[Artifact, ...] = ()
    name: str = ""
    fault: ArtifactError | None = None
    rejected: tuple[Rejected, ...] = ()
    created_at: datetime | None = None
    credential_kind: str = "image"
    discovery_limit: int = 20

    @property
    def credential_url(self) -> str:
        return self.url

    def stream_key(self) -> str:
        return self.url

    async def poll(self, access: Access) -> Any:
        return None

    async def mark(self, seen: Any, access: Access) -> str:
        return f"mark of {self.url}"

    async def discover(self, access: Access, *, limit: int, as_of: datetime | None) -> Found:
        if self.fault is not None:
            raise self.fault
        found = tuple(Discovered(one, self.created_at) for one in self.artifacts[:limit])
        return Found(found, await self.mark(None, access), self.rejected)


def no_access(source: Source) -> Access:
    return Access(None, SourceSettings(), Path("nowhere"))
