"""Versions and constraints, read as Masterminds/semver v3 reads them (`kargo.md` §4.5).

Kargo's manifests rest on that library's rules, its odd ones included: a pre-release meets only a
group of terms of which one names a pre-release; ``<=1.2`` admits 1.2.9; ``~0.0.0`` admits all and
``^*`` nothing but 0.0.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from airfreight.errors import VersionError

_LONGEST = 256
_LONGEST_CONSTRAINT = 512
_MOST_GROUPS = 32
_UINT64 = 2**64
_LEADING_ZERO = re.compile(r"(?:^|\.)0[0-9]+(?:\.|$)")
_SPACE = r"[ \t\n\r\f]"
_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_SUFFIX = rf"(?:-({_IDENTIFIERS}))?(?:\+({_IDENTIFIERS}))?"
_LOOSE = re.compile(rf"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?{_SUFFIX}", re.ASCII)
_STRICT = re.compile(
    rf"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*){_SUFFIX}",
    re.ASCII,
)
# The library's own classes of characters, "|" among them: what they let through is refused as a number.
_NUMBER = r"[0-9|xX*]+"
_BOUND = rf"v?({_NUMBER})(?:\.({_NUMBER}))?(?:\.({_NUMBER}))?{_SUFFIX}"
_TERM = re.compile(rf"{_SPACE}*(!=|>=|=>|<=|=<|~>|=|>|<|~|\^)?{_SPACE}*({_BOUND})")
_SEPARATOR = re.compile(rf"{_SPACE}*,{_SPACE}*|{_SPACE}+")
_END = re.compile(rf"{_SPACE}*$")
_RANGE = re.compile(rf"{_SPACE}*({_BOUND}){_SPACE}+-{_SPACE}+({_BOUND}){_SPACE}*")

_Identifier = tuple[int, int, str]
_Precedence = tuple[int, int, int, bool, tuple[_Identifier, ...]]


@dataclass(frozen=True, eq=False, init=False)
class Version:
    """A semantic version; build metadata counts for nothing when two are compared.

    `original` is the text that it was read from; `precedence` is what versions are compared by.
    """

    major: int
    minor: int
    patch: int
    prerelease: str
    metadata: str
    original: str
    precedence: _Precedence = field(init=False, repr=False)

    def __init__(
        self, major: int, minor: int, patch: int, prerelease: str, metadata: str, original: str
    ) -> None:
        # Written out: a frozen class's own sets one by one, and tags are read by the ten thousand.
        vars(self).update(
            major=major,
            minor=minor,
            patch=patch,
            prerelease=prerelease,
            metadata=metadata,
            original=original,
            precedence=(major, minor, patch, not prerelease, _identifiers(prerelease)),
        )

    @classmethod
    def parse(cls, text: str, strict: bool = False) -> Version:
        """Read a version; loosely, ``v1`` and ``1.2`` are versions too.

        Raises VersionError with the offset of the first character that does not fit.
        """
        match = (_STRICT if strict else _LOOSE).fullmatch(text)
        if match is None or len(text) > _LONGEST:
            raise _no_version(text, strict)
        first, second, third, prerelease, metadata = match.groups("")
        major, minor, patch = int(first), int(second or 0), int(third or 0)
        if len(text) > 19 and max(major, minor, patch) >= _UINT64:
            raise VersionError(f"{text[:80]!r} has a number beyond 64 bits", text, 0)
        if prerelease and _LEADING_ZERO.search(prerelease):
            raise VersionError(
                f"{text[:80]!r} has a pre-release number with a leading zero", text, match.start(4)
            )
        return cls(major, minor, patch, prerelease, metadata, text)

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


def _no_version(text: str, strict: bool) -> VersionError:
    match = (_STRICT if strict else _LOOSE).match(text)
    offset = min(match.end() if match else 0, _LONGEST)
    expected = "major.minor.patch" if strict else "a version such as 1.2.3 or v1.2"
    return VersionError(f"{text[:80]!r} is not {expected}", text, offset)


def _identifiers(prerelease: str) -> tuple[_Identifier, ...]:
    return tuple(map(_identifier, prerelease.split("."))) if prerelease else ()


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
_PARTS: tuple[_Wildcard, ...] = ("major", "minor", "patch")
_ANY = (None, "x", "X", "*")


@dataclass(frozen=True)
class _Term:
    """One comparison; `wildcard` is the first part that is ``x`` or absent."""

    check: Callable[[Version, _Term], bool]
    bound: Version
    wildcard: _Wildcard


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
class _Group:
    """Terms that must all hold; pre-releases are admitted only where one of them names one."""

    terms: tuple[_Term, ...]
    names_prerelease: bool


@dataclass(frozen=True)
class Constraint:
    """Alternatives (``||``), each a group of terms that must all hold."""

    text: str
    groups: tuple[_Group, ...]

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Read a constraint such as ``^1.2 || >=3.0.0 <4``.

        Raises VersionError with the offset of the fault.
        """
        if len(text.encode("utf-8", "replace")) > _LONGEST_CONSTRAINT:
            raise VersionError(f"a constraint has at most {_LONGEST_CONSTRAINT} bytes", text, 0)
        source = _rewrite_ranges(text)
        parts = source.text.split("||")
        if len(parts) > _MOST_GROUPS:
            raise VersionError(f"more than {_MOST_GROUPS} alternatives in a constraint", text, 0)
        groups = []
        start = 0
        for part in parts:
            groups.append(_parse_group(source, start, start + len(part)))
            start += len(part) + len("||")
        return cls(text, tuple(groups))

    def admits(self, version: Version) -> bool:
        """Say whether the version meets the constraint."""
        for group in self.groups:
            if version.prerelease and not group.names_prerelease:
                continue
            if all(term.check(version, term) for term in group.terms):
                return True
        return False


