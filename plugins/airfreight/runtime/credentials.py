"""Which Connection opens which repository: Kargo's lookup (`kargo.md` §5.2), with regular expressions anchored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from airfreight.errors import SettingsError
from airfreight.model.connections import ConnectionIds
from airfreight.model.patterns import compile_regex, sound
from airfreight.model.project import RepositoryCredential
from airfreight.model.urls import has_plain_host, normalize_chart, normalize_git, normalize_image


def _without_slash(url: str) -> str:
    """Return what is compared of a URL for which Kargo has no rule."""
    return url.rstrip("/")


_NORMALIZERS: Mapping[str, Callable[[str], str]] = {
    "generic": _without_slash,
    "git": normalize_git,
    "helm": normalize_chart,
    "image": normalize_image,
}


def find_connection(
    credentials: Iterable[RepositoryCredential], ids: ConnectionIds, kind: str, url: str
) -> str | None:
    """Return the id of the Connection for `url`, or None where no credential of `kind` names it.

    Kinds are generic, git, helm and image. Of several the first by name counts, the project's own before those that
    all projects share. Raises SettingsError where a Connection is none of the project's.
    """
    for credential in sorted(credentials, key=lambda c: (c.shared, c.name)):
        if credential.cred_type == kind and _opens(credential, kind, url):
            return own_connection(credential.connection_id, ids)
    return None


def _opens(credential: RepositoryCredential, kind: str, url: str) -> bool:
    if not has_plain_host(url):
        return False
    normalize = _NORMALIZERS[kind]
    if not credential.repo_url_is_regex:
        return normalize(credential.repo_url) == normalize(url)
    # Kargo searches unanchored, so that https://evil.example/?https://git.example/ would fit: we match the whole URL.
    pattern = compile_regex(credential.repo_url)
    return any(pattern.fullmatch(sound(text)) for text in (url, normalize(url)))


def own_connection(connection_id: str, ids: ConnectionIds) -> str:
    """Return `connection_id`; raises SettingsError where it is none that the project may use."""
    refusal = ids.refusal(connection_id)
    if refusal is not None:
        raise SettingsError(refusal)
    return connection_id
