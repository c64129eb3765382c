"""Changes single values in a YAML text and nothing else: the engine of yaml-update.

A value's place comes from the parser's marks; only the text between them is replaced, so comments, anchors, line ends
and whatever else is on the line stay. The result is parsed again and compared with what was asked before it is given
out. Aliases are leaves: they are neither followed nor expanded.

Where Kargo, which writes the line anew up to its end, changes the value and nothing else, the bytes are Kargo's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

from airfreight.errors import TerminalStepError
from airfreight.steps.yaml_events import Said, events, said
from airfreight.steps.yaml_find import Place, Places, find_places
from airfreight.steps.yaml_scalar import Scalar, read_value, write_scalar

_BOM = "\ufeff"
_BLOCK_HEADER = re.compile(r"[|>][-+0-9]*([ \t]+#[^\r\n]*)?")
_ANCHOR = re.compile(r"&[^\s,\[\]{}]+(?:[ \t]*(?:#[^\r\n]*)?[\r\n]+)*[ \t]*")
_STR = "tag:yaml.org,2002:str"


class _Span(NamedTuple):
    start: int
    end: int


@dataclass(frozen=True)
class _Edit:
    place: Place
    value: Scalar

    @property
    def start(self) -> int:
        return int(self.place.event.start_mark.index)

    @property
    def end(self) -> int:
        return int(self.place.event.end_mark.index)


def set_values(text: str, updates: Sequence[tuple[str, Any]]) -> str:
    """Return `text` with the scalar at each key replaced by the value beside it; of two for one place the last wins.

    Keys are read by `split_key`, in the first document. An anchored value keeps its anchor, and with it what
    repeats it. Raises TerminalStepError where the text is no YAML, a key is not found, is twice there or holds no
    scalar, a value is no string, number or bool, or the change cannot be written without touching more.
    """
    mark = _BOM if text.startswith(_BOM) else ""
    body = text.removeprefix(_BOM)
    places = find_places(body, [key for key, _ in updates])
    by_start: dict[int, _Edit] = {}
    for place, (key, value) in zip(places.found, updates, strict=True):
        edit = _Edit(place, read_value(key, value))
        by_start[edit.start] = edit
    edits = [by_start[start] for start in sorted(by_start)]
    changed = _splice(body, edits)
    if edits:
        _check(body, changed, edits, places)
    return mark + changed


def _check(text: str, changed: str, edits: list[_Edit], places: Places) -> None:
    """Refuse a change that touches more than was asked; what is around its top-level entries cannot be touched."""
    start, end = places.around(edits[0].start, edits[-1].start, text)
    before, after = text[start:end], changed[start : end + len(changed) - len(text)]
    if not _is_all(before, after, edits, start) and not _is_all(text, changed, edits, 0):
        raise TerminalStepError(
            "the change cannot be written at its place without changing more: "
            "give the values their own lines"
        )


def _is_all(before: str, after: str, edits: list[_Edit], offset: int) -> bool:
    """Say whether `after` says what `before` says, but for the edits; `offset` is the place of `before`."""
    asked = {(edit.start - offset, edit.end - offset): edit.value for edit in edits}
    try:
        expected = [(said(event), _asked(event, asked)) for event in events(before)]
        got = [said(event) for event in events(after)]
    except TerminalStepError:
        return False
    return len(got) == len(expected) and all(
        new == old if value is None else _is_value(new, old, value)
        for new, (old, value) in zip(got, expected, strict=True)
    )


def _asked(event: Any, asked: dict[tuple[int, int], Scalar]) -> Scalar | None:
    if not isinstance(event, yaml.ScalarEvent):
        return None
    mark: Any = event
    return asked.get((mark.start_mark.index, mark.end_mark.index))


def _is_value(new: Said, old: Said, value: Scalar) -> bool:
    same = (new.kind, new.anchor, new.value) == (old.kind, old.anchor, value.text)
    return same and _resolved(new) == value.tag


def _resolved(scalar: Said) -> str:
    """Return the tag that the scalar has for PyYAML."""
    if scalar.tag is not None:
        return scalar.tag
    if scalar.style:
        return _STR
    resolver: Any = yaml.SafeLoader("")
    return str(resolver.resolve(yaml.ScalarNode, scalar.value, (True, False)))


def _splice(text: str, edits: list[_Edit]) -> str:
    pieces, done = [], 0
    for edit in edits:
        span, replacement = _replacement(text, edit)
        pieces += [text[done : span.start], replacement]
        done = span.end
    return "".join([*pieces, text[done:]])


def _replacement(text: str, edit: _Edit) -> tuple[_Span, str]:
    """Return what goes where; an explicit tag goes with the old value, which it described."""
    event, start, end = edit.place.event, edit.start, edit.end
    kept = ""
    if event.anchor is not None and event.tag is None:
        anchor = _ANCHOR.match(text, start)
        start = min(anchor.end(), end) if anchor else start
    elif event.anchor is not None:
        kept = f"&{event.anchor} "
    if start < end and text[end - 1] in "\r\n":
        end = start + len(text[start:end].rstrip())
    written = kept + _written(text, edit, _Span(start, end))
    if start == end:
        return _insertion(text, start, written)
    return _Span(start, end), written + _header_comment(text, edit, start)


def _written(text: str, edit: _Edit, span: _Span) -> str:
    """Return the value's text; where Kargo writes just this line's end, with the space that Kargo puts before."""
    line = text.rfind("\n", 0, span.start) + 1
    stop = text.find("\n", span.start)
    alone = span.end == (stop if stop >= 0 else len(text))
    old, in_flow = said(edit.place.event), edit.place.in_flow
    was_quoted = old.style == '"' or (not old.style and _resolved(old) != _STR)
    written = write_scalar(
        edit.value, in_flow=in_flow, perhaps_json=in_flow and was_quoted and not alone
    )
    needs_space = alone and span.start < span.end and not text[line : span.start].endswith(" ")
    return f" {written}" if needs_space else written


def _header_comment(text: str, edit: _Edit, start: int) -> str:
    """Return the comment behind the ``|`` or ``>``, which moves behind the new value."""
    if edit.place.event.style not in ("|", ">"):
        return ""
    header = _BLOCK_HEADER.search(text, start, edit.end)
    return (header and header[1]) or ""


def _insertion(text: str, place: int, written: str) -> tuple[_Span, str]:
    """Put a value where there is none; it needs white space on both sides."""
    if text[place - 1 : place] in (" ", "\t"):
        return _Span(place, place), written
    if text[place : place + 1] == " " and text[place + 1 : place + 2] in ("", " ", "\n", "\r"):
        return _Span(place + 1, place + 1), written
    return _Span(place, place), f" {written}"
