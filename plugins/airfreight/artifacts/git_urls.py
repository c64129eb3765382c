"""What a repository URL and a ref name may look like, and where people see a commit in a browser."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from airfreight.errors import ArtifactError

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_URL = re.compile(
    rf"(?P<scheme>https?|ssh)://(?:[^\s/@:]+@)?(?P<authority>{_HOST}(?::\d+)?)/(?P<path>\S+)"
)
_SCP_LIKE = re.compile(
    rf"(?:[A-Za-z0-9._][A-Za-z0-9._-]*@)?(?P<host>{_HOST}):(?!:)(?P<path>[^-\s]\S*)"
)
_PASSWORD = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^\s/@]*:[^\s/@]*@")
_REF_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)")

_PROVIDERS = (
    ("azure", re.compile(r"^(ssh\.)?dev\.azure\.com$|\.visualstudio\.com$")),
    ("bitbucket", re.compile(r"^bitbucket\.org$")),
    ("gitea", re.compile("gitea")),
    ("github", re.compile(r"github|\.ghe\.com$")),
    ("gitlab", re.compile("gitlab")),
)
_COMMIT_PATHS = {
    "azure": "commit",
    "bitbucket": "commits",
    "gitea": "commit",
    "github": "commit",
    "gitlab": "-/commit",
}


def check_repository_url(url: str) -> None:
    """Raise ArtifactError unless `url` is http(s)://, ssh:// or scp-like (``git@host:path``) without a password.

    Everything else is either no remote (``file://``) or makes git start programs (``ext::``, ``--upload-pack=``).
    """
    if _PASSWORD.match(url):
        raise ArtifactError(
            "the repository URL holds a password: take it out and give the login as a git credential"
        )
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in url) or not (
        _URL.fullmatch(url) or ("://" not in url and _SCP_LIKE.fullmatch(url))
    ):
        raise ArtifactError(
            f"repository URL {url!r} is not accepted: "
            "expected https://…, http://…, ssh://… or user@host:path"
        )


def check_ref_name(name: str, what: str = "branch") -> None:
    """Raise ArtifactError where `name` breaks Git's rules for the name of a branch or tag, or looks like an option."""
    if (
        not name
        or name.startswith(("-", "/", ".", "+"))
        or name.endswith(("/", "."))
        or name == "@"
        or _REF_FORBIDDEN.search(name)
    ):
        raise ArtifactError(f"{name!r} is not a name that a {what} can have")


def origin_of(url: str) -> str | None:
    """Return scheme, host and port of an http(s) URL, which a login is bound to; None for SSH."""
    match = _URL.fullmatch(url)
    if match is None or match["scheme"] == "ssh":
        return None
    return f"{match['scheme']}://{match['authority']}"


def is_ssh(url: str) -> bool:
    """Say whether an accepted URL is reached over SSH."""
    return not url.startswith(("http://", "https://"))


def commit_url(repository: str, commit: str, provider: str | None = None) -> str | None:
    """Return the page of `commit` (a full SHA), or None where `provider` is not given and the host tells none.

    Provider by host: `kargo.md` §2.4, "Provider matrix".
    """
    base = web_address(repository)
    provider = provider or provider_of(repository)
    if provider is None:
        return None
    if provider == "azure":
        base = re.sub(
            r"//ssh\.dev\.azure\.com/v3/([^/]+)/([^/]+)/", r"//dev.azure.com/\1/\2/_git/", base
        )
    return f"{base}/{_COMMIT_PATHS[provider]}/{commit}"


def provider_of(repository: str) -> str | None:
    """Return which service the host's name tells, or None."""
    host = urlsplit(web_address(repository)).hostname or ""
    return next((name for name, rule in _PROVIDERS if rule.search(host)), None)


def web_address(repository: str) -> str:
    """Return the browsable address of a repository; SSH becomes https on the usual port."""
    scp = None if "://" in repository else _SCP_LIKE.fullmatch(repository)
    if scp is not None:
        scheme, authority, path = "https", scp["host"], scp["path"]
    else:
        parts = urlsplit(repository)
        host = parts.hostname or ""
        scheme = "https" if parts.scheme == "ssh" else parts.scheme
        authority = host if parts.scheme == "ssh" else parts.netloc.rpartition("@")[2]
        path = parts.path
    return f"{scheme}://{authority}/{path.strip('/').removesuffix('.git')}"
