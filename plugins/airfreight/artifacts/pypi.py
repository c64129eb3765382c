"""What an index of Python packages says (PEP 691 and 700), and which releases a constraint takes (PEP 440)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
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
class Release:
    """One version; `url` and `sha256` are those of its sources, else of its first wheel by name.

    `is_yanked`: all of its files were taken back. `uploaded` is the text of when its first file came; empty where the
    index tells it of none.
    """

    version: str
    url: str
    sha256: str
    is_yanked: bool
    uploaded: str

    @property
    def created_at(self) -> datetime | None:
        """When it came to be."""
        return read_moment(self.uploaded)

    def to_json(self) -> dict[str, Any]:
        """Return what `Release(**…)` takes."""
        return asdict(self)


def read_releases(document: Any, url: str) -> tuple[Release, ...]:
    """Return the releases of a project's page, newest first; raises ArtifactError where `document` is no such page.

    Files whose name tells no version, such as eggs, are left out, as pip leaves them out.
    """
    files = document.get("files") if isinstance(document, dict) else None
    if not isinstance(files, list):
        raise ArtifactError(f"{url} is no page of a package index: it has no files")
    found: dict[Version, list[Mapping[str, Any]]] = {}
    for entry in files:
        version = _version_of(str(entry.get("filename"))) if isinstance(entry, dict) else None
        if version is not None:
            found.setdefault(version, []).append(entry)
    newest = sorted(found.items(), key=lambda one: one[0], reverse=True)
    return tuple(_release(version, files, url) for version, files in newest)


def _release(version: Version, files: Sequence[Mapping[str, Any]], url: str) -> Release:
    main = min(files, key=lambda file: (file["filename"].endswith(".whl"), file["filename"]))
    hashes = main.get("hashes")
    uploads = [str(file["upload-time"]) for file in files if read_moment(file.get("upload-time"))]
    return Release(
        version=str(version),
        url=urljoin(url, str(main.get("url") or "")),
        sha256=str(hashes.get("sha256") or "") if isinstance(hashes, dict) else "",
        is_yanked=all(file.get("yanked") for file in files),
        uploaded=min(uploads, default=""),  # all in UTC and of one form, by PEP 700
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
        version = Version(release.version)
        rule = ""
        if release.is_yanked:
            rule = "yanked"
        elif version.is_prerelease and not with_pre:
            rule = "a pre-release"
        elif not constraint.contains(version, prereleases=True):
            rule = f"does not meet the constraint {str(constraint)!r}"
        yield release, rule
