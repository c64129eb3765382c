"""Changes single values in a YAML text and nothing else: the engine of yaml-update.

A value's place comes from the parser's marks; only the text between them is replaced, so comments, anchors, line ends
and whatever else is on the line stay. The result is parsed again and compared with what was asked before it is given
out. Aliases are leaves: they are neither followed nor expanded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

from airfreight.errors import TerminalStepError
from airfreight.steps.key_path import KeyPart, split_key
from airfreight.steps.yaml_scalar import Scalar, read_value, write_scalar

_BLOCK_HEADER = re.compile(r"[|>][-+0-9]*([ \t]+#[^\r\n]*)?")


class _AliasNode(yaml.Node):
    """An alias where it stands, in place of the node that it repeats."""

    id = "alias"


class _Loader(yaml.SafeLoader):
    """Composes nodes and leaves aliases alone, so that no text can grow beyond its size."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if not self.check_event(yaml.AliasEvent):
            return super().compose_node(parent, index)
        event: Any = self.get_event()  # type: ignore[no-untyped-call]
        if event.anchor not in self.anchors:
            raise yaml.composer.ComposerError(
                None, None, f"found undefined alias {event.anchor!r}", event.start_mark
            )
        return _AliasNode("alias", event.anchor, event.start_mark, event.end_mark)


class _Shape(NamedTuple):
    """What a node says, for comparison: tag, then the text or the children."""

    tag: str
    content: Any


class _Span(NamedTuple):
    start: int
    end: int


@dataclass(frozen=True)
class _Edit:
    node: yaml.ScalarNode
    value: Scalar
    in_flow: bool


def set_values(text: str, updates: Sequence[tuple[str, Any]]) -> str:
    """Return `text` with the scalar at each key replaced by the value beside it; of two for one place the last wins.

    Keys are read by `split_key`, in the first document. An anchored value keeps its anchor, and with it what
    repeats it. Raises TerminalStepError where the text is no YAML, a key is not found, is twice there or holds no
    scalar, a value is no string, number or bool, or the change cannot be written without touching more.
    """
    try:
        return _set_values(text, updates)
    except yaml.YAMLError as error:
        raise TerminalStepError(f"not valid YAML: {_place(error)}") from error
    except RecursionError as error:
        raise TerminalStepError("the YAML is nested too deeply") from error


def _set_values(text: str, updates: Sequence[tuple[str, Any]]) -> str:
    documents = _compose(text)
    edits: dict[int, _Edit] = {}
    for key, value in updates:
        edit = _find(documents[0] if documents else None, key, value)
        edits[id(edit.node)] = edit
    changed = _splice(text, list(edits.values()))
    expected = [_shape(document, edits) for document in documents]
    if [_shape(document, {}) for document in _recompose(changed)] != expected:
        raise TerminalStepError(
            "the change cannot be written at its place without changing more: "
            "give the values their own lines"
        )
    return changed


def _place(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return str(error).splitlines()[0]


def _compose(text: str) -> list[yaml.Node]:
    return list(yaml.compose_all(text, Loader=_Loader))


def _recompose(text: str) -> list[yaml.Node]:
    """Compose our own result; a text that we broke is none that we wanted."""
    try:
        return _compose(text)
    except yaml.YAMLError:
        return []


def _shape(node: yaml.Node, edits: dict[int, _Edit]) -> _Shape:
    edit = edits.get(id(node))
    if edit is not None:
        return _Shape(edit.value.tag, edit.value.text)
    if isinstance(node, yaml.MappingNode):
        pairs = [(_shape(key, edits), _shape(value, edits)) for key, value in node.value]
        return _Shape(node.tag, pairs)
    if isinstance(node, yaml.SequenceNode):
        return _Shape(node.tag, [_shape(item, edits) for item in node.value])
    return _Shape(node.tag, node.value)


def _find(root: yaml.Node | None, key: str, value: Any) -> _Edit:
    node, in_flow = root, False
    for part in split_key(key):
        in_flow = isinstance(node, yaml.CollectionNode) and bool(node.flow_style)
        node = _child(node, part, key)
    if not isinstance(node, yaml.ScalarNode):
        raise TerminalStepError(f"error finding key {key}: key path does not address a scalar node")
    return _Edit(node, read_value(key, value), in_flow)


def _child(node: yaml.Node | None, part: KeyPart, key: str) -> yaml.Node:
    if isinstance(node, yaml.SequenceNode) and not part.is_key:
        return _element(node, part, key)
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    found = [v for k, v in pairs if isinstance(k, yaml.ScalarNode) and k.value == part.text]
    if not found:
        raise TerminalStepError(f"error finding key {key}: key path not found")
    if len(found) > 1:
        raise TerminalStepError(
            f"error finding key {key}: {part.text!r} is {len(found)} times in one map; keep one"
        )
    child: yaml.Node = found[0]
    return child


def _element(node: yaml.SequenceNode, part: KeyPart, key: str) -> yaml.Node:
    index = part.index
    if index is None:
        raise TerminalStepError(
            f"error finding key {key}: {part.text!r} is no index, and the value there is a list"
        )
    if not 0 <= index < len(node.value):
        raise TerminalStepError(
            f"error finding key {key}: index {index} is out of range, "
            f"the list has {len(node.value)} elements"
        )
    element: yaml.Node = node.value[index]
    return element


def _splice(text: str, edits: list[_Edit]) -> str:
    """Replace the values from the last to the first, so that the marks before them stay true."""
    tokens = list(yaml.scan(text, Loader=yaml.SafeLoader)) if edits else []
    for edit in sorted(edits, key=lambda edit: edit.node.start_mark.index, reverse=True):
        span, replacement = _replacement(text, tokens, edit)
        text = text[: span.start] + replacement + text[span.end :]
    return text


def _replacement(text: str, tokens: list[yaml.Token], edit: _Edit) -> tuple[_Span, str]:
    """Return what goes where; an explicit tag goes with the old value, which it described."""
    node, written = edit.node, write_scalar(edit.value, edit.node, in_flow=edit.in_flow)
    start, end = node.start_mark.index, node.end_mark.index
    if start == end:
        return _insertion(text, start, written)
    if text[end - 1] in "\r\n":
        end = start + len(text[start:end].rstrip())
    last = node.end_mark.index
    parts = [t for t in tokens if start <= t.start_mark.index and t.end_mark.index <= last]
    kept = [
        text[token.start_mark.index : token.end_mark.index]
        for token in parts
        if isinstance(token, yaml.AnchorToken)
    ]
    scalar = next((t for t in parts if isinstance(t, yaml.ScalarToken)), None)
    if scalar is not None and not any(isinstance(t, yaml.TagToken) for t in parts):
        start, kept = scalar.start_mark.index, []
    comment = _header_comment(text, scalar) if node.style in ("|", ">") else ""
    return _Span(start, end), " ".join([*kept, written]) + comment


def _header_comment(text: str, scalar: yaml.Token | None) -> str:
    """Return the comment behind the ``|`` or ``>``, which moves behind the new value."""
    header = _BLOCK_HEADER.match(text, scalar.start_mark.index) if scalar else None
    return (header and header[1]) or ""


def _insertion(text: str, place: int, written: str) -> tuple[_Span, str]:
    """Put a value where there is none; it needs white space on both sides."""
    if text[place : place + 1] == " " and text[place + 1 : place + 2] in ("", " ", "\n", "\r"):
        return _Span(place + 1, place + 1), written
    return _Span(place, place), f" {written}"
