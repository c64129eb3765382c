"""How sources reach servers: as the deployment's settings allow."""

from __future__ import annotations

from urllib.parse import urlsplit

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


def server_url(url: str) -> str:
    """Return `url` without a slash at its end; raises ValueError where it is no http or https, or holds a login."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("expected a URL that begins with https:// or http://, without a query")
    if "@" in parts.netloc:
        raise ValueError(
            "expected a URL without a login; put it into a Connection that a Secret names"
        )
    return url.rstrip("/")
