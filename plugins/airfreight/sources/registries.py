"""Clients of registries, and what those of one process share: TLS contexts, pace, logins, and the wait after errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from cachetools import LRUCache

from airfreight.artifacts.guarded_async_http import guarded_async_client
from airfreight.artifacts.oci.client import RegistryClient
from airfreight.artifacts.oci.logins import Logins
from airfreight.artifacts.oci.pace import Pace
from airfreight.artifacts.oci.protocol import is_this_machine, parse_reference
from airfreight.artifacts.tls import tls_context
from airfreight.errors import ArtifactError, RefusedError
from airfreight.model.credential import Credential
from airfreight.sources.base import SourceSettings

# For one answer of a registry, its last byte included.
_SECONDS = 30.0
# Of registries and logins; what was used last stays.
_MOST_KEPT = 1024


@dataclass(frozen=True)
class RegistryLimits:
    """How fast and how wide one process asks one registry; the settings say why."""

    requests_per_second: int = SourceSettings.image_registry_rate_limit
    at_once: int = SourceSettings.image_registry_concurrency

    @classmethod
    def of(cls, settings: SourceSettings) -> RegistryLimits:
        """Return the limits of a deployment."""
        return cls(settings.image_registry_rate_limit, settings.image_registry_concurrency)


@dataclass(frozen=True)
class _Visitor:
    """Who asks which registry, and how; what makes two clients share a login."""

    host: str
    credential: Credential | None
    verify_tls: bool
    allow_over_http: bool

    @property
    def plain_http(self) -> bool:
        return is_this_machine(self.host)

    def new_logins(self) -> Logins:
        base = f"{'http' if self.plain_http else 'https'}://{self.host}"
        return Logins(self.host, base, self.credential, allow_over_http=self.allow_over_http)


class _Shared:
    """What the clients of one event loop share."""

    def __init__(self) -> None:
        self.paces: LRUCache[tuple[str, RegistryLimits], Pace] = LRUCache(_MOST_KEPT)
        self.logins: LRUCache[_Visitor, Logins] = LRUCache(_MOST_KEPT)

    def pace(self, host: str, limits: RegistryLimits) -> Pace:
        key = (host, limits)
        if key not in self.paces:
            self.paces[key] = Pace(limits.requests_per_second, limits.at_once)
        return self.paces[key]

    def logins_of(self, visitor: _Visitor) -> Logins:
        if visitor not in self.logins:
            self.logins[visitor] = visitor.new_logins()
        return self.logins[visitor]


_SHARED: WeakKeyDictionary[asyncio.AbstractEventLoop, _Shared] = WeakKeyDictionary()


@asynccontextmanager
async def registry_client(
    repo_url: str,
    *,
    credential: Credential | None,
    allow_credentials_over_http: bool,
    allow_loopback: bool = True,
    verify_tls: bool = True,
    limits: RegistryLimits | None = None,
) -> AsyncIterator[RegistryClient]:
    """Give a client for the registry of `repo_url`; its connections end with the block.

    Addresses that the guard refuses, and a Connection's ca_certificate that is none, raise ArtifactError. All clients
    of one event loop share the pace of a registry and the tokens of a login.
    """
    shared = _SHARED.setdefault(asyncio.get_running_loop(), _Shared())
    visitor = _Visitor(
        parse_reference(repo_url).host, credential, verify_tls, allow_credentials_over_http
    )
    authority = credential.ca_certificate if credential else ""
    context = await asyncio.to_thread(tls_context, verify=verify_tls, authority=authority)
    guarded = guarded_async_client(allow_loopback=allow_loopback, timeout=_SECONDS, context=context)
    try:
        async with guarded as http:
            yield RegistryClient(
                http,
                host=visitor.host,
                credential=credential,
                plain_http=visitor.plain_http,
                pace=shared.pace(visitor.host, limits or RegistryLimits()),
                logins=shared.logins_of(visitor),
                seconds=_SECONDS,
            )
    except RefusedError as error:
        raise ArtifactError(str(error)) from None
