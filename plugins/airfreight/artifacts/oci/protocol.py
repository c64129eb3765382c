"""What registries and images say, read without any I/O (OCI distribution and image specs)."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from airfreight.errors import ArtifactError
from airfreight.model.urls import DOCKER_HUB_HOSTS

DOCKER_HUB_API = "registry-1.docker.io"
INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
IMAGE_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ACCEPT = ", ".join((*INDEX_TYPES, *IMAGE_TYPES))

_CHALLENGE_PARAMETER = re.compile(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_NEXT_LINK = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?', re.IGNORECASE)
_MOST_VALUES = 200_000
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CREATED_KEYS = ("org.opencontainers.image.created", "org.label-schema.build-date")


@dataclass(frozen=True)
class Reference:
    """Where an image repository lives: the API's host (with port) and the repository's path."""

    host: str
    repository: str


def parse_reference(repo_url: str) -> Reference:
    """Read ``[host[:port]/]path``; without a host it is Docker Hub, there one word is ``library/``.

    Raises ArtifactError where it is no repository, such as one with a scheme.
    """
    first, slash, rest = repo_url.partition("/")
    names_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    host, path = (first, rest) if names_host else ("docker.io", repo_url)
    # A host in other letters is another one for the HTTP client than for who looks for its login.
    if not _HOST.fullmatch(host) or not re.fullmatch(
        r"[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*", path
    ):
        raise ArtifactError(
            f"not an image repository: {repo_url[:200]!r}; expected one such as ghcr.io/acme/web"
        )
    if host in DOCKER_HUB_HOSTS:
        return Reference(DOCKER_HUB_API, path if "/" in path else f"library/{path}")
    return Reference(host, path)


def is_this_machine(host: str) -> bool:
    """Say whether a registry's `host[:port]` is this machine, which is spoken to over plain http, as by Docker."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Challenge:
    """What a registry asks for: `scheme` is ``basic`` or ``bearer`` in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenge(header: str) -> Challenge:
    """Read a ``WWW-Authenticate`` header of one challenge; parameter names come in lower case."""
    scheme, _, rest = header.strip().partition(" ")
    parameters = {
        match[1].lower(): re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3]
        for match in _CHALLENGE_PARAMETER.finditer(rest)
    }
    return Challenge(scheme.lower(), parameters)


def next_page(header: str, current: str) -> str | None:
    """Return the next page's URL out of a ``Link`` header; `current` is this page's URL.

    Raises ArtifactError where it is no address, or leads to another scheme, host or port.
    """
    match = _NEXT_LINK.search(header)
    if match is None:
        return None
    own = urlsplit(current)
    try:
        target: str = urljoin(current, match[1])
        place = urlsplit(target)
    except ValueError:
        raise ArtifactError(f"{own.netloc} names a next page by an address that is none") from None
    if place[:2] != own[:2]:
        raise ArtifactError(
            f"{own.netloc} names a next page on another host, {place.netloc!r}; it is not followed"
        )
    return target


def is_tag(name: str) -> bool:
    """Say whether a manifest may have this name; what has another one, nobody can ask for."""
    return _TAG.fullmatch(name) is not None


def check_digest(digest: str) -> str:
    """Return `digest` if it is a SHA-256 one, else raise ArtifactError."""
    if not _DIGEST.fullmatch(digest):
        raise ArtifactError(f"not a sha256 digest: {digest[:100]!r}")
    return digest


@dataclass(frozen=True)
class Manifest:
    """An image's manifest or an index of several; `digest` is that of its bytes, `body`."""

    digest: str
    media_type: str
    document: Mapping[str, Any]
    body: bytes = field(repr=False)

    @property
    def is_index(self) -> bool:
        """Whether it lists other manifests, one per platform."""
        return self.media_type in INDEX_TYPES

    @property
    def annotations(self) -> dict[str, str]:
        """Its annotations, without those that are not text."""
        return _texts(self.document.get("annotations"))

    @property
    def config_digest(self) -> str | None:
        """The digest of the image's config; None where it names none."""
        config = self.document.get("config")
        digest = config.get("digest") if isinstance(config, dict) else None
        return digest if isinstance(digest, str) else None


