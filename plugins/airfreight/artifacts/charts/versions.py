"""Which versions of a chart a subscription takes (`kargo.md` §4.5), best first."""

from __future__ import annotations

from collections.abc import Iterable

from airfreight.artifacts.tags import explain_tags

Explained = tuple[list[str], list[tuple[str, str]]]


def explain_versions(versions: Iterable[str], constraint: str) -> Explained:
    """Return the versions of an index that are taken and each of the others with the rule that dropped it.

    They are read loosely. Raises VersionError for a bad constraint.
    """
    return explain_tags(versions, strategy="SemVer", constraint=constraint, strict=False)


def explain_chart_tags(tags: Iterable[str], constraint: str) -> Explained:
    """Return the same for the tags of a registry, read strictly: ``_`` stands for ``+``, which no tag can hold."""
    versions = [tag.replace("_", "+") for tag in tags]
    # A tag of an image may begin with one; helm writes none.
    prefixed = [
        (version, "no strict semantic version") for version in versions if version[:1] == "v"
    ]
    plain = (version for version in versions if version[:1] != "v")
    kept, dropped = explain_tags(plain, strategy="SemVer", constraint=constraint, strict=True)
    return kept, [*dropped, *prefixed]


def tag_of(version: str) -> str:
    """Return the tag of a version."""
    return version.replace("+", "_")
