"""Documents that a server has under a URL: read whole, within bounds, and only where they changed.

A login goes to the URL's own origin and to no other that a redirect names, over plain http nowhere unless
`allow_credentials_over_http` is set. Redirects are followed, never from https to http.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from airfreight.artifacts.guarded_async_http import guarded_async_client
from airfreight.artifacts.retry_after import retry_seconds
from airfreight.artifacts.tls import tls_context, unanswered
from airfreight.artifacts.unpacking import Unpacker, encoding_of
from airfreight.errors import (
    ArtifactError,
    AuthenticationError,
    NotFoundError,
    RefusedError,
    TransientError,
)
from airfreight.model.credential import Credential

MIB = 2**20
_PATIENCE = 30.0  # seconds in which a server that answers at all sends something
_SECONDS = 120.0  # for a whole document: 50 MB over a slow line
_REDIRECTS = 5


@dataclass(frozen=True)
class Egress:
    """How servers may be reached: `credential` is None for an anonymous visit."""

    credential: Credential | None = None
    allow_loopback: bool = False
    allow_credentials_over_http: bool = False
    verify_tls: bool = True


@dataclass(frozen=True)
class Document:
    """What a server sent, `packed` by gzip or not; `validators` are what a conditional request asks with."""

    url: str
    body: bytes
    packed: bool = False
    validators: Mapping[str, str] = field(default_factory=dict)

    def pieces(self, limit: int) -> Iterator[bytes]:
        """Yield the unpacked body; raises ArtifactError where that is no gzip or larger than `limit` bytes.

        Never more than a piece is unpacked at once: a small body may unpack to a huge one.
        """
        if not self.packed:
            yield self.body
            return
        unpacker, taken = Unpacker(self.url), 0
        for piece in unpacker.feed(self.body):
            taken += len(piece)
            if taken > limit:
                raise too_large(self.url, limit)
            yield piece
        unpacker.check_end()

    def json(self, limit: int) -> Any:
        """Return the body as JSON; raises ArtifactError where it is none. For a thread: it takes time."""
        try:
            # A Python function per object lets other threads run; without one the interpreter stands still until
            # the end, ten milliseconds for each megabyte.
            return json.loads(b"".join(self.pieces(limit)), object_hook=_itself)
        except (ValueError, RecursionError):
            raise ArtifactError(f"{self.url} sent no JSON") from None


def _itself(document: dict[str, Any]) -> dict[str, Any]:
    return document


def validator_of(headers: Mapping[str, str], name: str) -> str:
    """Return what a header says of the document's state, where it can be sent back to ask for a change; else nothing.

    A server may send any bytes; what is kept of them would make each later request fail.
    """
    word = headers.get(name, "")
    return word if word.isascii() and word.isprintable() else ""


def too_large(url: str, limit: int) -> ArtifactError:
    """Return the error for a document beyond its bound."""
    return ArtifactError(f"{url} sent more than {limit} bytes")


@dataclass(frozen=True)
class _Wanted:
    url: str
    query: str
    limit: int
    headers: Mapping[str, str]
    missing: tuple[int, ...] = (404,)
    success: tuple[int, ...] = (200,)


class DocumentClient:
    """Reads documents; raises ArtifactError or what derives from it, and no message holds a login."""

    def __init__(
        self, http: httpx.AsyncClient, egress: Egress, *, seconds: float = _SECONDS
    ) -> None:
        self._http = http
        self._egress = egress
        self._seconds = seconds

    async def get(
        self,
        url: str,
        *,
        limit: int,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        missing: tuple[int, ...] = (404,),
    ) -> Document | None:
        """Return the document, at most `limit` bytes as sent; None where `headers` ask for a change that was none.

        Messages name `url`, and not the query. `missing` are the answers that mean that there is no such document.
        """
        async with self._faults(url):
            return await self._follow(_Wanted(url, query, limit, dict(headers or {}), missing))

    async def post_login(self, url: str, body: Mapping[str, str], *, limit: int) -> Document:
        """Send a login as JSON and return what the server gives for it, at most `limit` bytes; follows no redirect."""
        if not self._may_send_login(url):
            raise AuthenticationError(_only_over_https(url))
        async with self._faults(url):
            wanted = _Wanted(url, "", limit, {"Accept-Encoding": "gzip"}, success=(200, 201))
            request = self._http.build_request("POST", url, headers=wanted.headers, json=dict(body))
            response = await self._http.send(request, stream=True, follow_redirects=False)
            try:
                return await self._read(response, wanted, sent_login=True)
            finally:
                await response.aclose()

    @asynccontextmanager
    async def _faults(self, url: str) -> AsyncIterator[None]:
        """Bound the time for `url`, and raise what goes wrong as an ArtifactError."""
        if "@" in urlsplit(url).netloc:
            raise ArtifactError("a URL with a login in it is not asked; make a Connection instead")
        try:
            async with asyncio.timeout(self._seconds):
                yield
        except TimeoutError:
            raise TransientError(f"{url} took longer than {self._seconds:g} s") from None
        except RefusedError as error:
            raise ArtifactError(str(error)) from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise ArtifactError(f"{url[:200]} is no URL that can be asked") from None
        except httpx.HTTPError as error:
            raise unanswered(urlsplit(url).netloc, error) from None

    async def _follow(self, wanted: _Wanted) -> Document | None:
        login = self._login(wanted.url)
        first = target = httpx.URL(f"{wanted.url}?{wanted.query}" if wanted.query else wanted.url)
        for _ in range(_REDIRECTS + 1):
            sent = login if _origin(target) == _origin(first) else {}
            headers = {"Accept-Encoding": "gzip", **wanted.headers, **sent}
            request = self._http.build_request("GET", target, headers=headers)
            response = await self._http.send(request, stream=True, follow_redirects=False)
            try:
                if response.status_code == httpx.codes.NOT_MODIFIED:
                    return None
                if response.next_request is None:
                    return await self._read(response, wanted, sent_login=bool(sent))
                target = _checked_target(wanted.url, target, response.next_request.url)
            finally:
                await response.aclose()
        raise ArtifactError(f"{wanted.url} redirects more than {_REDIRECTS} times")

    def _login(self, url: str) -> dict[str, str]:
        """Return the header that logs in; a password without a user name is a token."""
        credential = self._egress.credential
        if credential is None or not self._may_send_login(url) or not credential.password:
            return {}
        if not credential.username:
            return {"Authorization": f"Bearer {credential.password}"}
        pair = f"{credential.username}:{credential.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def _may_send_login(self, url: str) -> bool:
        return url.lower().startswith("https://") or self._egress.allow_credentials_over_http

    async def _read(
        self, response: httpx.Response, wanted: _Wanted, *, sent_login: bool
    ) -> Document:
        self._check(response, wanted, sent_login=sent_login)
        encoding = encoding_of(response, wanted.url)
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > wanted.limit:
                raise too_large(wanted.url, wanted.limit)
        validators = {
            asked: word
            for asked, sent in (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified"))
            if (word := validator_of(response.headers, sent))
        }
        return Document(wanted.url, bytes(body), encoding == "gzip", validators)

    def _check(self, response: httpx.Response, wanted: _Wanted, *, sent_login: bool) -> None:
        status, url = response.status_code, wanted.url
        if status in (401, 403):
            raise AuthenticationError(self._why_no_login(url, status, sent_login))
        if status in wanted.missing:
            raise NotFoundError(f"{url}: not found")
        if status == httpx.codes.TOO_MANY_REQUESTS or status >= 500:
            wait = retry_seconds(response.headers.get("retry-after", ""), datetime.now(UTC))
            raise TransientError(f"{url} answered HTTP {status}", wait)
        if status not in wanted.success:
            raise ArtifactError(f"{url} answered HTTP {status}")

    def _why_no_login(self, url: str, status: int, sent_login: bool) -> str:
        if sent_login:
            return f"{url} refused the login (HTTP {status})"
        if self._egress.credential is None:
            return f"{url} asks for a login (HTTP {status}); make a Connection for it"
        if url.lower().startswith("https://"):
            return f"{url} leads to another host, which asks for a login (HTTP {status}); none goes there"
        return _only_over_https(url)


@asynccontextmanager
async def document_client(egress: Egress) -> AsyncIterator[DocumentClient]:
    """Give a client; its connections end with the block."""
    async with egress_client(egress) as http:
        yield DocumentClient(http, egress)


@asynccontextmanager
async def egress_client(egress: Egress) -> AsyncIterator[httpx.AsyncClient]:
    """Give a guarded client that trusts the authority of the Connection, where that names one."""
    authority = egress.credential.ca_certificate if egress.credential else ""
    context = await asyncio.to_thread(tls_context, verify=egress.verify_tls, authority=authority)
    async with guarded_async_client(
        allow_loopback=egress.allow_loopback, timeout=_PATIENCE, context=context
    ) as http:
        yield http


def _only_over_https(url: str) -> str:
    return f"{url} asks for a login over plain http; use https, or set allow_credentials_over_http"


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _checked_target(url: str, current: httpx.URL, target: httpx.URL) -> httpx.URL:
    if current.scheme == "https" and target.scheme != "https":
        raise ArtifactError(f"{url} redirects from https to http; not followed")
    return target
