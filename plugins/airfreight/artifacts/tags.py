"""Which tags of a repository a subscription selects, and in what order (`kargo.md` §4.5)."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, TypeVar

from airfreight.artifacts.semver import Constraint, Version, parse_tag
from airfreight.errors import ArtifactError, ExpressionError
from airfreight.expr.regular import compile_pattern

_SECONDS = 2.0
_CLOCK_EVERY = 256  # tags; to ask the clock costs as much as to judge ten of them
_SORTED_AT_ONCE = 4096
_Item = TypeVar("_Item")
_Rank = tuple[object, bytes]
_Searches = list[tuple[str, Callable[[bytes], object]]]


def explain_tags(
    tags: Iterable[str],
    *,
    strategy: str,
    constraint: str = "",
    strict: bool = True,
    allow: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the selected tags, best first, and each of the others with the rule that dropped it.

    `allow` and `ignore` are RE2 expressions, looked for anywhere in the tag; `ignore` wins.
    `strategy` is SemVer (greatest first; `constraint` and `strict` are for it) or Lexical (last in
    byte order first). Raises VersionError for a bad constraint, ArtifactError for a bad expression,
    one that takes too long, or another strategy.
    """
    if strategy not in ("SemVer", "Lexical"):
        raise ArtifactError(f"no selection strategy {strategy!r}; there are SemVer and Lexical")
    ignored, allowed = _searches(ignore, "ignoreTagsRegexes"), _searches(allow, "allowTagsRegexes")
    wanted = Constraint.parse(constraint) if strategy == "SemVer" and constraint else None
    kept: list[str] = []
    # No Versions: the garbage collector would look at fifty thousand of them in one go, time and again.
    ranked: list[tuple[_Rank, str]] = []
    dropped: list[tuple[str, str]] = []
    started = time.thread_time()
    for place, tag in enumerate(tags):
        if place % _CLOCK_EVERY == 0:
            _check_time(started)
        rule = _expression_rule(tag, ignored, allowed)
        if not rule and strategy == "SemVer":
            version, rule = _version_rule(tag, strict, wanted)
            ranked += [(_rank(version), tag)] if version else []
        elif not rule:
            kept.append(tag)
        if rule:
            dropped.append((tag, rule))
    if strategy == "Lexical":
        return sort_down(kept, _encoded), dropped
    return [tag for _, tag in sort_down(ranked, itemgetter(0))], dropped


def sort_down(items: Iterable[_Item], key: Callable[[_Item], Any]) -> list[_Item]:
    """Return `items` from the greatest to the least.

    Bit by bit: while one call sorts fifty thousand, which takes 90 ms, no other thread runs.
    """
    rest = iter(items)
    runs = []
    while run := list(itertools.islice(rest, _SORTED_AT_ONCE)):
        run.sort(key=key, reverse=True)
        runs.append(run)
    return list(heapq.merge(*runs, key=key, reverse=True))


def _check_time(started: float) -> None:
    # Linear time is long where an expression repeats something a thousand times.
    if time.thread_time() - started > _SECONDS:
        raise ArtifactError(
            f"the selection takes more than {_SECONDS:g} s of processor time; "
            "make allowTagsRegexes and ignoreTagsRegexes simpler"
        )


def _expression_rule(tag: str, ignored: _Searches, allowed: _Searches) -> str:
    if not ignored and not allowed:
        return ""
    # As bytes: of a text the library would map the place of every match back to characters.
    encoded = _encoded(tag)
    for pattern, search in ignored:
        if search(encoded):
            return f"ignored by {pattern!r}"
    if allowed and not any(search(encoded) for _, search in allowed):
        return f"allowed by none of {', '.join(repr(pattern) for pattern, _ in allowed)}"
    return ""


def _version_rule(tag: str, strict: bool, wanted: Constraint | None) -> tuple[Version | None, str]:
    version = parse_tag(tag, strict)
    if version is None:
        return None, f"no {'strict ' if strict else ''}semantic version"
    if wanted is not None and not wanted.admits(version):
        return None, f"does not meet the constraint {wanted.text!r}"
    return version, ""


def _rank(version: Version) -> _Rank:
    return version.precedence, _encoded(version.original)


def _encoded(tag: str) -> bytes:
    return tag.encode("utf-8", "replace")


def _searches(patterns: Sequence[str], field: str) -> _Searches:
    try:
        return [(pattern, compile_pattern(pattern).search) for pattern in patterns]
    except ExpressionError as error:
        raise ArtifactError(f"{field}: {error}") from None
