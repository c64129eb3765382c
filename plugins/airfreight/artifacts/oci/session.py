"""Speak with a registry: logins, redirects, pace, limits and errors.

Where a credential goes: Basic to the registry's own host; for Bearer to the token realm, if that is
reached over https or is the registry's own host and scheme. Over plain http it goes nowhere unless
`allow_credentials_over_http` is set. Redirects are followed where blobs are read, and without
`Authorization` where they lead to another origin; never from https to http.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import IO, Literal
from urllib.parse import urljoin, urlsplit

import httpx

from airfreight.artifacts.oci import protocol
from airfreight.errors import (
    ArtifactError,
    AuthenticationError,
    NotFoundError,
    TransientError,
)
from airfreight.model.credential import Credential
from airfreight.model.urls import DOCKER_HUB_HOSTS

_TOKEN_BYTES = 2**20
_CHUNK_BYTES = 2**20
_REDIRECTS = 5


class FileBody(httpx.AsyncByteStream, httpx.SyncByteStream):
    """A file as the body of a request: `size` bytes from its start, however often it is sent."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.size = size
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK_BYTES):
            yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


@dataclass(frozen=True)
class Question:
    """One request. At most `limit` bytes of the answer are taken, into `sink` where there is one."""

    method: Literal["GET", "HEAD", "POST", "PUT"]
    url: str
    limit: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | FileBody = b""
    sink: Callable[[bytes], object] | None = None
    expected: tuple[int, ...] = (httpx.codes.OK,)


@dataclass(frozen=True)
class Answer:
    """What came back; `body` is empty where a sink took it, or where the question was no GET."""

    url: str
    status: int
    headers: httpx.Headers
    body: bytes


