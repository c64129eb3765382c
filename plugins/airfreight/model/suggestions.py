"""The word that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Comparing takes time by the product of lengths and counts; nobody mistypes a name that is longer.
_LONGEST_COMPARED = 100
_MOST_COMPARED = 200


def suggest(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the known word nearest to `word`, or nothing where none is near."""
    names = sorted(name for name in known if len(name) <= _LONGEST_COMPARED)
    if len(word) > _LONGEST_COMPARED or len(names) > _MOST_COMPARED:
        return ""
    near = difflib.get_close_matches(word, names, n=1) or [
        name for name in names if name.lower() == word.lower()
    ]
    return f"did you mean {near[0]!r}?" if near else ""
