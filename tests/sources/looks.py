"""What a source of a test may use."""

from __future__ import annotations

from pathlib import Path

from airfreight.model.credential import Credential
from airfreight.sources.base import Access, SourceSettings

OPEN = SourceSettings(allow_loopback=True, allow_credentials_over_http=True)


def look(cache: Path, login: Credential | None = None, settings: SourceSettings = OPEN) -> Access:
    """Return access that reaches this machine, with a login or without."""
    return Access(credential=login, settings=settings, cache=cache)
