"""Puts new texts in the places of old ones and leaves every other character as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar


class Place(Protocol):
    """Where a text stands: from `start` to before `end`."""

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...


PlaceT = TypeVar("PlaceT", bound=Place)


def splice(text: str, edits: Mapping[PlaceT, str]) -> str:
    """Return `text` with what is at each place replaced; places do not overlap."""
    pieces, done = [], 0
    for place in sorted(edits, key=lambda place: place.start):
        pieces += [text[done : place.start], edits[place]]
        done = place.end
    return "".join([*pieces, text[done:]])
