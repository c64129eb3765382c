"""Build a tiny OCI image and push it by plain HTTP, to the demo registry or any other that asks for no login."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urljoin

import httpx

from demo.content import digest_of

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Image:
    """The three documents of a single-platform image, ready to be pushed."""

    config: bytes
    layer: bytes
    manifest: bytes


def build_image(repository: str, tag: str, created: datetime) -> Image:
    """An image whose one layer holds a file that names it; the same arguments give the same bytes."""
    tarball = _tarball("version", f"{repository}:{tag}\n".encode())
    layer = gzip.compress(tarball, mtime=0)
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": created.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "config": {"Labels": {"org.opencontainers.image.version": tag}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tarball)]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _descriptor(_CONFIG_TYPE, config),
            "layers": [_descriptor(_LAYER_TYPE, layer)],
        }
    )
    return Image(config, layer, manifest)


def push_image(base_url: str, repository: str, tag: str, *, created: datetime) -> str:
    """Push an image created at the given time (with a time zone) and return its manifest's digest.

    `base_url` is the registry's, such as ``http://127.0.0.1:5555``. Raises httpx.HTTPError where the registry cannot
    be reached or refuses.
    """
    image = build_image(repository, tag, created)
    with httpx.Client(base_url=base_url, timeout=30, trust_env=False) as client:
        for blob in (image.layer, image.config):
            _push_blob(client, repository, blob)
        response = client.put(
            f"/v2/{repository}/manifests/{tag}",
            content=image.manifest,
            headers={"Content-Type": MANIFEST_TYPE},
        )
        response.raise_for_status()
    return digest_of(image.manifest)


def _push_blob(client: httpx.Client, repository: str, content: bytes) -> None:
    digest = digest_of(content)
    if client.head(f"/v2/{repository}/blobs/{digest}").is_success:
        return
    opened = client.post(f"/v2/{repository}/blobs/uploads/")
    opened.raise_for_status()
    location = httpx.URL(urljoin(str(opened.url), opened.headers["Location"]))
    closed = client.put(
        location.copy_merge_params({"digest": digest}),
        content=content,
        headers={"Content-Type": "application/octet-stream"},
    )
    closed.raise_for_status()


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def _tarball(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
