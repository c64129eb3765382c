"""Patterns of manifests: RE2's regular expressions, whose time is linear, globs, names and base directories."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import re2

from airfreight.model.globs import glob_expression

_PATTERN_BYTES = 1 << 20
# More do not fit into those bytes, and the parser would take a hundred bytes for each to find that out.
_PATTERN_LENGTH = 1 << 16

Matcher = Callable[[str], bool]


def sound(text: str) -> str:
    """Return `text` with a replacement for lone halves of characters, which are no text to RE2."""
    return text.encode("utf-8", "replace").decode("utf-8")


@lru_cache(maxsize=64)
def compile_regex(pattern: str) -> Any:
    """Return the compiled pattern; raises ValueError where Go would not compile it."""
    if len(pattern) > _PATTERN_LENGTH:
        raise ValueError(
            f"the pattern has {len(pattern)} characters; {_PATTERN_LENGTH} are allowed"
        )
    options = re2.Options()
    options.max_mem = _PATTERN_BYTES
    # The library would write a bad pattern to standard error as well.
    options.log_errors = False
    try:
        compiled = re2.compile(sound(pattern), options=options)
    except re2.error as error:
        said = error.args[0]
        raise ValueError(
            said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        ) from None
    # The library for C++ takes one byte by it, and Go's refuses it.
    if _takes_one_byte(pattern):
        raise ValueError("invalid escape: \\C")
    return compiled


def _takes_one_byte(pattern: str) -> bool:
    plain = re.sub(r"\\Q.*?(?:\\E|$)", "", pattern, flags=re.DOTALL)
    return any(found == "\\C" for found in re.findall(r"\\.", plain, re.DOTALL))


def pattern_fault(pattern: str) -> str:
    """Return what is wrong with `pattern`; empty where it compiles."""
    try:
        compile_regex(pattern)
    except ValueError as error:
        return str(error)
    return ""


def name_pattern(pattern: str) -> Matcher:
    """Return what says whether a name meets `pattern`: `glob:`, `regex:` or `regexp:` (unanchored), else the name.

    Raises ValueError for a pattern that does not compile.
    """
    return _prefixed(pattern) or pattern.__eq__


def path_pattern(pattern: str) -> Matcher:
    """Return what says whether a path meets `pattern`: prefixes as for names, else a base directory (`kargo.md` §4.5).

    Kargo takes no file whose name holds two dots for one below a directory; we do. Raises ValueError
    for a pattern that does not compile.
    """
    base = posixpath.normpath(pattern or ".")
    return _prefixed(pattern) or (lambda path: _is_within(posixpath.normpath(path or "."), base))


def _prefixed(pattern: str) -> Matcher | None:
    kind, colon, rest = pattern.partition(":")
    if colon and kind == "glob":
        try:
            glob = compile_regex(glob_expression(rest))
        except ValueError as error:
            raise ValueError(f"bad glob {rest!r}: {error}") from None
        return lambda text: glob.fullmatch(sound(text)) is not None
    if colon and kind in ("regex", "regexp"):
        try:
            regex = compile_regex(rest)
        except ValueError as error:
            raise ValueError(f"bad regular expression {rest!r}: {error}") from None
        return lambda text: regex.search(sound(text)) is not None
    return None


def _is_within(path: str, base: str) -> bool:
    if path.startswith("/") != base.startswith("/"):
        return False
    folders, parts = _parts(base), _parts(path)
    return parts[: len(folders)] == folders and ".." not in parts[len(folders) :]


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
