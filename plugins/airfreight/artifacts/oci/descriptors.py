"""What manifests point to, and manifests with more annotations: no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from airfreight.artifacts.oci.protocol import (
    IMAGE_TYPES,
    INDEX_TYPES,
    Manifest,
    Platform,
    check_digest,
    digest_of,
    platform_of,
)
from airfreight.errors import ArtifactError

DEFAULT_PLATFORM = Platform("linux", "amd64")
_STAYS_ELSEWHERE = (
    "application/vnd.docker.image.rootfs.foreign.",
    "application/vnd.oci.image.layer.nondistributable.",
)


@dataclass(frozen=True)
class Descriptor:
    """Names content by its digest; `size` in bytes. What else a manifest says of it, such as addresses, is not read."""

    media_type: str
    digest: str
    size: int

    @property
    def is_image(self) -> bool:
        """Whether it names the manifest of one image or artifact."""
        return self.media_type in IMAGE_TYPES

    @property
    def is_index(self) -> bool:
        """Whether it names an index."""
        return self.media_type in INDEX_TYPES

    @property
    def is_distributable(self) -> bool:
        """Whether registries pass it on; a foreign layer stays where its publisher has it."""
        return not self.media_type.startswith(_STAYS_ELSEWHERE)


def layers_of(image: Manifest) -> tuple[Descriptor, ...]:
    """Return the layers in their order."""
    return tuple(_descriptor(entry) for entry in _list(image, "layers"))


def blobs_of(image: Manifest) -> tuple[Descriptor, ...]:
    """Return the config, where there is one, and the layers."""
    config = image.document.get("config")
    own = () if config is None else (_descriptor(config),)
    return own + layers_of(image)


def entries_of(index: Manifest) -> tuple[Descriptor, ...]:
    """Return the manifests that an index lists, in their order."""
    return tuple(_descriptor(entry) for entry in _list(index, "manifests"))


def runnable_entry(index: Manifest) -> Descriptor | None:
    """Return the first entry for linux/amd64 of any variant; an entry that does not say counts as that."""
    for entry in _list(index, "manifests"):
        described = entry.get("platform") if isinstance(entry, dict) else None
        found = platform_of(described) if isinstance(described, dict) else DEFAULT_PLATFORM
        if replace(found, variant="") == DEFAULT_PLATFORM:
            return _descriptor(entry)
    return None


def annotated(
    manifest: Manifest,
    annotations: Mapping[str, str],
    replaced: Mapping[str, Manifest] | None = None,
) -> Manifest:
    """Return the manifest with `annotations` over its own, and entries of an index that were `replaced`, by old digest.

    Where that changes nothing it is the same to the byte.
    """
    document: dict[str, Any] = dict(manifest.document)
    if annotations:
        document["annotations"] = {**manifest.annotations, **annotations}
    if replaced:
        document["manifests"] = [
            _pointed(entry, replaced.get(str(entry.get("digest"))))
            for entry in document["manifests"]
        ]
    if document == manifest.document:
        return manifest
    body = json.dumps(document, separators=(",", ":")).encode()
    return Manifest(digest_of(body), manifest.media_type, document, body)


def _pointed(entry: dict[str, Any], target: Manifest | None) -> dict[str, Any]:
    if target is None:
        return entry
    return {**entry, "digest": target.digest, "size": len(target.body)}


def _list(manifest: Manifest, name: str) -> list[Any]:
    entries = manifest.document.get(name)
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise ArtifactError(f"manifest {manifest.digest}: {name} is not a list")
    return entries


def _descriptor(entry: object) -> Descriptor:
    fields = entry if isinstance(entry, dict) else {}
    media_type, size = fields.get("mediaType", ""), fields.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ArtifactError("a manifest names content without its size")
    if not isinstance(media_type, str):
        raise ArtifactError("a manifest names content without its media type")
    return Descriptor(media_type, check_digest(str(fields.get("digest", ""))), size)