class RegistrySession:
    """Asks one registry; safe to share among tasks of one event loop.

    `host` may be any of Docker Hub's names. `actions` are what a token is asked for, besides what
    the registry itself names. `requests_per_second` paces all requests. Raises AuthenticationError,
    NotFoundError, TransientError (time-outs, 429, 5xx) or ArtifactError for what the registry should
    not have sent; no message holds a credential.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        host: str,
        credential: Credential | None,
        plain_http: bool = False,
        allow_credentials_over_http: bool = False,
        requests_per_second: float = 20,
        actions: Literal["pull", "pull,push"] = "pull",
    ) -> None:
        self._http = http
        self.host = protocol.DOCKER_HUB_API if host in DOCKER_HUB_HOSTS else host
        self.base = f"{'http' if plain_http else 'https'}://{self.host}"
        self._credential = credential
        self._allow_over_http = allow_credentials_over_http
        self._actions = actions
        self._interval = 1 / requests_per_second
        self._next_slot = 0.0
        self._authorization: dict[str, str] = {}
        self._renewing = asyncio.Lock()

    async def ask(self, question: Question, repository: str) -> Answer:
        """Send one request, logging in where the registry asks for it; a token that it refuses is renewed once."""
        used = self._credential
        try:
            return await self._ask(question, repository)
        except AuthenticationError:
            if not await self._renew(used):
                raise
        return await self._ask(question, repository)

    async def _renew(self, refused: Credential | None) -> bool:
        async with self._renewing:
            if self._credential is not refused:
                return True  # another request of the session was refused first
            renewed = await asyncio.to_thread(refused.renew) if refused and refused.renew else None
            if renewed is None:
                return False
            # Once for a session: what its second token may not do, a third may not, either.
            self._credential = replace(renewed, renew=None)
            self._authorization.clear()
            return True

    async def _ask(self, question: Question, repository: str) -> Answer:
        # An upload may have its place elsewhere, and a blob; the login has not.
        known = self._authorization.get(repository) if self._is_own(question.url) else None
        answer = await self._follow(question, known)
        if answer.status == httpx.codes.UNAUTHORIZED and self._is_own(answer.url):
            challenge = protocol.parse_challenge(answer.headers.get("www-authenticate", ""))
            authorization = await self._log_in(challenge, repository)
            self._authorization[repository] = authorization
            answer = await self._follow(question, authorization)
        _check_status(answer, f"{self.host}/{repository}", question.expected)
        return answer

    def _is_own(self, url: str) -> bool:
        return urlsplit(url)[:2] == urlsplit(self.base)[:2]

    async def _follow(self, question: Question, authorization: str | None) -> Answer:
        url = question.url
        for _ in range(_REDIRECTS):
            answer = await self._send(question, url, authorization)
            redirected = answer.status in (301, 302, 303, 307, 308)
            if not redirected or question.method not in ("GET", "HEAD") or "/blobs/" not in url:
                return answer
            target = self.place_named(url, answer)
            if urlsplit(target)[:2] != urlsplit(url)[:2]:
                authorization = None
            # What follows a blob is a blob; storage has other paths.
            if "/blobs/" not in target:
                return await self._send(question, target, authorization)
            url = target
        raise ArtifactError(f"{self.host} redirects more than {_REDIRECTS} times")

    def place_named(self, url: str, answer: Answer) -> str:
        """Return where the answer of `url` leads; raises ArtifactError where that is no address or no longer https."""
        try:
            target: str = urljoin(url, answer.headers.get("location", ""))
            scheme = urlsplit(target).scheme
        except ValueError:
            raise ArtifactError(f"{self.host} redirects to an address that is none") from None
        if urlsplit(url).scheme == "https" and scheme != "https":
            raise ArtifactError(f"{self.host} redirects from https to http; not followed")
        return target

    async def _send(
        self,
        question: Question,
        url: str,
        authorization: str | None,
        auth: tuple[str, str] | None = None,
    ) -> Answer:
        await self._pace()
        try:
            request = self._request(question, url, authorization)
            response = await self._http.send(
                request, stream=True, auth=auth, follow_redirects=False
            )
            try:
                body = await _read(response, question) if question.method == "GET" else b""
            finally:
                await response.aclose()
        except httpx.InvalidURL:
            raise ArtifactError(
                f"{self.host} was asked, or named, an address that is none"
            ) from None
        except httpx.HTTPError as error:
            raise TransientError(
                f"{urlsplit(url).netloc} did not answer: {type(error).__name__}"
            ) from None
        return Answer(url, response.status_code, response.headers, body)

    def _request(self, question: Question, url: str, authorization: str | None) -> httpx.Request:
        headers = {"Accept": "*/*", **question.headers}
        if authorization:
            headers["Authorization"] = authorization
        if isinstance(question.body, bytes):
            content = question.body or None
            return self._http.build_request(question.method, url, headers=headers, content=content)
        headers["Content-Length"] = str(question.body.size)
        plain = self._http.build_request(question.method, url, headers=headers)
        return httpx.Request(
            plain.method,
            plain.url,
            headers=plain.headers,
            stream=question.body,
            extensions=plain.extensions,
        )

    async def _pace(self) -> None:
        now = time.monotonic()
        slot = max(now, self._next_slot)
        self._next_slot = slot + self._interval
        if slot > now:
            await asyncio.sleep(slot - now)

    async def _log_in(self, challenge: protocol.Challenge, repository: str) -> str:
        if challenge.scheme == "bearer":
            return await self._fetch_token(challenge.parameters, repository)
        if challenge.scheme == "basic" and self._may_receive(self.base) and self._credential:
            login = httpx.BasicAuth(self._credential.username, self._credential.password)
            request = next(login.auth_flow(httpx.Request("GET", self.base)))
            return request.headers["Authorization"]
        raise AuthenticationError(self._why_no_login(challenge.scheme))

    def _why_no_login(self, scheme: str) -> str:
        if scheme != "basic":
            return f"{self.host} asks for an unknown kind of login; Basic and Bearer are known"
        if self._credential is None:
            return f"{self.host} asks for a login; make a Connection for it"
        return (
            f"{self.host} asks for a login over plain http; use https,"
            " or set allow_credentials_over_http"
        )

    async def _fetch_token(self, parameters: Mapping[str, str], repository: str) -> str:
        realm = parameters.get("realm", "")
        origin = urlsplit(realm)
        if origin.scheme not in ("https", "http") or not origin.netloc or "@" in origin.netloc:
            raise AuthenticationError(f"{self.host} names a token realm that is no address")
        own = f"repository:{repository}:{self._actions}"
        query: dict[str, str | list[str]] = {
            "scope": list(dict.fromkeys((own, *parameters.get("scope", "").split())))
        }
        if service := parameters.get("service"):
            query["service"] = service
        auth = None
        if self._credential and self._may_receive(realm):
            auth = (self._credential.username, self._credential.password)
        url = str(httpx.URL(realm).copy_merge_params(query))
        answer = await self._send(Question("GET", url, _TOKEN_BYTES), url, None, auth)
        _check_status(answer, f"the token realm {origin.netloc} of {self.host}", (httpx.codes.OK,))
        document = protocol.read_json(answer.body, "token")
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not token.isprintable():
            raise AuthenticationError(f"{origin.netloc} sent no token for {self.host}")
        return f"Bearer {token}"

    def _may_receive(self, url: str) -> bool:
        """Whether the credential may be sent there; the module says by which rule."""
        if urlsplit(url).scheme == "https":
            return True
        return self._allow_over_http and self._is_own(url)


async def _read(response: httpx.Response, question: Question) -> bytes:
    body = bytearray()
    # What the registry says of a refusal is not what was asked for.
    sink = question.sink if response.status_code in question.expected else None
    take, taken = sink or body.extend, 0
    # Counted after decompression: a small answer may unpack to a huge one.
    async for chunk in response.aiter_bytes():
        taken += len(chunk)
        if taken > question.limit:
            raise ArtifactError(f"{response.url.host} sent more than {question.limit} bytes")
        take(chunk)
    return bytes(body)


def _check_status(answer: Answer, where: str, expected: tuple[int, ...]) -> None:
    status = answer.status
    if status in (401, 403):
        raise AuthenticationError(f"{where} refused the login (HTTP {status})")
    if status == httpx.codes.NOT_FOUND:
        raise NotFoundError(f"{where}: not found ({urlsplit(answer.url).path})")
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= 500:
        wait = answer.headers.get("retry-after", "")
        raise TransientError(
            f"{where} answered HTTP {status}", float(wait) if wait.isdecimal() else None
        )
    if status not in expected:
        raise ArtifactError(f"{where} answered HTTP {status}")
