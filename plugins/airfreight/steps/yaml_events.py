"""A YAML text as what its parser meets, event by event.

libyaml parses: a sibling of the parser that Kargo has, and ten times as fast as PyYAML's own. Nothing is built from the
events, so no alias can make a text grow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from airfreight.artifacts.yaml_depth import DepthError, within_depth
from airfreight.errors import TerminalStepError


class Said(NamedTuple):
    """What an event says, wherever it stands."""

    kind: type[Any]
    value: str | None
    anchor: str | None
    tag: str | None
    style: str | bool | None


def said(event: Any) -> Said:
    """Return what PyYAML's `event` says; its quotes and its flow style count as said."""
    return Said(
        type(event),
        getattr(event, "value", None),
        getattr(event, "anchor", None),
        getattr(event, "tag", None),
        getattr(event, "style", None) or getattr(event, "flow_style", None),
    )


def events(text: str) -> Iterator[Any]:
    """Yield PyYAML's events of `text`, which has no byte order mark; their marks' `index` is the place in it.

    Raises TerminalStepError where the text is no YAML, nested beyond `MAX_DEPTH`, or has an alias without an anchor
    before it, which libyaml lets pass.
    """
    anchors = set[str]()
    try:
        event: Any
        for event in within_depth(yaml.parse(text, Loader=yaml.CSafeLoader)):
            kind = type(event)
            if kind is yaml.AliasEvent:
                _check_alias(event, anchors)
            elif kind is yaml.DocumentStartEvent:
                anchors.clear()
            if kind is not yaml.AliasEvent and getattr(event, "anchor", None) is not None:
                anchors.add(event.anchor)
            yield event
    except DepthError as error:
        raise TerminalStepError(str(error)) from None
    except yaml.YAMLError as error:
        raise TerminalStepError(f"not valid YAML: {_place(error)}") from error


def _check_alias(event: Any, anchors: set[str]) -> None:
    if event.anchor not in anchors:
        line = event.start_mark.line + 1
        raise TerminalStepError(
            f"not valid YAML: line {line}: found undefined alias {event.anchor!r}"
        )


def _place(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return str(error).splitlines()[0]
