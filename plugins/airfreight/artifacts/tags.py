"""Which tags of a repository a subscription selects, and in what order (`kargo.md` §4.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import re2

from airfreight.artifacts.semver import Constraint, Version, parse_tag
from airfreight.errors import ArtifactError


def select_tags(
    tags: Iterable[str],
    *,
    strategy: str,
    constraint: str = "",
    strict: bool = True,
    allow: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> list[str]:
    """Return the selected tags, best first.

    `allow` and `ignore` are RE2 expressions, looked for anywhere in the tag; `ignore` wins.
    `strategy` is SemVer (greatest first; `constraint` and `strict` are for it) or Lexical (last in
    byte order first). Raises VersionError for a bad constraint, ArtifactError for a bad expression
    or another strategy.
    """
    ignored, allowed = _searches(ignore, "ignoreTagsRegexes"), _searches(allow, "allowTagsRegexes")
    kept = [
        tag
        for tag in tags
        if not any(search(tag) for search in ignored)
        and (not allowed or any(search(tag) for search in allowed))
    ]
    if strategy == "SemVer":
        return _by_version(kept, constraint, strict)
    if strategy == "Lexical":
        return sorted(kept, key=str.encode, reverse=True)
    raise ArtifactError(f"no selection strategy {strategy!r}; there are SemVer and Lexical")


def _by_version(tags: list[str], constraint: str, strict: bool) -> list[str]:
    wanted = Constraint.parse(constraint) if constraint else None
    versions = [version for tag in tags if (version := parse_tag(tag, strict))]
    if wanted:
        versions = [version for version in versions if wanted.admits(version)]
    versions.sort(key=_rank, reverse=True)
    return [version.original for version in versions]


def _rank(version: Version) -> tuple[Version, bytes]:
    return version, version.original.encode()


def _searches(patterns: Sequence[str], field: str) -> list[Callable[[str], object]]:
    # The library would write a bad pattern to standard error as well.
    options = re2.Options()
    options.log_errors = False
    try:
        return [re2.compile(pattern, options).search for pattern in patterns]
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise ArtifactError(f"{field}: not a regular expression of RE2: {reason}") from None
