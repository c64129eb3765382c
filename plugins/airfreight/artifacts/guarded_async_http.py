"""The asynchronous client behind the same guard as `guarded_http`: for what watches and discovers."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from airfreight.artifacts.guarded_http import checked_addresses


def guarded_async_client(
    *, allow_loopback: bool, timeout: float, context: ssl.SSLContext
) -> httpx.AsyncClient:
    """Make a client that refuses link-local, loopback and metadata addresses with RefusedError.

    `timeout` is in seconds and for each read or write: a bound for the whole is the caller's. The environment's
    proxies are not used.
    """
    transport = httpx.AsyncHTTPTransport(verify=context, trust_env=False)
    transport._pool._network_backend = _GuardedBackend(allow_loopback)
    return httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False)


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only."""

    def __init__(self, allow_loopback: bool) -> None:
        self._allow_loopback = allow_loopback
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 httpcore's shape
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        resolve = functools.partial(
            checked_addresses, host, port, allow_loopback=self._allow_loopback
        )
        failure: Exception | None = None
        for address in await asyncio.to_thread(resolve):
            try:
                return await self._plain.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
