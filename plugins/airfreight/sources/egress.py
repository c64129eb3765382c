"""How sources reach servers: as the deployment's settings allow."""

from __future__ import annotations

from airfreight.artifacts.documents import Egress
from airfreight.sources.base import Access


def egress_of(access: Access, *, verify_tls: bool = True) -> Egress:
    """Return how a source may reach servers."""
    return Egress(
        credential=access.credential,
        allow_loopback=access.settings.allow_loopback,
        allow_credentials_over_http=access.settings.allow_credentials_over_http,
        verify_tls=verify_tls,
    )
