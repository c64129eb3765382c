"""Text → documents: plain data in which every value and every key keeps its place.

Untrusted text may cost neither much time nor much memory: size, nodes and depth are bounded, and an alias counts with
all that it stands for. Reading is iterative, so that no nesting reaches Python's recursion limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from airfreight.errors import Location, ManifestError, Problem
from airfreight.manifests.scalars import key_text, read_plain, read_tagged

Path = tuple[str | int, ...]

LARGEST_FILE = 1 << 20
MOST_NODES = 100_000
DEEPEST = 100
MOST_PROBLEMS = 100
_LONGEST_MESSAGE = 400
_TOO_DEEP = f"nested deeper than {DEEPEST} levels"

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")
_COLLECTION_TAGS = (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


def brief(text: str) -> str:
    """Return `text`, of a very long one the beginning: what a message repeats may be as long as a file."""
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"


@dataclass(frozen=True)
class Place:
    """Where a value stands in its file's text: `start` and `end` are indices, `block` tells `|` and `>`."""

    location: Location
    start: int
    end: int
    block: bool = False


@dataclass(frozen=True)
class Document:
    """One YAML document of a file.

    `places` and `keys` map a path such as ``("spec", "vars", 0, "name")`` to the place of the value and of its key.
    `source` is the file's text with plain line ends.
    """

    file: str
    location: Location
    data: Any
    places: Mapping[Path, Place]
    keys: Mapping[Path, Location]
    source: str = field(repr=False)

    def locate(self, path: Path, offset: int | None = None) -> Location:
        """Return the place of the value at `path`, or of what would hold it; `offset` counts into a string value."""
        while path and path not in self.places:
            path, offset = path[:-1], None
        place = self.places.get(path)
        if place is None:
            return self.location
        return place.location if offset is None else self._locate_within(path, place, offset)

    def _locate_within(self, path: Path, place: Place, offset: int) -> Location:
        """Walk value and source side by side: quotes, escapes, folding and indentation are only in the source."""
        value: Any = self.data
        for part in path:
            value = value[part]
        at = self.source.index("\n", place.start) + 1 if place.block else place.start
        for character in f"{value} "[: offset + 1]:
            if character.isspace():
                continue
            at = self.source.find(character, at, place.end) + 1
            if at == 0:
                return place.location
        before = self.source.rfind("\n", 0, max(at - 1, 0)) + 1
        return Location(self.file, self.source.count("\n", 0, before) + 1, max(at - before, 1))


@dataclass
class _Value:
    """A value read so far; `nodes` counts it and all below it, `depth` the levels below it."""

    data: Any
    place: Place
    children: dict[str | int, _Value] = field(default_factory=dict)
    keys: dict[str, Location] = field(default_factory=dict)
    merge: bool = False
    nodes: int = 1
    depth: int = 0

    def take(self, key: str | int, child: _Value, *, inherited: bool = False) -> None:
        """Put `child` under `key`; an inherited one comes from a merge key and overwrites nothing."""
        if inherited and key in self.data:
            return
        if isinstance(self.data, list):
            self.data.append(child.data)
        else:
            self.data[key] = child.data
        self.children[key] = child
        self.nodes += child.nodes
        self.depth = max(self.depth, child.depth + 1)

    def flatten(self) -> tuple[dict[Path, Place], dict[Path, Location]]:
        """Return the place of every value and of every key by its path."""
        places: dict[Path, Place] = {}
        keys: dict[Path, Location] = {}
        waiting: list[tuple[Path, _Value]] = [((), self)]
        while waiting:
            path, value = waiting.pop()
            places[path] = value.place
            keys.update({(*path, key): location for key, location in value.keys.items()})
            waiting += [((*path, key), child) for key, child in value.children.items()]
        return places, keys


@dataclass
class _Open:
    """A collection whose end has not come; `key` is the mapping's key that waits for its value."""

    value: _Value
    anchor: str | None
    key: _Value | None = None
    merges: list[_Value] = field(default_factory=list)


def read_documents(content: bytes, file: str) -> tuple[Document, ...]:
    """Return the documents of a file's `content`; empty ones are left out.

    Raises ManifestError with every problem that was met where the content is no YAML that Kubernetes would read.
    """
    source = _decode(content, file)
    reader = _Reader(source, file)
    try:
        documents = tuple(reader.documents())
    except yaml.YAMLError as error:
        raise ManifestError([*reader.problems, _syntax_problem(error, source, file)]) from None
    if reader.problems:
        raise ManifestError(reader.problems)
    return documents


def _decode(content: bytes, file: str) -> str:
    if len(content) > LARGEST_FILE:
        raise ManifestError(
            [
                Problem(
                    Location(file),
                    "",
                    f"the file is larger than {LARGEST_FILE >> 20} MiB",
                    "split it",
                )
            ]
        )
    try:
        source = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        message = f"byte 0x{content[error.start]:02x} is not UTF-8"
        raise ManifestError([Problem(Location(file, line, column), "", message)]) from None
    source = source.replace("\r\n", "\n")
    found = _UNPRINTABLE.search(source)
    if found is not None:
        line = source.count("\n", 0, found.start()) + 1
        column = found.start() - source.rfind("\n", 0, found.start())
        message = f"control character U+{ord(found.group()):04X} is not allowed"
        raise ManifestError([Problem(Location(file, line, column), "", message)])
    return source


