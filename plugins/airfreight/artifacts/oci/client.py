"""Ask a registry: logins, paging, limits and errors.

Where a credential goes: Basic to the registry's own host; for Bearer to the token realm, if that is
reached over https or is the registry's own host and scheme. Over plain http it goes nowhere unless
`allow_credentials_over_http` is set. Redirects are followed for blobs only, and without
`Authorization` where they lead to another origin; never from https to http.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

import httpx

from airfreight.artifacts.oci import protocol
from airfreight.artifacts.oci.protocol import Manifest, Platform
from airfreight.errors import (
    ArtifactError,
    AuthenticationError,
    NotFoundError,
    TransientError,
)
from airfreight.model.credential import Credential
from airfreight.model.urls import DOCKER_HUB_HOSTS

_MANIFEST_BYTES = 4 * 2**20
_PAGE_BYTES = 8 * 2**20
_TOKEN_BYTES = 2**20
_PAGES = 1000
_PAGE_SIZE = 1000
_REDIRECTS = 5
_Method = Literal["GET", "HEAD"]


@dataclass(frozen=True)
class _Answer:
    url: str
    status: int
    headers: httpx.Headers
    body: bytes


class RegistryClient:
    """A client of one registry; safe to share among tasks of one event loop.

    `host` may be any of Docker Hub's names. `requests_per_second` paces all requests of this
    client. Raises AuthenticationError, NotFoundError, TransientError (time-outs, 429, 5xx) or
    ArtifactError for what the registry should not have sent; no message holds a credential.
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
    ) -> None:
        self._http = http
        self._host = protocol.DOCKER_HUB_API if host in DOCKER_HUB_HOSTS else host
        self._base = f"{'http' if plain_http else 'https'}://{self._host}"
        self._credential = credential
        self._allow_over_http = allow_credentials_over_http
        self._interval = 1 / requests_per_second
        self._next_slot = 0.0
        self._authorization: dict[str, str] = {}

    async def list_tags(self, repository: str) -> list[str]:
        """Return all tags in the registry's order, over all pages."""
        url: str | None = f"{self._base}/v2/{repository}/tags/list?n={_PAGE_SIZE}"
        tags: list[str] = []
        for _ in range(_PAGES):
            if url is None:
                return tags
            answer = await self._ask("GET", url, repository, limit=_PAGE_BYTES)
            page = protocol.read_json(answer.body, "list of tags").get("tags") or []
            if not isinstance(page, list) or not all(isinstance(tag, str) for tag in page):
                raise ArtifactError(f"{self._host} sent a list of tags that is none")
            tags += page
            url = protocol.next_page(answer.headers.get("link", ""), answer.url)
        raise ArtifactError(f"{self._host}/{repository} has more than {_PAGES} pages of tags")

    async def head_digest(self, repository: str, reference: str) -> str:
        """Return the digest of a tag without its manifest, where the registry says it."""
        url = self._manifest_url(repository, reference)
        answer = await self._ask("HEAD", url, repository, limit=0, accept=protocol.ACCEPT)
        digest = answer.headers.get("docker-content-digest", "")
        if digest:
            return protocol.check_digest(digest)
        return (await self.get_manifest(repository, reference)).digest

    async def get_manifest(self, repository: str, reference: str) -> Manifest:
        """Return the manifest of a tag or digest.

        Its digest is computed from the bytes; raises ArtifactError where it is not the one that was
        asked for or that the registry claims.
        """
        url = self._manifest_url(repository, reference)
        answer = await self._ask(
            "GET", url, repository, limit=_MANIFEST_BYTES, accept=protocol.ACCEPT
        )
        manifest = protocol.read_manifest(answer.body, answer.headers.get("content-type", ""))
        claimed = [answer.headers.get("docker-content-digest", "")]
        claimed.append(reference if ":" in reference else "")
        for digest in filter(None, claimed):
            _check_same(manifest.digest, digest, f"{self._host}/{repository}")
        return manifest

    async def created_at(
        self, repository: str, manifest: Manifest, platform: str = ""
    ) -> datetime | None:
        """Return when the image was made, in UTC; None where nothing says so.

        Raises NotFoundError where the image is not for `platform`.
        """
        moment = protocol.created_moment(manifest.annotations, {})
        if moment and not platform:
            return moment
        image, config = await self._image(repository, manifest, platform)
        annotations = {**image.annotations, **manifest.annotations}
        return protocol.created_moment(annotations, config)

    async def _image(
        self, repository: str, manifest: Manifest, platform: str
    ) -> tuple[Manifest, Mapping[str, Any]]:
        wanted = Platform.parse(platform) if platform else None
        missing = NotFoundError(
            f"{self._host}/{repository}@{manifest.digest} has no image for {platform or 'any platform'}"
        )
        image = manifest
        if manifest.is_index:
            digest = protocol.choose_manifest(manifest, wanted)
            if digest is None:
                raise missing
            image = await self.get_manifest(repository, protocol.check_digest(digest))
        config = await self._config(repository, image)
        if not manifest.is_index and not protocol.fits_platform(config, wanted):
            raise missing
        return image, config

    async def _config(self, repository: str, image: Manifest) -> Mapping[str, Any]:
        if image.config_digest is None:
            return {}
        digest = protocol.check_digest(image.config_digest)
        url = f"{self._base}/v2/{repository}/blobs/{digest}"
        answer = await self._ask("GET", url, repository, limit=_MANIFEST_BYTES)
        _check_same(protocol.digest_of(answer.body), digest, f"{self._host}/{repository}")
        return protocol.read_json(answer.body, "image config")

    def _manifest_url(self, repository: str, reference: str) -> str:
        return f"{self._base}/v2/{repository}/manifests/{reference}"

    async def _ask(
        self, method: _Method, url: str, repository: str, *, limit: int, accept: str = "*/*"
    ) -> _Answer:
        """Send one request, logging in where the registry asks for it."""
        headers = {"Accept": accept}
        known = self._authorization.get(repository)
        answer = await self._follow(method, url, _with(headers, known), limit)
        if answer.status == httpx.codes.UNAUTHORIZED:
            challenge = protocol.parse_challenge(answer.headers.get("www-authenticate", ""))
            authorization = await self._log_in(challenge, repository)
            self._authorization[repository] = authorization
            answer = await self._follow(method, url, _with(headers, authorization), limit)
        _check_status(answer, f"{self._host}/{repository}")
        return answer

    async def _follow(
        self, method: _Method, url: str, headers: dict[str, str], limit: int
    ) -> _Answer:
        for _ in range(_REDIRECTS):
            answer = await self._send(method, url, headers, limit)
            if answer.status not in (301, 302, 303, 307, 308) or "/blobs/" not in url:
                return answer
            target = urljoin(url, answer.headers.get("location", ""))
            if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
                raise ArtifactError(f"{self._host} redirects from https to http; not followed")
            if urlsplit(target)[:2] != urlsplit(url)[:2]:
                headers = {key: text for key, text in headers.items() if key != "Authorization"}
            # What follows a blob is a blob; storage has other paths.
            if "/blobs/" not in target:
                return await self._send(method, target, headers, limit)
            url = target
        raise ArtifactError(f"{self._host} redirects more than {_REDIRECTS} times")

    async def _send(
        self,
        method: _Method,
        url: str,
        headers: dict[str, str],
        limit: int,
        auth: tuple[str, str] | None = None,
    ) -> _Answer:
        await self._pace()
        try:
            async with self._http.stream(
                method, url, headers=headers, auth=auth, follow_redirects=False
            ) as response:
                body = await _read(response, limit) if method == "GET" else b""
                return _Answer(url, response.status_code, response.headers, body)
        except httpx.InvalidURL:
            raise ArtifactError(
                f"{self._host} was asked, or named, an address that is none"
            ) from None
        except httpx.HTTPError as error:
            raise TransientError(
                f"{urlsplit(url).netloc} did not answer: {type(error).__name__}"
            ) from None

    async def _pace(self) -> None:
        now = time.monotonic()
        slot = max(now, self._next_slot)
        self._next_slot = slot + self._interval
        if slot > now:
            await asyncio.sleep(slot - now)

    async def _log_in(self, challenge: protocol.Challenge, repository: str) -> str:
        if challenge.scheme == "bearer":
            return await self._fetch_token(challenge.parameters, repository)
        if challenge.scheme == "basic" and self._may_receive(self._base) and self._credential:
            login = httpx.BasicAuth(self._credential.username, self._credential.password)
            request = next(login.auth_flow(httpx.Request("GET", self._base)))
            return request.headers["Authorization"]
        raise AuthenticationError(self._why_no_login(challenge.scheme))

    def _why_no_login(self, scheme: str) -> str:
        if scheme != "basic":
            return f"{self._host} asks for an unknown kind of login; Basic and Bearer are known"
        if self._credential is None:
            return f"{self._host} asks for a login; make a Connection for it"
        return (
            f"{self._host} asks for a login over plain http; use https,"
            " or set allow_credentials_over_http"
        )

    async def _fetch_token(self, parameters: Mapping[str, str], repository: str) -> str:
        realm = parameters.get("realm", "")
        origin = urlsplit(realm)
        if origin.scheme not in ("https", "http") or not origin.netloc or "@" in origin.netloc:
            raise AuthenticationError(f"{self._host} names a token realm that is no address")
        query = {"scope": parameters.get("scope") or f"repository:{repository}:pull"}
        if service := parameters.get("service"):
            query["service"] = service
        auth = None
        if self._credential and self._may_receive(realm):
            auth = (self._credential.username, self._credential.password)
        url = str(httpx.URL(realm).copy_merge_params(query))
        answer = await self._send("GET", url, {}, _TOKEN_BYTES, auth)
        _check_status(answer, f"the token realm {origin.netloc} of {self._host}")
        document = protocol.read_json(answer.body, "token")
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not token.isprintable():
            raise AuthenticationError(f"{origin.netloc} sent no token for {self._host}")
        return f"Bearer {token}"

    def _may_receive(self, url: str) -> bool:
        """Whether the credential may be sent there; the module says by which rule."""
        target = urlsplit(url)
        if target.scheme == "https":
            return True
        return self._allow_over_http and urlsplit(self._base)[:2] == target[:2]


def _with(headers: dict[str, str], authorization: str | None) -> dict[str, str]:
    return {**headers, "Authorization": authorization} if authorization else headers


async def _read(response: httpx.Response, limit: int) -> bytes:
    body = bytearray()
    # Counted after decompression: a small answer may unpack to a huge one.
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limit:
            raise ArtifactError(f"{response.url.host} sent more than {limit} bytes")
    return bytes(body)


def _check_same(actual: str, expected: str, where: str) -> None:
    if actual != expected:
        raise ArtifactError(f"{where} sent content of {actual} as {expected[:100]}")


def _check_status(answer: _Answer, where: str) -> None:
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
    if status != httpx.codes.OK:
        raise ArtifactError(f"{where} answered HTTP {status}")