def read_manifest(body: bytes, content_type: str) -> Manifest:
    """Read a manifest's bytes; raises ArtifactError where they are none."""
    document = read_json(body, "manifest")
    declared = document.get("mediaType")
    media_type = declared if isinstance(declared, str) else content_type.partition(";")[0].strip()
    if media_type not in INDEX_TYPES + IMAGE_TYPES:
        raise ArtifactError(f"a manifest of an unknown media type: {media_type[:100]!r}")
    return Manifest(digest_of(body), media_type, document, body)


def digest_of(body: bytes) -> str:
    """Return ``sha256:<hex>`` of the bytes."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def read_json(body: bytes, what: str) -> dict[str, Any]:
    """Read a JSON object; raises ArtifactError with `what` where it is none, or of a size that would take long."""
    # Each takes up to 200 ns, in which no other thread runs; what separates them is counted a thousand times faster.
    if body.count(b",") > _MOST_VALUES:
        raise ArtifactError(f"the registry sent a {what} of more than {_MOST_VALUES} values")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ArtifactError(f"the registry sent a {what} that is not a JSON object")
    return document


@dataclass(frozen=True)
class Platform:
    """``os/architecture[/variant]``."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read a platform; raises ArtifactError where it has not two or three parts."""
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(parts):
            raise ArtifactError(f"not a platform: {text[:100]!r}; expected one such as linux/amd64")
        return cls(*parts)


def platform_of(document: Mapping[str, Any]) -> Platform:
    """Return what an index's entry or an image's config says of its platform; empty where it does not."""
    names = ("os", "architecture", "variant")
    return Platform(*(str(document.get(name) or "") for name in names))


def choose_manifest(index: Manifest, platform: Platform | None) -> str | None:
    """Return the digest of the index's entry for `platform` (`kargo.md` §4.5), None without a match.

    All of os, architecture and variant must be equal. Without a platform it is the first entry that
    is an image: attestations have the platform ``unknown/unknown``.
    """
    entries = index.document.get("manifests")
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict) or not isinstance(entry.get("digest"), str):
            continue
        described = entry.get("platform")
        found = platform_of(described if isinstance(described, dict) else {})
        if found == platform or (platform is None and found.os != "unknown"):
            return str(entry["digest"])
    return None


def fits_platform(config: Mapping[str, Any], platform: Platform | None) -> bool:
    """Say whether a single image is for `platform`; one that does not say fits all."""
    found = platform_of(config)
    return platform is None or not (found.os or found.architecture) or found == platform


def created_moment(annotations: Mapping[str, str], config: Mapping[str, Any]) -> datetime | None:
    """Return when an image was made (`kargo.md` §4.5), in UTC.

    The manifest's annotation decides; without one, the later of the config's label and `created`.
    """
    annotated = _first_moment(annotations)
    if annotated:
        return annotated
    inner = config.get("config")
    label = _first_moment(_texts(inner.get("Labels") if isinstance(inner, dict) else None))
    moments = [moment for moment in (label, read_moment(config.get("created"))) if moment]
    return max(moments, default=None)


def _first_moment(values: Mapping[str, str]) -> datetime | None:
    moments = (read_moment(values.get(key)) for key in _CREATED_KEYS)
    return next((moment for moment in moments if moment), None)


def read_moment(text: object) -> datetime | None:
    """Read a moment as Go writes it (RFC 3339), in UTC; None for what is none or names no zone."""
    if not isinstance(text, str):
        return None
    # Go writes nanoseconds, one digit group more than Python reads.
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):  # some moments of the years 1 and 9999 are none in UTC
        return None


def _texts(value: object) -> dict[str, str]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {key: text for key, text in pairs if isinstance(text, str)}
