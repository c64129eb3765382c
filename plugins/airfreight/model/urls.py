"""One spelling for each repository, however it was written (`kargo.md` §5.3).

Used to match credentials, to find duplicate subscriptions and to name Freight, so the results must
be Kargo's to the byte, which includes how Go reads and prints a URL. Nothing here raises: what
cannot be normalised is returned as it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_SCP = re.compile(r"((?:[\w-]+@)?[\w-]+(?:\.[\w-]+)*)(?::(.*))?", re.ASCII)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):")
_AUTHORITY = re.compile(
    r"(?:(?P<user>[\w.~!$&'()*+,;=:%@-]*)@)?"
    r"(?P<host>(?:\[[0-9a-f:.]+(?:%25[\w.~-]+)?\]|[^\x00-\x20#/?@\\^`{|}%:\[\]]*)(?::\d*)?)",
    re.ASCII,
)
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_UNRESERVED = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~"
_PLAIN_IN_PATH = _UNRESERVED + b"$&+,/:;=@"
_PLAIN_IN_FRAGMENT = _PLAIN_IN_PATH + b"?!()*"
_PLAIN_IN_HOST = _UNRESERVED + b"!$&'()*+,;=:[]<>\"%"
_ALSO_VALID = b"!'()*[]%"

_REGISTRY = re.compile(
    r"[^\x00-\x20#/?@\\^`{|}%:\[\]]*(?::\d*)?|\[[0-9a-f:.]+\](?::\d*)?", re.ASCII
)
_REPOSITORY = re.compile(r"[a-z0-9_\-./]{2,255}")
_TAG = re.compile(r"[A-Za-z0-9_\-.]{1,128}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
DOCKER_HUB_HOSTS = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


def sanitize_url(text: str) -> str:
    """Drop what cannot be seen (zero-width marks, exotic spaces, controls) and the spaces around."""
    return "".join(char for char in text if char.isprintable()).strip(" ")


def has_plain_host(url: str) -> bool:
    """Say whether the host and what stands before it are written in visible ASCII.

    Another host is two: Go's lower case makes ``gitlab.com`` of ``gİtlab.com``, a client connects to
    ``xn--gitlab-…``, and a login for the one would go to the other.
    """
    scheme, has_scheme, rest = url.partition("://")
    authority = re.split(r"[/?#]" if has_scheme else r"[/:?#]", rest if has_scheme else scheme)[0]
    return re.fullmatch(r"[!-~]*", authority) is not None


def normalize_git(url: str) -> str:
    """Return the one spelling of a git repository: ``https://host/path`` or ``ssh://user@host/path``.

    The user part of an http(s) address is dropped. A query string or an unknown form comes back
    unchanged.
    """
    clean = _lower(sanitize_url(url))
    if clean.startswith(("http://", "https://", "ssh://")):
        address = _parse(clean)
        if address is None:
            return url
        if address.scheme != "ssh":
            address = replace(address, user="")
        return str(_without_git_suffix(address))
    return _normalize_scp(clean) or url


def normalize_image(url: str) -> str:
    """Return the one spelling of an image repository, without tag or digest.

    Docker Hub's hosts and its leading ``library/`` are dropped; elsewhere it is ``host/repository``.
    """
    found = _image_repository(_lower(sanitize_url(url)))
    if found is None:
        return url
    host, repository = found
    if host in DOCKER_HUB_HOSTS:
        return repository.removeprefix("library/")
    return f"{host}/{repository}"


def normalize_chart(url: str) -> str:
    """Return the one spelling of a chart repository; an ``oci://`` one reads like an image's."""
    return normalize_image(_lower(sanitize_url(url)).removeprefix("oci://")) if url else url


def _lower(text: str) -> str:
    # One character for one, without Python's look at the context: as Go's strings.ToLower.
    return "".join(char.lower()[0] for char in text)


@dataclass(frozen=True)
class _Address:
    """A URL as Go's net/url keeps it; `raw_path` is the spelling as long as it still means `path`."""

    scheme: str
    has_authority: bool
    user: str
    host: str
    path: bytes
    raw_path: str
    fragment: str

    def __str__(self) -> str:
        text = f"{self.scheme}:" if self.scheme else ""
        if self.has_authority and (self.host or self.path or self.user):
            user = f"{self.user}@" if self.user else ""
            text += f"//{user}{_escape(self.host.encode(), _PLAIN_IN_HOST)}"
        text += _spelling(self.raw_path, self.path, _PLAIN_IN_PATH)
        if self.fragment:
            fragment = _unescape(self.fragment) or b""
            text += "#" + _spelling(self.fragment, fragment, _PLAIN_IN_FRAGMENT)
        return text


def _parse(text: str) -> _Address | None:
    """Read a URL by Go's rules; None for what Go refuses and for one with a query string."""
    rest, _, fragment = text.partition("#")
    if "?" in rest or _unescape(fragment) is None:
        return None
    if match := _SCHEME.match(rest):
        scheme, rest = match[1], rest[match.end() :]
    else:
        scheme = ""
    if scheme and not rest.startswith("/"):
        return _Address(scheme, False, "", "", b"", "", fragment)
    if not scheme and ":" in rest.partition("/")[0]:
        return None
    if not rest.startswith("//"):
        path = _unescape(rest)
        return path if path is None else _Address(scheme, False, "", "", path, rest, fragment)
    authority, slash, tail = rest[2:].partition("/")
    match, path = _AUTHORITY.fullmatch(authority), _unescape(slash + tail)
    if match is None or path is None or _unescape(match["user"] or "") is None:
        return None
    user, host = match["user"] or "", match["host"]
    return _Address(scheme, True, user, host, path, slash + tail, fragment)


def _without_git_suffix(address: _Address) -> _Address:
    path = address.path.removesuffix(b"/").removesuffix(b".git")
    return replace(address, path=path)


def _normalize_scp(text: str) -> str | None:
    match = _SCP.fullmatch(text)
    parsed = _parse(match[2] or "") if match else None
    if match is None or parsed is None:
        return None
    address = _without_git_suffix(parsed)
    return f"ssh://{match[1]}/{address}" if address.path else f"ssh://{match[1]}"


def _unescape(text: str) -> bytes | None:
    raw = text.encode()
    if _BAD_ESCAPE.search(raw):
        return None
    return _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), raw)


def _escape(raw: bytes, plain: bytes) -> str:
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in raw)


def _spelling(raw: str, value: bytes, plain: bytes) -> str:
    """Keep the spelling `raw` where it is legal and still means `value`; else escape afresh."""
    legal = all(byte in plain or byte in _ALSO_VALID for byte in raw.encode())
    return raw if legal and _unescape(raw) == value else _escape(value, plain)


def _image_repository(text: str) -> tuple[str, str] | None:
    """Split an image reference into host and repository, by the lenient rules of Go's registry library."""
    name, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        return None
    head, colon, tail = name.rpartition(":")
    if colon and "/" not in tail:
        if not _TAG.fullmatch(tail):
            return None
        name = head
    first, slash, rest = name.partition("/")
    names_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    host, repository = (first, rest) if names_host else ("docker.io", name)
    if not _REPOSITORY.fullmatch(repository) or not _REGISTRY.fullmatch(host):
        return None
    return host, repository