@dataclass(frozen=True)
class _Source:
    """A constraint without hyphen ranges; `origins` has the offset of each character in `original`."""

    original: str
    text: str
    origins: tuple[int, ...]

    def origin(self, position: int) -> int:
        return (*self.origins, len(self.original))[position]

    def fault(self, message: str, position: int) -> VersionError:
        return VersionError(message, self.original, self.origin(position))


def _rewrite_ranges(text: str) -> _Source:
    """Write each ``a - b`` as the library does before anything else: ``>= a, <= b``.

    The blanks around it go, so that a term before it stands too close: the library refuses that.
    """
    pieces: list[tuple[str, int]] = []
    position = 0
    for match in _RANGE.finditer(text):
        first, last = match.start(1), match.start(7)
        pieces += ((c, i) for i, c in enumerate(text[position : match.start()], position))
        pieces += ((c, first) for c in ">= ")
        pieces += ((c, i) for i, c in enumerate(match[1], first))
        pieces += ((c, last) for c in ", <= ")
        pieces += ((c, i) for i, c in enumerate(match[7], last))
        pieces.append((" ", match.end()))
        position = match.end()
    pieces += ((c, i) for i, c in enumerate(text[position:], position))
    return _Source(text, "".join(c for c, _ in pieces), tuple(i for _, i in pieces))


def _parse_group(source: _Source, start: int, end: int) -> _Group:
    """Read the terms of the alternative between `start` and `end`."""
    terms: list[_Term] = []
    position = start
    while True:
        match = _TERM.match(source.text, position, end)
        if match is None:
            raise _no_constraint(source, start, end, position)
        terms.append(_parse_term(match, source))
        if _END.match(source.text, match.end(), end):
            return _Group(tuple(terms), any(term.bound.prerelease for term in terms))
        separator = _SEPARATOR.match(source.text, match.end(), end)
        if separator is None:
            raise _no_constraint(source, start, end, match.end())
        position = separator.end()


def _no_constraint(source: _Source, start: int, end: int, position: int) -> VersionError:
    blanks = len(source.text[position:end]) - len(source.text[position:end].lstrip())
    group = source.original[source.origin(start) : source.origin(end)].strip()
    return source.fault(
        f"{group!r} is not a version constraint; expected one such as ^1.2, >=1.0.0 <2.0.0 or 1.x",
        position + blanks,
    )


def _parse_term(match: re.Match[str], source: _Source) -> _Term:
    numbers = match.group(3, 4, 5)
    wildcard: _Wildcard = ""
    bound = match[2]
    for known, (part, number) in enumerate(zip(_PARTS, numbers, strict=True)):
        if number in _ANY:
            wildcard = part
            bound = ".".join([*numbers[:known], "0", "0", "0"][:3])
            bound += f"-{match[6]}" if match[6] else ""
            break
    try:
        return _Term(_CHECKS[match[1] or ""], Version.parse(bound), wildcard)
    except VersionError as error:
        raise source.fault(error.message, match.start(2)) from None
