"""HTTP for addresses that a manifest names: reaches internal services, but neither this machine nor cloud metadata.

The guard sits where the connection is made: a name is resolved once, every address it has is checked, and the
connection goes to a checked address. So redirects, odd spellings of addresses and changing DNS answers all pass it.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import httpcore
import httpx

from airfreight.artifacts.tls import tls_context
from airfreight.errors import RefusedError

_METADATA = frozenset(
    ip_address(address)
    for address in (
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)
_NAT64 = ip_network("64:ff9b::/96")
_THIS_NETWORK = ip_network("0.0.0.0/8")
_REDIRECTS = 10
_KEPT_HEADERS = frozenset(
    (
        "host",
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "transfer-encoding",
        "user-agent",
    )
)


def guarded_client(
    *,
    allow_loopback: bool,
    timeout: float,
    verify: bool = True,
    authority: str = "",
    proxy: str | None = None,
) -> httpx.Client:
    """Make a client that refuses link-local, loopback and metadata addresses with RefusedError.

    `timeout` is in seconds and counts from now for all that the client does, slow bodies included.
    `allow_loopback` opens this machine, never link-local or metadata. The environment's proxies are not used; with
    `proxy` the proxy's address is the one checked, as it makes the connections. Redirects: `send_following`.
    `authority` is the one that is trusted, in PEM, in place of the machine's; raises ArtifactError where it is none.
    """
    backend = _GuardedBackend(allow_loopback, time.monotonic() + timeout)
    context = tls_context(verify=verify, authority=authority)
    transport = httpx.HTTPTransport(verify=context, proxy=proxy, trust_env=False)
    transport._pool._network_backend = backend
    return httpx.Client(transport=transport, timeout=timeout, trust_env=False)


def send_following(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    """Send and follow up to 10 redirects; the response's body is not read yet.

    What may be a login (all headers but the plain ones) stays with its origin. Raises httpx.TooManyRedirects.
    """
    for _ in range(_REDIRECTS + 1):
        response = client.send(request, stream=True, follow_redirects=False)
        following = response.next_request
        if following is None:
            return response
        response.close()
        if _origin(following.url) != _origin(request.url):
            for name in [n for n in following.headers if n.lower() not in _KEPT_HEADERS]:
                del following.headers[name]
        request = following
    raise httpx.TooManyRedirects(f"more than {_REDIRECTS} redirects", request=request)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def refusal(address: str, *, allow_loopback: bool) -> str | None:
    """Say why `address` may not be reached, or None where it may."""
    ip = _innermost(ip_address(address.partition("%")[0]))
    if ip in _METADATA:
        return "a cloud metadata address"
    if ip.is_link_local:
        return "a link-local address"
    if ip.is_multicast or str(ip) == "255.255.255.255":
        return "a multicast or broadcast address"
    if not allow_loopback and (ip.is_loopback or ip.is_unspecified or ip in _THIS_NETWORK):
        return "a loopback address (the setting allow_loopback is off)"
    return None


def _innermost(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 address carries, or the address itself."""
    if isinstance(ip, IPv4Address):
        return ip
    carried = ip.ipv4_mapped or ip.sixtofour or (ip.teredo or (None, None))[1]
    if carried is None and (ip in _NAT64 or 1 < int(ip) < 1 << 32):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return carried or ip


def checked_addresses(host: str, port: int, *, allow_loopback: bool) -> list[str]:
    """Return every address of `host`; raises RefusedError where one is closed, ConnectError where there is none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"{host} cannot be resolved") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        reason = refusal(address, allow_loopback=allow_loopback)
        if reason:
            raise RefusedError(f"{host} leads to {address}, {reason}: requests there are refused")
    return addresses


class _GuardedBackend(httpcore.NetworkBackend):
    """Connects to checked addresses only; all that happens on its connections ends at `deadline`."""

    def __init__(self, allow_loopback: bool, deadline: float) -> None:
        self._allow_loopback = allow_loopback
        self._deadline = deadline
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception | None = None
        for address in checked_addresses(host, port, allow_loopback=self._allow_loopback):
            try:
                stream = self._plain.connect_tcp(
                    address,
                    port,
                    _remaining(self._deadline, timeout),
                    local_address,
                    socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _DeadlineStream(stream, self._deadline)
        raise failure or httpcore.ConnectError(f"{host} has no address")


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose reads and writes together end at the deadline: a trickle of bytes buys no time."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _remaining(self._deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _remaining(self._deadline, timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        remaining = _remaining(self._deadline, timeout)
        stream = self._stream.start_tls(ssl_context, server_hostname, remaining)
        return _DeadlineStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _remaining(deadline: float, timeout: float | None) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time for the request is over")
    return left if timeout is None else min(left, timeout)
