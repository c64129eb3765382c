"""Versions and constraints, read as Masterminds/semver v3 reads them (`kargo.md` §4.5).

Kargo's manifests rest on that library's rules, its odd ones included: a pre-release meets only a
group of terms of which one names a pre-release; ``<=1.2`` admits 1.2.9; ``~0.0.0`` admits all and
``^*`` nothing but 0.0.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from airfreight.errors import VersionError

_LONGEST = 256
_MOST_GROUPS = 32
_UINT64 = 2**64
_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_SUFFIX = rf"(?:-({_IDENTIFIERS}))?(?:\+({_IDENTIFIERS}))?"
_LOOSE = re.compile(rf"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?{_SUFFIX}", re.ASCII)
_STRICT = re.compile(
    rf"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*){_SUFFIX}",
    re.ASCII,
)
_NUMBER = r"\d+|[xX*]"
_BOUND = rf"v?({_NUMBER})(?:\.({_NUMBER}))?(?:\.({_NUMBER}))?{_SUFFIX}"
_TERM = re.compile(rf"[ \t\n\r\f]*(!=|>=|=>|<=|=<|~>|=|>|<|~|\^)?[ \t\n\r\f]*{_BOUND}", re.ASCII)
_SEPARATOR = re.compile(r"[ \t\n\r\f]*(?:,|[ \t\n\r\f]|$)")
_RANGE = re.compile(rf"({_BOUND})[ \t\n\r\f]+-[ \t\n\r\f]+({_BOUND})", re.ASCII)

_Identifier = tuple[int, int, str]


@dataclass(frozen=True, eq=False)
class Version:
    """A semantic version; build metadata counts for nothing when two are compared.

    `original` is the text that it was read from.
    """

    major: int
    minor: int
    patch: int
    prerelease: str
    metadata: str
    original: str

    @classmethod
    def parse(cls, text: str, strict: bool = False) -> Version:
        """Read a version; loosely, ``v1`` and ``1.2`` are versions too.

        Raises VersionError with the offset of the first character that does not fit.
        """
        pattern = _STRICT if strict else _LOOSE
        match = pattern.match(text)
        if match is None or match.end() != len(text) or len(text) > _LONGEST:
            offset = match.end() if match else 0
            expected = "major.minor.patch" if strict else "a version such as 1.2.3 or v1.2"
            raise VersionError(f"{text[:80]!r} is not {expected}", text, min(offset, _LONGEST))
        numbers = match.group(1, 2, 3)
        major, minor, patch = int(numbers[0]), int(numbers[1] or 0), int(numbers[2] or 0)
        prerelease, metadata = match[4] or "", match[5] or ""
        if len(text) > 19 and max(major, minor, patch) >= _UINT64:
            raise VersionError(f"{text[:80]!r} has a number beyond 64 bits", text, 0)
        if prerelease and any(
            part.isdigit() and part[0] == "0" != part for part in prerelease.split(".")
        ):
            raise VersionError(
                f"{text[:80]!r} has a pre-release number with a leading zero", text, match.start(4)
            )
        return cls(major, minor, patch, prerelease, metadata, text)

    @cached_property
    def precedence(self) -> tuple[int, int, int, bool, tuple[_Identifier, ...]]:
        """What versions are compared by."""
        if not self.prerelease:
            return self.major, self.minor, self.patch, True, ()
        identifiers = tuple(_identifier(part) for part in self.prerelease.split("."))
        return self.major, self.minor, self.patch, False, identifiers

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.precedence == other.precedence

    def __lt__(self, other: Version) -> bool:
        return self.precedence < other.precedence

    # Written out: functools.total_ordering makes each of these two calls, and tags are compared by the ten thousand.
    def __le__(self, other: Version) -> bool:
        return self.precedence <= other.precedence

    def __gt__(self, other: Version) -> bool:
        return self.precedence > other.precedence

    def __ge__(self, other: Version) -> bool:
        return self.precedence >= other.precedence

    def __hash__(self) -> int:
        return hash(self.precedence)

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.patch}"
        text += f"-{self.prerelease}" if self.prerelease else ""
        return text + (f"+{self.metadata}" if self.metadata else "")


def _identifier(part: str) -> _Identifier:
    is_number = part.isdigit() and int(part) < _UINT64
    return (0, int(part), "") if is_number else (1, 0, part)


def parse_tag(text: str, strict: bool) -> Version | None:
    """Read a tag as a version, None where it is none; strictly, one leading ``v`` is allowed."""
    try:
        if not strict:
            return Version.parse(text)
        version = Version.parse(text.removeprefix("v"), strict=True)
        return replace(version, original=text) if text.startswith("v") else version
    except VersionError:
        return None


_Wildcard = Literal["", "major", "minor", "patch"]


@dataclass(frozen=True)
class _Term:
    """One comparison; `wildcard` is the first part that is ``x`` or absent."""

    operator: str
    bound: Version
    wildcard: _Wildcard

    def admits(self, version: Version) -> bool:
        return _CHECKS[self.operator](version, self)


def _equal(version: Version, term: _Term) -> bool:
    return _tilde(version, term) if term.wildcard else version == term.bound


def _not_equal(version: Version, term: _Term) -> bool:
    bound = term.bound
    if term.wildcard == "minor":
        return version.major != bound.major
    if term.wildcard == "patch":
        if (version.major, version.minor) != (bound.major, bound.minor):
            return True
        return version.prerelease != bound.prerelease
    return version != bound


def _greater(version: Version, term: _Term) -> bool:
    bound = term.bound
    if term.wildcard == "minor":
        return version.major > bound.major
    if term.wildcard == "patch":
        return (version.major, version.minor) > (bound.major, bound.minor)
    return version > bound


def _at_most(version: Version, term: _Term) -> bool:
    bound = term.bound
    if not term.wildcard:
        return version <= bound
    if term.wildcard == "minor":
        return version.major <= bound.major
    return (version.major, version.minor) <= (bound.major, bound.minor)


def _tilde(version: Version, term: _Term) -> bool:
    bound = term.bound
    if version < bound:
        return False
    is_zero = not (bound.major or bound.minor or bound.patch)
    if is_zero and term.wildcard in ("", "major"):
        return True
    return version.major == bound.major and (
        term.wildcard == "minor" or version.minor == bound.minor
    )


def _caret(version: Version, term: _Term) -> bool:
    bound = term.bound
    if version < bound:
        return False
    if bound.major > 0 or term.wildcard == "minor":
        return version.major == bound.major
    if version.major > 0:
        return False
    if bound.minor > 0 or term.wildcard == "patch":
        return version.minor == bound.minor
    return version.minor == 0 and version.patch == bound.patch


_CHECKS: dict[str, Callable[[Version, _Term], bool]] = {
    "": _equal,
    "=": _equal,
    "!=": _not_equal,
    ">": _greater,
    "<": lambda version, term: version < term.bound,
    ">=": lambda version, term: version >= term.bound,
    "=>": lambda version, term: version >= term.bound,
    "<=": _at_most,
    "=<": _at_most,
    "~": _tilde,
    "~>": _tilde,
    "^": _caret,
}


@dataclass(frozen=True)
class Constraint:
    """Alternatives (``||``), each a group of terms that must all hold."""

    text: str
    groups: tuple[tuple[_Term, ...], ...]

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Read a constraint such as ``^1.2 || >=3.0.0 <4``.

        Raises VersionError with the offset of the fault.
        """
        parts = text.split("||")
        if len(parts) > _MOST_GROUPS:
            raise VersionError(f"more than {_MOST_GROUPS} alternatives in a constraint", text, 0)
        groups = []
        offset = 0
        for part in parts:
            groups.append(_parse_group(part, text, offset))
            offset += len(part) + len("||")
        return cls(text, tuple(groups))

    def admits(self, version: Version) -> bool:
        """Say whether the version meets the constraint."""
        return any(_group_admits(group, version) for group in self.groups)


