"""What an index of Python packages says (PEP 691 and 700), and which releases a constraint takes (PEP 440)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

from packaging.specifiers import SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from airfreight.artifacts.oci.protocol import read_moment
from airfreight.errors import ArtifactError

ACCEPT = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True)
class ReleaseFile:
    """A file of a release; `sha256` is empty where the index does not say it."""

    name: str
    url: str
    sha256: str
    yanked: bool
    uploaded_at: datetime | None

    @property
    def is_sdist(self) -> bool:
        """Whether it holds the sources."""
        return not self.name.endswith(".whl")


@dataclass(frozen=True)
class Release:
    """The files of one version."""

    version: Version
    files: tuple[ReleaseFile, ...]

    @property
    def is_yanked(self) -> bool:
        """Whether all of its files were taken back."""
        return all(file.yanked for file in self.files)

    @property
    def main(self) -> ReleaseFile:
        """The file that stands for the release: its sources, else its first wheel by name."""
        return min(self.files, key=lambda file: (not file.is_sdist, file.name))

    @property
    def created_at(self) -> datetime | None:
        """When its first file came; None where the index tells it of none."""
        return min((file.uploaded_at for file in self.files if file.uploaded_at), default=None)


def read_releases(document: Any, url: str) -> tuple[Release, ...]:
    """Return the releases of a project's page, newest first; raises ArtifactError where `document` is no such page.

    Files whose name tells no version, such as eggs, are left out, as pip leaves them out.
    """
    files = document.get("files") if isinstance(document, dict) else None
    if not isinstance(files, list):
        raise ArtifactError(f"{url} is no page of a package index: it has no files")
    found: dict[Version, list[ReleaseFile]] = {}
    for entry in files:
        version = _version_of(str(entry.get("filename"))) if isinstance(entry, dict) else None
        if version is not None:
            found.setdefault(version, []).append(_file(entry, url))
    return tuple(Release(version, tuple(found[version])) for version in sorted(found, reverse=True))


def _file(entry: Mapping[str, Any], url: str) -> ReleaseFile:
    hashes = entry.get("hashes")
    return ReleaseFile(
        name=str(entry.get("filename")),
        url=urljoin(url, str(entry.get("url") or "")),
        sha256=str(hashes.get("sha256") or "") if isinstance(hashes, dict) else "",
        yanked=bool(entry.get("yanked")),
        uploaded_at=read_moment(entry.get("upload-time")),
    )


def _version_of(filename: str) -> Version | None:
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[1]
        return parse_sdist_filename(filename)[1]
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None


def explain_releases(
    releases: Iterable[Release], constraint: SpecifierSet, *, pre_releases: bool
) -> Iterator[tuple[Release, str]]:
    """Yield each release with the rule that drops it; empty: it is taken.

    Pre-releases are taken where `pre_releases` says so or the constraint names one.
    """
    with_pre = pre_releases or bool(constraint.prereleases)
    for release in releases:
        rule = ""
        if release.is_yanked:
            rule = "yanked"
        elif release.version.is_prerelease and not with_pre:
            rule = "a pre-release"
        elif not constraint.contains(release.version, prereleases=True):
            rule = f"does not meet the constraint {str(constraint)!r}"
        yield release, rule
