"""The index of a classic chart repository, read event by event.

An index may have 50 MB; as objects it would take forty times that. Of each entry only the version and its date are
kept. Aliases are not followed, so that a small file cannot stand for a huge one.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import yaml
from yaml.events import (
    CollectionEndEvent,
    CollectionStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from airfreight.artifacts.yaml_depth import DepthError, within_depth
from airfreight.errors import ArtifactError

# Charts with all their metadata have ten; libyaml's time grows with the square of the depth.
_MAX_DEPTH = 100

ChartVersions = dict[str, str]
"""The versions of one chart, as they are written, each with the text of its `created`; empty where there is none."""


class _Pieces:
    """Bytes that come in pieces as the stream that the parser reads."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._piece = io.BytesIO()

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; nothing at the end."""
        while not (found := self._piece.read(size)):
            following = next(self._pieces, None)
            if following is None:
                return b""
            self._piece = io.BytesIO(following)
        return found


def read_index(pieces: Iterable[bytes], where: str) -> Iterator[tuple[str, ChartVersions]]:
    """Yield each chart with its versions; raises ArtifactError where the text is no index.

    Takes some microseconds for each word, so that large ones belong in a thread.
    """
    parsed = yaml.parse(_Pieces(pieces), Loader=yaml.CSafeLoader)
    events: Iterator[Event] = within_depth(parsed, _MAX_DEPTH)
    try:
        yield from _read_document(events, where)
    except DepthError as error:
        raise ArtifactError(f"{where} is no index of charts: {error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        place = getattr(error, "problem_mark", None)
        line = f" at line {place.line + 1}" if place else ""
        raise ArtifactError(f"{where} is no index of charts: broken YAML{line}") from None


def _read_document(events: Iterator[Event], where: str) -> Iterator[tuple[str, ChartVersions]]:
    found = False
    root = next((event for event in events if _is_content(event)), None)
    if not isinstance(root, MappingStartEvent):
        is_html = isinstance(root, ScalarEvent) and root.value.lstrip().startswith("<")
        sent = "HTML" if is_html else "something else"
        raise ArtifactError(
            f"{where} is no index of charts but {sent}; expected repoURL to be the URL of a chart repository"
        )
    for key in _keys(events):
        value = next(events)
        if key == "entries" and isinstance(value, MappingStartEvent):
            found = True
            for name in _keys(events):
                yield name, _read_versions(events, next(events))
        else:
            found = found or key == "entries"
            _skip(events, value)
    if not found:
        raise ArtifactError(f"{where} is no index of charts: it has no entries")


def _is_content(event: Event) -> bool:
    return isinstance(event, ScalarEvent | CollectionStartEvent)


def _keys(events: Iterator[Event]) -> Iterator[str]:
    """Yield the keys of the mapping that has begun; who asks for the next has read the value."""
    for event in events:
        if isinstance(event, MappingEndEvent):
            return
        if isinstance(event, ScalarEvent):
            yield event.value
        else:
            _skip(events, event)
            yield ""


def _read_versions(events: Iterator[Event], first: Event) -> ChartVersions:
    versions: ChartVersions = {}
    if not isinstance(first, SequenceStartEvent):
        _skip(events, first)
        return versions
    for event in events:
        if isinstance(event, SequenceEndEvent):
            break
        if isinstance(event, MappingStartEvent):
            entry = _read_entry(events)
            if entry["version"]:
                versions.setdefault(entry["version"], entry["created"])
        else:
            _skip(events, event)
    return versions


def _read_entry(events: Iterator[Event]) -> dict[str, str]:
    entry = {"version": "", "created": ""}
    for key in _keys(events):
        value = next(events)
        if key in entry and isinstance(value, ScalarEvent):
            entry[key] = value.value
        else:
            _skip(events, value)
    return entry


def _skip(events: Iterator[Event], first: Event) -> None:
    """Read over the value that begins with `first`."""
    level = int(isinstance(first, CollectionStartEvent))
    while level:
        event = next(events)
        if isinstance(event, CollectionStartEvent):
            level += 1
        elif isinstance(event, CollectionEndEvent):
            level -= 1
