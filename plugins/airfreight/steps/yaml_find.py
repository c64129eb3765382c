"""Finds the places of keys in a YAML text, in one pass that keeps nothing of what it was not asked for."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from airfreight.errors import TerminalStepError
from airfreight.steps.key_path import KeyPart, split_key
from airfreight.steps.yaml_events import events

_OPENERS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_CLOSERS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


class Place(NamedTuple):
    """A scalar as the parser met it, and whether it stands in a flow."""

    event: Any
    in_flow: bool


class _Search(NamedTuple):
    """One key on its way down: its number, and the parts that are left of it."""

    number: int
    left: tuple[KeyPart, ...]


@dataclass
class Places:
    """The place of each key, and where in the text the first document's top-level keys begin and end.

    `blocks` is empty where the document is no map in block style at the left edge.
    """

    found: list[Place]
    blocks: list[int]

    def around(self, first: int, last: int, text: str) -> tuple[int, int]:
        """Return the start and end of the top-level entries from index `first` to `last` of `text`."""
        start = bisect.bisect_right(self.blocks, first) - 1
        end = bisect.bisect_right(self.blocks, last)
        if start < 0 or end >= len(self.blocks):
            return 0, len(text)
        return self.blocks[start], self.blocks[end]


def find_places(text: str, keys: Sequence[str]) -> Places:
    """Return where the scalars with these keys are in the first document; `text` has no byte order mark.

    Raises TerminalStepError where the text is no YAML, a key is no key, not found, twice there or leads to no scalar.
    """
    walk = _Walk(keys, events(text))
    walk.run([_Search(number, tuple(split_key(key))) for number, key in enumerate(keys)])
    return Places([walk.place(number) for number in range(len(keys))], walk.blocks)


@dataclass
class _Walk:
    keys: Sequence[str]
    events: Iterator[Any]
    blocks: list[int] = field(default_factory=list)
    found: dict[int, list[Place]] = field(default_factory=dict)
    lengths: dict[int, tuple[str, int]] = field(default_factory=dict)

    def run(self, searches: list[_Search]) -> None:
        next(self.events)
        if isinstance(next(self.events), yaml.DocumentStartEvent):
            self._node(next(self.events), searches, in_flow=False, top=True)
        for _ in self.events:
            pass  # The rest has to be YAML, too.

    def place(self, number: int) -> Place:
        """Return the only place of the key; raises TerminalStepError, saying why, where it has none or several."""
        wrong = f"error finding key {self.keys[number]}"
        places = self.found.get(number, [])
        if len(places) > 1:
            raise TerminalStepError(f"{wrong}: it is {len(places)} times in its map; keep one")
        if not places:
            raise TerminalStepError(f"{wrong}: {self._absence(number)}")
        if not isinstance(places[0].event, yaml.ScalarEvent):
            raise TerminalStepError(f"{wrong}: key path does not address a scalar node")
        return places[0]

    def _absence(self, number: int) -> str:
        if number not in self.lengths:
            return "key path not found"
        text, length = self.lengths[number]
        if not text.lstrip("+-").isdecimal():
            return f"{text!r} is no index, and the value there is a list"
        return f"index {text} is out of range, the list has {length} elements"

    def _node(
        self, event: Any, searches: list[_Search], *, in_flow: bool, top: bool = False
    ) -> None:
        for search in searches:
            if not search.left:
                self.found.setdefault(search.number, []).append(Place(event, in_flow))
        deeper = [search for search in searches if search.left]
        if deeper and isinstance(event, yaml.MappingStartEvent):
            self._map(event, deeper, top=top)
        elif deeper and isinstance(event, yaml.SequenceStartEvent):
            self._list(event, deeper)
        elif isinstance(event, _OPENERS):
            self._skip()

    def _map(self, event: Any, searches: list[_Search], *, top: bool) -> None:
        kept = top and not event.flow_style and event.start_mark.column == 0
        key: Any
        while not isinstance(key := next(self.events), yaml.MappingEndEvent):
            if kept:
                self.blocks.append(key.start_mark.index)
            if isinstance(key, _OPENERS):
                self._skip()
            name = key.value if isinstance(key, yaml.ScalarEvent) else None
            inside = [_Search(s.number, s.left[1:]) for s in searches if s.left[0].text == name]
            self._node(next(self.events), inside, in_flow=bool(event.flow_style))
        if kept:
            closing: Any = key
            self.blocks.append(closing.start_mark.index)

    def _list(self, event: Any, searches: list[_Search]) -> None:
        length = 0
        while not isinstance(item := next(self.events), yaml.SequenceEndEvent):
            inside = [_Search(s.number, s.left[1:]) for s in searches if s.left[0].index == length]
            self._node(item, inside, in_flow=bool(event.flow_style))
            length += 1
        for search in searches:
            if not search.left[0].is_key and search.left[0].index not in range(length):
                self.lengths[search.number] = (search.left[0].text, length)

    def _skip(self) -> None:
        """Pass over what is left of the map or list that has just begun."""
        depth = 1
        while depth:
            kind = type(next(self.events))
            if kind in _OPENERS:
                depth += 1
            elif kind in _CLOSERS:
                depth -= 1
