"""How deep a stranger's YAML may be nested: libyaml composes by recursion until the stack ends, and the process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

# libyaml's time grows with the square of the depth.
MAX_DEPTH = 1000

_OPENERS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_CLOSERS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


class DepthError(yaml.YAMLError):
    """The YAML is nested too deeply."""


def within_depth(events: Iterable[Any], most: int = MAX_DEPTH) -> Iterator[Any]:
    """Yield PyYAML's events; raises DepthError where they lead deeper than `most` levels."""
    depth = 0
    for event in events:
        kind = type(event)
        if kind in _OPENERS:
            depth += 1
            if depth > most:
                raise DepthError(f"the YAML is nested too deeply: more than {most} levels")
        elif kind in _CLOSERS:
            depth -= 1
        yield event


def compose(text: str) -> yaml.Node | None:
    """Return the node that `text` is, None for an empty one; raises yaml.YAMLError, DepthError among them."""
    for _ in within_depth(yaml.parse(text, Loader=yaml.CSafeLoader)):
        pass
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.CSafeLoader)
    return node
