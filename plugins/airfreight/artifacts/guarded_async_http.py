"""The asynchronous client behind the same guard as `guarded_http`: for what watches and discovers."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
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


class NameResolver:
    """Finds the checked addresses of names, at most `at_once` at the same time and each within `seconds`.

    With threads of its own: one whose servers do not answer holds its thread until the system gives up, and the loop's
    few would soon be gone.
    """

    def __init__(
        self,
        resolve: Callable[..., list[str]] = checked_addresses,
        *,
        seconds: float = 10.0,
        at_once: int = 32,
    ) -> None:
        self._resolve = resolve
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(at_once, "airfreight-names")

    async def addresses(self, host: str, port: int, *, allow_loopback: bool) -> list[str]:
        """Return every address; raises as `checked_addresses` does, ConnectTimeout where it takes too long."""
        resolve = functools.partial(self._resolve, host, port, allow_loopback=allow_loopback)
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.get_running_loop().run_in_executor(self._threads, resolve)
        except TimeoutError:
            message = f"{host} was not resolved within {self._seconds:g} s"
            raise httpcore.ConnectTimeout(message) from None


_NAMES = NameResolver()


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
        addresses = await _NAMES.addresses(host, port, allow_loopback=self._allow_loopback)
        failure: Exception | None = None
        for address in addresses:
            try:
                return await self._plain.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
