"""Content-addressed storage of the demo registry: blobs, manifests and tags in one folder.

::

    blobs/sha256/<hex>                              layers, configs and manifests alike
    repositories/<name>/_manifests/<hex>            media type of a manifest that this repository holds
    repositories/<name>/_tags/<tag>                 digest that the tag points at

No component of a repository name may begin with an underscore, so the two inner folders clash with none.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def is_name(text: str) -> bool:
    """Whether the OCI distribution specification allows the repository name."""
    return len(text) <= 255 and _NAME.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Whether the OCI distribution specification allows the tag."""
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Whether the text is a SHA-256 digest, the only algorithm served here."""
    return _DIGEST.fullmatch(text) is not None


def digest_of(content: bytes) -> str:
    """The content's digest as ``sha256:<64 hex>``."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Manifest:
    """A stored manifest: its bytes as they were put, and the media type they were put with."""

    content: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """The manifest's digest as ``sha256:<64 hex>``."""
        return digest_of(self.content)


class ContentStore:
    """The registry's folder; names, tags and digests must have been checked by the caller."""

    def __init__(self, folder: Path) -> None:
        self._blobs = folder / "blobs" / "sha256"
        self._repositories = folder / "repositories"

    def put_blob(self, content: bytes) -> str:
        """Keep the content and return its digest."""
        digest = digest_of(content)
        _write(self._blob_path(digest), content)
        return digest

    def blob(self, digest: str) -> bytes | None:
        """The blob's content, or None where there is none."""
        return _read(self._blob_path(digest))

    def put_manifest(self, name: str, manifest: Manifest, tag: str | None) -> None:
        """Keep a manifest in the repository and point the tag, if any, at it."""
        digest = self.put_blob(manifest.content)
        _write(self._manifest_path(name, digest), manifest.media_type.encode())
        if tag is not None:
            _write(self._tags(name) / tag, digest.encode())

    def manifest(self, name: str, reference: str) -> Manifest | None:
        """The manifest that a tag or digest names in the repository, or None."""
        digest = reference if is_digest(reference) else self._digest_of_tag(name, reference)
        media_type = digest and _read(self._manifest_path(name, digest))
        content = digest and self.blob(digest)
        if not media_type or not content:
            return None
        return Manifest(content, media_type.decode())

    def tags(self, name: str) -> list[str] | None:
        """The repository's tags in lexical order, or None where there is no such repository."""
        if not (self._repositories / name / "_manifests").is_dir():
            return None
        folder = self._tags(name)
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def _digest_of_tag(self, name: str, tag: str) -> str:
        return (_read(self._tags(name) / tag) or b"").decode()

    def _tags(self, name: str) -> Path:
        return self._repositories / name / "_tags"

    def _manifest_path(self, name: str, digest: str) -> Path:
        return self._repositories / name / "_manifests" / digest.removeprefix("sha256:")

    def _blob_path(self, digest: str) -> Path:
        return self._blobs / digest.removeprefix("sha256:")


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(path: Path, content: bytes) -> None:
    """Write by renaming: a reader, or a second start after a kill, never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.parent.parent / f".{uuid.uuid4().hex}"
    scratch.write_bytes(content)
    scratch.replace(path)
