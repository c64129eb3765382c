"""Take an image, a chart or an index of several from one repository to another, annotated on the way."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from airfreight.artifacts.oci.client import RegistryClient
from airfreight.artifacts.oci.descriptors import Descriptor, annotated, blobs_of, entries_of
from airfreight.artifacts.oci.protocol import Manifest
from airfreight.errors import ArtifactError, NotFoundError

_MOST_MANIFESTS = 256
_MOST_MANIFEST_BYTES = 32 * 2**20
_DEEPEST = 4


@dataclass(frozen=True)
class Place:
    """A repository of a registry."""

    client: RegistryClient
    repository: str

    @property
    def name(self) -> str:
        """Registry and repository together."""
        return f"{self.client.host}/{self.repository}"


@dataclass(frozen=True)
class Artifact:
    """Manifests as they lie in a registry: one image's, or an index with all that it lists, themselves Artifacts."""

    manifest: Manifest
    entries: tuple[Artifact, ...] = ()

    def images(self) -> Iterator[Manifest]:
        """Yield the manifest of each image, as often as it is listed."""
        if not self.manifest.is_index:
            yield self.manifest
        for entry in self.entries:
            yield from entry.images()

    def manifests(self) -> Iterator[Manifest]:
        """Yield all manifests, what is listed before what lists it."""
        for entry in self.entries:
            yield from entry.manifests()
        yield self.manifest

    @property
    def size(self) -> int:
        """Bytes of all configs and layers as stored; as Kargo counts, shared ones once for each image."""
        return sum(blob.size for image in self.images() for blob in blobs_of(image))

    def annotated(self, index: Mapping[str, str], image: Mapping[str, str]) -> Artifact:
        """Return it with annotations on the index, where it is one, and on the image or each image listed by it."""
        if not self.manifest.is_index:
            return Artifact(annotated(self.manifest, image))
        entries = tuple(
            entry if entry.manifest.is_index else entry.annotated({}, image)
            for entry in self.entries
        )
        replaced = {
            old.manifest.digest: new.manifest
            for old, new in zip(self.entries, entries, strict=True)
            if old.manifest is not new.manifest
        }
        return Artifact(annotated(self.manifest, index, replaced), entries)


async def read_artifact(place: Place, reference: str) -> Artifact:
    """Read the manifests of a tag or digest; raises ArtifactError where they are too many or too deep."""
    return await _Reader(place).read(reference, _DEEPEST)


@dataclass
class _Reader:
    place: Place
    seen: dict[str, Manifest] = field(default_factory=dict)
    visits: int = 0

    async def read(self, reference: str, levels: int) -> Artifact:
        # Counted as often as listed: a few indexes that list each other many times are a tree without end.
        self.visits += 1
        if self.visits > _MOST_MANIFESTS:
            raise self._too_many()
        manifest = self.seen.get(reference) or await self._fetch(reference)
        if not manifest.is_index:
            return Artifact(manifest)
        if not levels:
            raise ArtifactError(
                f"{self.place.name}: indexes list indexes more than {_DEEPEST} deep"
            )
        entries = [await self.read(entry.digest, levels - 1) for entry in entries_of(manifest)]
        return Artifact(manifest, tuple(entries))

    async def _fetch(self, reference: str) -> Manifest:
        manifest = await self.place.client.get_manifest(self.place.repository, reference)
        self.seen[manifest.digest] = manifest
        size = sum(len(known.body) for known in self.seen.values())
        if size > _MOST_MANIFEST_BYTES:
            raise self._too_many()
        return manifest

    def _too_many(self) -> ArtifactError:
        return ArtifactError(
            f"{self.place.name}: more than {_MOST_MANIFESTS} manifests or"
            f" {_MOST_MANIFEST_BYTES} bytes of them belong to one index"
        )


async def digest_at(place: Place, tag: str) -> str | None:
    """Return the digest that the tag has now; None where there is no such tag or repository."""
    try:
        return await place.client.head_digest(place.repository, tag)
    except NotFoundError:
        return None


async def copy_blobs(artifact: Artifact, source: Place, target: Place) -> None:
    """Bring the configs and layers that `target` lacks: mounted within a registry, else through a temporary file."""
    blobs = {blob.digest: blob for image in artifact.images() for blob in blobs_of(image)}
    for blob in blobs.values():
        if blob.is_distributable:
            await _copy_blob(blob, source, target)


async def _copy_blob(blob: Descriptor, source: Place, target: Place) -> None:
    if await target.client.has_blob(target.repository, blob.digest):
        return
    if source.client.base == target.client.base and await target.client.mount_blob(
        target.repository, blob.digest, source.repository
    ):
        return
    with tempfile.TemporaryFile() as file:
        await source.client.pull_blob(source.repository, blob.digest, file.write, limit=blob.size)
        await target.client.put_blob(target.repository, blob.digest, file, file.tell())


async def put_artifact(
    artifact: Artifact, target: Place, tag: str, before_each: Callable[[], None]
) -> None:
    """Store the manifests, the tagged one last; `before_each` may raise to stop it."""
    *listed, root = artifact.manifests()
    for manifest in {one.digest: one for one in listed}.values():
        before_each()
        await target.client.put_manifest(target.repository, manifest.digest, manifest)
    before_each()
    await target.client.put_manifest(target.repository, tag, root)