def _group_admits(group: tuple[_Term, ...], version: Version) -> bool:
    if version.prerelease and not any(term.bound.prerelease for term in group):
        return False
    return all(term.admits(version) for term in group)


def _parse_group(part: str, text: str, offset: int) -> tuple[_Term, ...]:
    """Read the terms of one alternative, which begins at `offset` of the whole `text`."""
    ranged = _RANGE.sub(lambda match: f">={match[1]} <={match[7]}", part)
    terms: list[_Term] = []
    position = 0
    while not terms or ranged[position:].strip(" \t\n\r\f"):
        match = _TERM.match(ranged, position)
        separator = _SEPARATOR.match(ranged, match.end()) if match else None
        if match is None or separator is None:
            fault = offset + min(match.end() if match else position, len(part))
            raise VersionError(
                f"{part.strip()!r} is not a version constraint; expected one such as ^1.2,"
                " >=1.0.0 <2.0.0 or 1.x",
                text,
                fault,
            )
        terms.append(_parse_term(match, text, offset))
        position = separator.end()
    if ranged.rstrip(" \t\n\r\f").endswith(","):
        raise VersionError(f"{part.strip()!r} ends in a comma", text, offset + len(part) - 1)
    return tuple(terms)


def _parse_term(match: re.Match[str], text: str, offset: int) -> _Term:
    numbers = [match[2], match[3], match[4]]
    wildcard: _Wildcard = ""
    for part, number in zip(("major", "minor", "patch"), numbers, strict=True):
        if number is None or number in "xX*":
            wildcard = part  # type: ignore[assignment]
            break
    known = numbers[: ("major", "minor", "patch").index(wildcard)] if wildcard else numbers
    bound = ".".join([*known, "0", "0", "0"][:3]) + (f"-{match[5]}" if match[5] else "")
    try:
        return _Term(match[1] or "", Version.parse(bound), wildcard)
    except VersionError as error:
        raise VersionError(error.message, text, offset + match.start(2)) from None
