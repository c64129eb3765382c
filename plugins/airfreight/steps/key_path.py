"""The key syntax of yaml-update and its siblings: ``image.tag``, ``list.0.name``, ``a\\.b``, ``:0``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from airfreight.errors import TerminalStepError

# White space as Unicode's property has it; `str.strip` would also take U+001C to U+001F.
_WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_INDEX = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True)
class KeyPart:
    """One step down into a document; `is_key` (written ``:0``) never addresses an element of a list."""

    text: str
    is_key: bool = False

    @property
    def index(self) -> int | None:
        """The place in a list that this part names, or None where it names none; may be negative."""
        return int(self.text) if not self.is_key and _INDEX.fullmatch(self.text) else None


def split_key(key: str) -> list[KeyPart]:
    """Split `key` at its dots; a backslash escapes a dot or a colon, a leading colon forces a map key.

    Raises TerminalStepError for an empty key or part, another escape and a colon within a part.
    """
    key = key.strip(_WHITE_SPACE)
    if not key:
        raise TerminalStepError("empty key: expected a path such as image.tag")
    return [_read_part(raw, key) for raw in _raw_parts(key)]


def _raw_parts(key: str) -> list[str]:
    """Split at the dots that no backslash precedes."""
    return re.findall(r"(?:^|\.)((?:\\.|\\$|[^.\\])*)", key, re.DOTALL)


def _read_part(raw: str, key: str) -> KeyPart:
    body = raw.lstrip(":")
    if re.search(r"\\[^.:]", body, re.DOTALL):
        raise TerminalStepError(
            f"invalid escape sequence in key {key!r}: only '\\.' and '\\:' are escapes"
        )
    if re.search(r"(?<!\\):", body):
        raise TerminalStepError(f"unexpected colon in key {key!r}: write '\\:' for a colon")
    text = body.replace("\\", "")
    if not text:
        raise TerminalStepError(f"empty key part in key {key!r}")
    return KeyPart(text, is_key=body != raw)
