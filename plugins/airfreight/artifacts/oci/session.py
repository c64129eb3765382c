"""Speak with a registry: redirects, pace, limits and errors; for the logins see `logins`.

Redirects are followed where something is read, without `Authorization` where they lead to another origin, and never
from https to http.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any, Literal
from urllib.parse import urljoin, urlsplit

import httpx

from airfreight.artifacts.oci import protocol
from airfreight.artifacts.oci.logins import Actions, Login, Logins
from airfreight.artifacts.oci.pace import Pace
from airfreight.artifacts.retry_after import retry_seconds
from airfreight.artifacts.tls import unanswered
from airfreight.artifacts.unpacking import async_body_of
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
_REDIRECTED = (301, 302, 303, 307, 308)
_REFUSALS = (401, 403)
_REQUESTS_PER_SECOND = 20


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
    the registry itself names. `pace` and `logins` may be shared with other sessions; each has its own otherwise.
    `seconds` is what one answer may take, its last byte included. Raises AuthenticationError, NotFoundError,
    TransientError (time-outs, 429, 5xx) or ArtifactError for what the registry should not have sent; no message holds
    a credential.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        host: str,
        credential: Credential | None,
        plain_http: bool = False,
        allow_credentials_over_http: bool = False,
        actions: Actions = "pull",
        pace: Pace | None = None,
        logins: Logins | None = None,
        seconds: float | None = None,
    ) -> None:
        self._http = http
        self.host = protocol.DOCKER_HUB_API if host in DOCKER_HUB_HOSTS else host
        self.base = f"{'http' if plain_http else 'https'}://{self.host}"
        self._pace = pace or Pace(_REQUESTS_PER_SECOND)
        self._seconds = seconds
        self._logins = logins or Logins(
            self.host,
            self.base,
            credential,
            allow_over_http=allow_credentials_over_http,
            actions=actions,
        )

    async def ask(self, question: Question, repository: str) -> Answer:
        """Send one request, logging in where the registry asks for it; a token that it refuses is renewed once."""
        used = self._logins.credential
        try:
            return await self._ask(question, repository)
        except AuthenticationError:
            if not await self._logins.renew(used):
                raise
        return await self._ask(question, repository)

    async def _ask(self, question: Question, repository: str) -> Answer:
        # An upload may have its place elsewhere, and a blob; the login has not.
        is_own = self._is_own(question.url)
        login = await self._logins.of(repository, self._ask_realm) if is_own else None
        answer = await self._follow(question, login)
        if answer.status == httpx.codes.UNAUTHORIZED and self._is_own(answer.url):
            challenge = protocol.parse_challenge(answer.headers.get("www-authenticate", ""))
            login = await self._logins.answer(challenge, repository, self._ask_realm)
            answer = await self._follow(question, login)
        where = f"{self.host}/{repository}"
        if answer.status in _REFUSALS:
            raise AuthenticationError(f"{where} {self._why_refused(answer, login)}")
        _check_status(answer, where, question.expected)
        return answer

    def _is_own(self, url: str) -> bool:
        return urlsplit(url)[:2] == urlsplit(self.base)[:2]

    def _why_refused(self, answer: Answer, login: Login | None) -> str:
        code = f"(HTTP {answer.status})"
        if not self._is_own(answer.url):
            elsewhere = urlsplit(answer.url).netloc
            return (
                f"leads to {elsewhere}, which asks for a login {code}; ours stays with {self.host}"
            )
        if login is None or not login.is_of_credential:
            return (
                f"refused an anonymous visit {code}: there is no such repository, or it needs a login;"
                " check its name, or make a Connection for it"
            )
        if login.is_token or answer.status == httpx.codes.FORBIDDEN:
            return (
                f"accepted the login, but does not open the repository to it {code}: there is no such"
                " repository, or the login may not read it; check its name and the login's rights"
            )
        return f"refused the login {code}; check its Connection"

    async def _ask_realm(self, url: str, auth: tuple[str, str] | None) -> dict[str, Any]:
        answer = await self._send(Question("GET", url, _TOKEN_BYTES), url, None, auth)
        where = f"the token realm {urlsplit(url).netloc} of {self.host}"
        if answer.status in _REFUSALS:
            raise AuthenticationError(f"{where} refused the login (HTTP {answer.status})")
        # A realm that is not there says nothing about the repository.
        if answer.status == httpx.codes.NOT_FOUND:
            raise ArtifactError(f"{where} answered HTTP {answer.status}")
        _check_status(answer, where, (httpx.codes.OK,))
        return protocol.read_json(answer.body, "token")

    async def _follow(self, question: Question, login: Login | None) -> Answer:
        url = question.url
        authorization = login.authorization if login else None
        for _ in range(_REDIRECTS + 1):
            answer = await self._send(question, url, authorization)
            if answer.status not in _REDIRECTED or question.method not in ("GET", "HEAD"):
                return answer
            target = self.place_named(url, answer)
            if urlsplit(target)[:2] != urlsplit(url)[:2]:
                authorization = None
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
        request = self._request(question, url, authorization)
        async with self._pace.turn(), self._faults(url):
            response = await self._http.send(
                request, stream=True, auth=auth, follow_redirects=False
            )
            try:
                body = await _read(response, question) if question.method == "GET" else b""
            finally:
                await response.aclose()
        return Answer(url, response.status_code, response.headers, body)

    def _request(self, question: Question, url: str, authorization: str | None) -> httpx.Request:
        try:
            return self._built(question, url, authorization)
        except httpx.InvalidURL:
            raise ArtifactError(
                f"{self.host} was asked, or named, an address that is none"
            ) from None

    def _built(self, question: Question, url: str, authorization: str | None) -> httpx.Request:
        # A packed answer hides its size, and is not what has the digest.
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", **question.headers}
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

    @asynccontextmanager
    async def _faults(self, url: str) -> AsyncIterator[None]:
        where = urlsplit(url).netloc
        try:
            async with asyncio.timeout(self._seconds):
                yield
        except TimeoutError:
            raise TransientError(
                f"{where} did not finish its answer within {self._seconds:g} s"
            ) from None
        except (httpx.RemoteProtocolError, httpx.ReadError) as error:
            # httpx looks where a redirect leads, though nobody follows it.
            if "location header" in str(error):
                raise ArtifactError(f"{where} redirects to an address that is none") from None
            raise TransientError(f"{where} broke off its answer") from None
        except httpx.HTTPError as error:
            raise unanswered(where, error) from None


async def _read(response: httpx.Response, question: Question) -> bytes:
    body = bytearray()
    # What the registry says of a refusal is not what was asked for.
    is_wanted = response.status_code in question.expected
    if not is_wanted and "content-encoding" in response.headers:
        return b""
    sink = question.sink if is_wanted else None
    take, taken = sink or body.extend, 0
    async for chunk in async_body_of(response):
        taken += len(chunk)
        if taken > question.limit:
            raise ArtifactError(f"{response.url.host} sent more than {question.limit} bytes")
        take(chunk)
    return bytes(body)


def _check_status(answer: Answer, where: str, expected: tuple[int, ...]) -> None:
    status = answer.status
    if status == httpx.codes.NOT_FOUND:
        path = urlsplit(answer.url).path
        if path.endswith("/tags/list"):
            raise NotFoundError(f"{where}: there is no such repository")
        raise NotFoundError(f"{where}: not found ({path})")
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= 500:
        wait = retry_seconds(answer.headers.get("retry-after", ""), datetime.now(UTC))
        raise TransientError(f"{where} answered HTTP {status}", wait)
    if status not in expected:
        raise ArtifactError(f"{where} answered HTTP {status}")
