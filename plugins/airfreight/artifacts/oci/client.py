"""What is asked of a registry: tags, manifests, blobs, and to take blobs and manifests."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

import httpx

from airfreight.artifacts.oci import protocol
from airfreight.artifacts.oci.protocol import Manifest, Platform
from airfreight.artifacts.oci.session import Answer, FileBody, Question, RegistrySession
from airfreight.artifacts.oci.tag_list import PAGE_SIZE, PageStore, read_tag_list
from airfreight.errors import ArtifactError, AuthenticationError, NotFoundError

_MANIFEST_BYTES = 4 * 2**20
_MANIFESTS = {"Accept": protocol.ACCEPT}


@dataclass(frozen=True)
class ImageDetails:
    """What an image says of itself; `created_at` is in UTC, None where nothing says so."""

    created_at: datetime | None


class RegistryClient(RegistrySession):
    """A client of one registry; see the session for its logins, pace and errors.

    To write, make it with the actions ``pull,push``. Digests are checked here, so that they are safe
    in addresses and what comes back is what was asked for.
    """

    async def list_tags(self, repository: str, pages: PageStore | None = None) -> list[str]:
        """Return all tags in the registry's order, over all pages; see `tag_list` for its bounds.

        With `pages`, a page that did not change since an earlier visit is asked for by its validator only.
        """
        first = f"{self.base}/v2/{repository}/tags/list?n={PAGE_SIZE}"

        async def ask(question: Question) -> Answer:
            return await self.ask(question, repository)

        return await read_tag_list(ask, first, f"{self.host}/{repository}", pages)

    async def head_digest(self, repository: str, reference: str) -> str:
        """Return the digest of a tag without its manifest, where the registry says it."""
        url = self._manifest_url(repository, reference)
        answer = await self.ask(Question("HEAD", url, headers=_MANIFESTS), repository)
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
        answer = await self.ask(
            Question("GET", url, _MANIFEST_BYTES, headers=_MANIFESTS), repository
        )
        content_type = answer.headers.get("content-type", "")
        manifest = await asyncio.to_thread(protocol.read_manifest, answer.body, content_type)
        claimed = [answer.headers.get("docker-content-digest", "")]
        claimed.append(reference if ":" in reference else "")
        for digest in filter(None, claimed):
            _check_same(manifest.digest, digest, f"{self.host}/{repository}")
        return manifest

    async def created_at(
        self, repository: str, manifest: Manifest, platform: str = ""
    ) -> datetime | None:
        """Return when the image was made, in UTC; None where nothing says so.

        Raises NotFoundError where the image is not for `platform`.
        """
        details = await self.describe(repository, manifest, platform)
        if details is None:
            raise NotFoundError(
                f"{self.host}/{repository}@{manifest.digest} has no image for"
                f" {platform or 'any platform'}"
            )
        return details.created_at

    async def describe(
        self, repository: str, manifest: Manifest, platform: str = ""
    ) -> ImageDetails | None:
        """Return what the image says of itself; None where it is not for `platform`.

        Raises NotFoundError where a part of it is gone.
        """
        moment = protocol.created_moment(manifest.annotations, {})
        if moment and not platform:
            return ImageDetails(moment)
        wanted = Platform.parse(platform) if platform else None
        image = manifest
        if manifest.is_index:
            digest = protocol.choose_manifest(manifest, wanted)
            if digest is None:
                return None
            image = await self.get_manifest(repository, protocol.check_digest(digest))
        config = await self._config(repository, image)
        if not manifest.is_index and not protocol.fits_platform(config, wanted):
            return None
        annotations = {**image.annotations, **manifest.annotations}
        return ImageDetails(protocol.created_moment(annotations, config))

    async def _config(self, repository: str, image: Manifest) -> Mapping[str, Any]:
        if image.config_digest is None:
            return {}
        digest = protocol.check_digest(image.config_digest)
        url = self._blob_url(repository, digest)
        answer = await self.ask(Question("GET", url, _MANIFEST_BYTES), repository)
        _check_same(protocol.digest_of(answer.body), digest, f"{self.host}/{repository}")
        return await asyncio.to_thread(protocol.read_json, answer.body, "image config")

    def _manifest_url(self, repository: str, reference: str) -> str:
        return f"{self.base}/v2/{repository}/manifests/{reference}"

    async def pull_blob(
        self, repository: str, digest: str, sink: Callable[[bytes], object], *, limit: int
    ) -> None:
        """Give a blob of up to `limit` bytes to `sink` piece by piece, as it is stored.

        Raises ArtifactError after the last piece where they are not of this digest.
        """
        found = hashlib.sha256()

        def take(piece: bytes) -> None:
            found.update(piece)
            sink(piece)

        url = self._blob_url(repository, digest)
        await self.ask(Question("GET", url, limit, sink=take), repository)
        _check_same(f"sha256:{found.hexdigest()}", digest, f"{self.host}/{repository}")

    async def has_blob(self, repository: str, digest: str) -> bool:
        """Say whether the repository has the blob."""
        try:
            await self.ask(Question("HEAD", self._blob_url(repository, digest)), repository)
        except NotFoundError:
            return False
        return True

    async def mount_blob(self, repository: str, digest: str, source: str) -> bool:
        """Have a blob of the repository `source` of this registry appear here; False where it will not."""
        mount = {"mount": protocol.check_digest(digest), "from": source}
        url = _with_query(self._uploads_url(repository), mount)
        expected = (httpx.codes.CREATED, httpx.codes.ACCEPTED)
        try:
            answer = await self.ask(Question("POST", url, expected=expected), repository)
        except (AuthenticationError, NotFoundError):
            return False
        return answer.status == httpx.codes.CREATED

    async def put_blob(self, repository: str, digest: str, file: IO[bytes], size: int) -> None:
        """Upload the first `size` bytes of `file`, which are all it has, in one piece.

        The registry checks the digest. Where it names a place elsewhere, the login stays behind.
        """
        url = self._uploads_url(repository)
        started = await self.ask(
            Question("POST", url, expected=(httpx.codes.ACCEPTED,)), repository
        )
        place = self.place_named(url, started)
        upload = Question(
            "PUT",
            _with_query(place, {"digest": protocol.check_digest(digest)}),
            headers={"Content-Type": "application/octet-stream"},
            body=FileBody(file, size),
            expected=(httpx.codes.CREATED,),
        )
        await self.ask(upload, repository)

    async def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> None:
        """Store a manifest under a tag or its own digest, byte for byte."""
        question = Question(
            "PUT",
            self._manifest_url(repository, reference),
            headers={"Content-Type": manifest.media_type},
            body=manifest.body,
            expected=(httpx.codes.CREATED,),
        )
        answer = await self.ask(question, repository)
        stored = answer.headers.get("docker-content-digest", manifest.digest)
        _check_same(stored, manifest.digest, f"{self.host}/{repository}")

    def _blob_url(self, repository: str, digest: str) -> str:
        return f"{self.base}/v2/{repository}/blobs/{protocol.check_digest(digest)}"

    def _uploads_url(self, repository: str) -> str:
        return f"{self.base}/v2/{repository}/blobs/uploads/"


def _with_query(url: str, query: Mapping[str, str]) -> str:
    try:
        return str(httpx.URL(url).copy_merge_params(query))
    except httpx.InvalidURL:
        raise ArtifactError("the registry names a place for an upload that is no address") from None


def _check_same(actual: str, expected: str, where: str) -> None:
    if actual != expected:
        raise ArtifactError(f"{where} sent content of {actual} as {expected[:100]}")