def _syntax_problem(error: yaml.YAMLError, source: str, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    begun = getattr(error, "context_mark", None)
    if mark is None or (begun is not None and mark.index >= len(source.rstrip())):
        mark = begun or mark  # what the file's end cut off is found by where it began
    said = getattr(error, "problem", None) or "cannot be read"
    if mark is None:
        return Problem(Location(file), "", f"not valid YAML: {said}")
    hint = "indent with spaces, not tabs" if source[mark.index : mark.index + 1] == "\t" else ""
    location = Location(file, mark.line + 1, mark.column + 1)
    return Problem(location, "", f"not valid YAML: {said}", hint)


class _Reader:
    """Builds the documents of one text from YAML's events."""

    def __init__(self, source: str, file: str) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._file = file
        self._nodes = 0
        self._open: list[_Open] = []
        self._anchors: dict[str, _Value] = {}

    def documents(self) -> Iterator[Document]:
        for event in yaml.parse(self._source, Loader=_LOADER):
            if len(self.problems) >= MOST_PROBLEMS:
                raise ManifestError(self.problems)
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
            elif isinstance(event, yaml.NodeEvent):
                yield from self._start(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                yield from self._end()

    def _start(self, event: yaml.NodeEvent) -> Iterator[Document]:
        value = self._value(event)
        if not isinstance(event, yaml.CollectionStartEvent):
            yield from self._finished(value, event)
            return
        if len(self._open) >= DEEPEST:
            raise self._refuse(event, _TOO_DEEP)
        if event.tag not in _COLLECTION_TAGS:
            self._complain(
                event, f"tag {brief(event.tag)} is not allowed; a manifest is plain data"
            )
        self._open.append(_Open(value, event.anchor))

    def _value(self, event: yaml.NodeEvent) -> _Value:
        if isinstance(event, yaml.AliasEvent):
            anchor = event.anchor or ""
            known = self._anchors.get(anchor)
            if known is None:
                raise self._refuse(event, f"alias *{brief(anchor)} has no anchor before it")
            self._count(event, known.nodes)
            if len(self._open) + known.depth >= DEEPEST:
                raise self._refuse(event, _TOO_DEEP)
            return known
        self._count(event, 1)
        place = self._place(event)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, place)
        return _Value([] if isinstance(event, yaml.SequenceStartEvent) else {}, place)

    def _count(self, event: yaml.NodeEvent, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            raise self._refuse(
                event, f"more than {MOST_NODES} values, those behind aliases included"
            )

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> _Value:
        plain = event.implicit[0] and not event.style and event.tag is None
        try:
            if event.tag is not None:
                return _Value(read_tagged(event.tag, event.value), place)
            data = read_plain(event.value) if plain else event.value
        except ValueError as error:
            self._complain(event, brief(str(error)))
            data = event.value
        return _Value(data, place, merge=plain and data == "<<")

    def _finished(self, value: _Value, event: yaml.NodeEvent) -> Iterator[Document]:
        if not isinstance(event, yaml.AliasEvent) and event.anchor:
            self._anchors[event.anchor] = value
        return self._place_value(value, self._place(event).location)

    def _end(self) -> Iterator[Document]:
        done = self._open.pop()
        for merged in done.merges:
            for key, child in merged.children.items():
                done.value.take(key, child, inherited=True)
        if done.anchor:
            self._anchors[done.anchor] = done.value
        return self._place_value(done.value, done.value.place.location)

    def _place_value(self, value: _Value, location: Location) -> Iterator[Document]:
        """Put a complete value where it belongs: into its collection, or as a document of its own."""
        if not self._open:
            if value.data is not None:
                yield self._document(value)
            return
        parent = self._open[-1]
        if isinstance(parent.value.data, list):
            parent.value.take(len(parent.value.data), value)
        elif parent.key is None:
            parent.key = _Value(value.data, Place(location, 0, 0), merge=value.merge)
        else:
            self._place_entry(parent, parent.key, value)
            parent.key = None

    def _place_entry(self, parent: _Open, key: _Value, value: _Value) -> None:
        location = key.place.location
        if key.merge:
            self._merge(parent, value, location)
            return
        name = None if isinstance(key.data, list | dict) else key_text(key.data)
        if name is None:
            self.problems.append(
                Problem(location, "", "a key has to be a string", "put it in quotes")
            )
        elif name in parent.value.keys:
            first = parent.value.keys[name]
            message = f"key {brief(name)!r} is given twice; first at {first}"
            self.problems.append(Problem(location, "", message, "remove one of them"))
        else:
            parent.value.take(name, value)
            parent.value.keys[name] = location

    def _merge(self, parent: _Open, value: _Value, location: Location) -> None:
        wanted = list(value.children.values()) if isinstance(value.data, list) else [value]
        if all(isinstance(merged.data, dict) for merged in wanted):
            parent.merges += wanted
            self._nodes += sum(merged.nodes for merged in wanted)
        else:
            self.problems.append(
                Problem(location, "", "<< has to name a mapping or a list of them")
            )

    def _document(self, value: _Value) -> Document:
        places, keys = value.flatten()
        return Document(self._file, value.place.location, value.data, places, keys, self._source)

    def _place(self, event: yaml.NodeEvent) -> Place:
        start, end = event.start_mark, event.end_mark
        if start is None or end is None:
            raise AssertionError("the parser marks every event of a text")
        block = isinstance(event, yaml.ScalarEvent) and event.style in ("|", ">")
        location = Location(self._file, start.line + 1, start.column + 1)
        return Place(location, start.index, end.index, block)

    def _complain(self, event: yaml.NodeEvent, message: str) -> None:
        self.problems.append(Problem(self._place(event).location, "", message))

    def _refuse(self, event: yaml.NodeEvent, message: str) -> ManifestError:
        return ManifestError([*self.problems, Problem(self._place(event).location, "", message)])
