"""The rows of Kargo's own engines, and the rule that says of each whether it is to be kept or to be mended.

A row is **kept** where Kargo changes exactly the asked values: every byte around them is as before, and before and
after, read by a parser, differ in these values alone. There our result is the same bytes. All other rows are to be
**mended**: ours changes exactly the asked values, or fails.
"""

from __future__ import annotations

import base64
import json
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from airfreight.errors import TerminalStepError
from airfreight.steps import json_path, key_path, toml_text

FOLDER = Path(__file__).parents[1] / "conformance"

Updates = Sequence[tuple[str, Any]]
Exactly = Callable[[str, Updates, str], bool]
"""Whether the last text is the first with exactly these updates made."""


@dataclass(frozen=True)
class Row:
    text: str
    updates: tuple[tuple[str, Any], ...]
    output: bytes | None
    refused: bool

    def kargo(self) -> str | None:
        """Return Kargo's result, or None where it fails, panics or cuts a character in two."""
        try:
            return None if self.output is None else self.output.decode()
        except UnicodeDecodeError:
            return None


def rows(name: str) -> list[Row]:
    cases = json.loads((FOLDER / f"{name}.json").read_text())["cases"]
    return [_row(case) for case in cases]


def _row(case: dict[str, Any]) -> Row:
    output = base64.b64decode(case["output_base64"]) if "output_base64" in case else None
    if "output" in case:
        output = case["output"].encode()
    updates = tuple((update["key"], update["value"]) for update in case["updates"])
    return Row(case["input"], updates, output, refused=bool(case.get("error")))


def check(row: Row, set_values: Callable[[str, Updates], str], exactly: Exactly) -> str:
    """Assert the rule; return what the row turned out to be: refused, kept or mended."""
    try:
        ours: str | None = set_values(row.text, row.updates)
    except TerminalStepError:
        ours = None
    if row.refused:
        assert ours is None
        return "refused"
    kargo = row.kargo()
    if kargo is not None and exactly(row.text, row.updates, kargo):
        assert ours == kargo
        return "kept"
    assert ours is None or exactly(row.text, row.updates, ours)
    return "mended"


def around(text: str, spans: Sequence[tuple[int, int]], changed: str) -> list[str] | None:
    """Return what stands in `changed` at the places of `spans`, or None where anything around them differs."""
    pieces, done = [], 0
    for start, end in sorted(set(spans)):
        pieces.append(re.escape(text[done:start]))
        done = end
    found = re.fullmatch("(.*)".join([*pieces, re.escape(text[done:])]), changed, re.DOTALL)
    return list(found.groups()) if found else None


def same(one: Any, other: Any) -> bool:
    """Say whether two values are one and of one type; a whole float is an integer, as JSON has no other."""
    if isinstance(one, float) and one.is_integer() and type(other) is int:
        return one == float(other)
    return type(one) is type(other) and bool(one == other)


# --- YAML --------------------------------------------------------------------------------------


def yaml_exactly(text: str, updates: Updates, changed: str) -> bool:
    try:
        before, after = _yaml_events(text), _yaml_events(changed)
        asked = {_yaml_scalar(before, key): value for key, value in updates}
    except (yaml.YAMLError, TerminalStepError, LookupError, ValueError):
        return False
    spans = sorted((_value_span(text, before[index]), index) for index in asked)
    new = around(text, [span for span, _ in spans], changed)
    if new is None or len(before) != len(after):
        return False
    if not all(
        _has_room(text[slice(*span)], raw) for (span, _), raw in zip(spans, new, strict=True)
    ):
        return False
    return all(
        _yaml_is(new, asked[index]) and new.anchor == old.anchor
        if index in asked
        else _said(new) == _said(old)
        for index, (old, new) in enumerate(zip(before, after, strict=True))
    )


def _has_room(old: str, new: str) -> bool:
    """Say whether no line end has come behind the value, and no space around an empty one has gone."""
    empty = not old.strip()
    return new == new.rstrip("\r\n") and (not empty or len(new) - len(new.strip()) >= len(old))


def _yaml_events(text: str) -> list[Any]:
    return list(yaml.parse(text.removeprefix("\ufeff"), Loader=yaml.CSafeLoader))


def _said(event: Any) -> list[Any]:
    names = ("value", "anchor", "tag", "implicit", "style", "flow_style")
    return [type(event), *(getattr(event, name, None) for name in names)]


def _yaml_scalar(events: list[Any], key: str) -> int:
    """Return the index of the only scalar at `key`; LookupError where there is none or several."""
    index = 2
    for part in key_path.split_key(key):
        inside, kind = _children(events, index), type(events[index])
        if kind is yaml.SequenceStartEvent:
            index = inside[range(len(inside))[int(part.text)] if int(part.text) >= 0 else 10**9]
        elif kind is yaml.MappingStartEvent:
            pairs = zip(inside[::2], inside[1::2], strict=True)
            (index,) = [v for k, v in pairs if getattr(events[k], "value", None) == part.text]
        else:
            raise LookupError(key)
    if type(events[index]) is not yaml.ScalarEvent:
        raise LookupError(key)
    return index


def _children(events: list[Any], parent: int) -> list[int]:
    found, depth = [], 0
    for index in range(parent + 1, len(events)):
        kind = type(events[index])
        if kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
            depth -= 1
            if depth < 0:
                break
            continue
        if depth == 0:
            found.append(index)
        depth += kind in (yaml.MappingStartEvent, yaml.SequenceStartEvent)
    return found


def _value_span(text: str, event: Any) -> tuple[int, int]:
    """Return where the value is, with its tag and anchor; the space behind it is an empty one's alone."""
    offset = 1 if text.startswith("\ufeff") else 0
    start, end = event.start_mark.index + offset, event.end_mark.index + offset
    if start == end:
        return start, start + len(text[start:]) - len(text[start:].lstrip(" \t"))
    return start, start + len(text[start:end].rstrip())


def _yaml_is(event: Any, value: Any) -> bool:
    """Say whether the scalar reads as `value` to PyYAML; where it is plain, a string is one to YAML 1.2, too."""
    if type(event) is not yaml.ScalarEvent:
        return False
    loader: Any = yaml.SafeLoader("")
    tag = event.tag or loader.resolve(yaml.ScalarNode, event.value, event.implicit)
    try:
        read = loader.construct_object(yaml.ScalarNode(tag, event.value))
    except (yaml.YAMLError, ValueError):
        return False
    number = re.fullmatch(r"[-+]?0[oObBxX][0-9a-fA-F_]+", event.value)
    if isinstance(value, str) and not event.style and number:
        return False
    return same(value, read)


# --- JSON --------------------------------------------------------------------------------------


class Members(list[Any]):
    """An object as it stands: its pairs, a key that is there twice included."""


def json_exactly(text: str, updates: Updates, changed: str) -> bool:
    """Nothing of the text may go but the values that are replaced; what is made may stand anywhere."""
    try:
        data = _json(text) if text.strip() else None
        for key, value in updates:
            data = json_set(data, key, value)
        return _json_same(data, _json(changed)) and _json_bytes(text, updates, changed)
    except (ValueError, LookupError):
        return False


def _json(text: str) -> Any:
    return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=Members)


_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s,:\[\]{}"]+|\s+|[,:\[\]{}]')


def _json_bytes(text: str, updates: Updates, changed: str) -> bool:
    """Say whether all that is no value of an update is still there, in its order."""
    place = 0
    for piece in _unasked(text, updates):
        for token in _JSON_TOKEN.findall(piece):
            place = changed.find(token, place) + len(token)
            if place < len(token):
                return False
    lead, tail = re.match(r"[\ufeff\s]*", text), re.search(r"\s*\Z", text)
    assert lead is not None
    assert tail is not None
    return changed.startswith(lead[0]) and changed.endswith(tail[0])


def _unasked(text: str, updates: Updates) -> list[str]:
    """Return what stands around the values that the updates replace."""
    spans = {span for key, _ in updates if (span := _json_span(text, key)) is not None}
    edges = [0, *(edge for span in sorted(spans) for edge in span), len(text)]
    return [text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _json_span(text: str, key: str) -> tuple[int, int] | None:
    """Return the place of the value that setting `key` replaces, by PyYAML, which reads JSON with places."""
    if json_path.is_search(key) or not text.strip():
        return (0, len(text))
    offset = 1 if text.startswith("\ufeff") else 0
    try:
        node = yaml.compose(text.removeprefix("\ufeff").replace("\t", " "), Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return (0, len(text))
    for part in json_path.split_path(key):
        if isinstance(node, yaml.MappingNode):
            node = next((v for k, v in node.value if k.value == part.text), None)
        elif isinstance(node, yaml.SequenceNode):
            known = part.text.isdecimal() and int(part.text) < len(node.value)
            node = node.value[int(part.text)] if known else None
        if node is None:
            return None
        if isinstance(node, yaml.ScalarNode):
            break
    assert node is not None
    return node.start_mark.index + offset, node.end_mark.index + offset


def json_set(data: Any, key: str, value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise LookupError(key)
    if json_path.is_search(key):
        found = _json_search(data, json_path.split_search(key), value)
        if found == 0:
            raise LookupError(key)
        return data
    return _json_put(data, [(part.text, part.is_key) for part in json_path.split_path(key)], value)


def _json_put(data: Any, parts: list[tuple[str, bool]], value: Any) -> Any:
    if not parts:
        return value
    (text, is_key), *left = parts
    if not isinstance(data, list):
        data = [] if text.isdecimal() and not is_key else Members()
    if isinstance(data, Members):
        places = [i for i, (name, _) in enumerate(data) if name == text]
        if len(places) > 1:
            raise LookupError(text)
        if not places:
            return Members([*data, (text, _json_new(left, value))])
        (place,) = places
        return Members(
            [*data[:place], (text, _json_put(data[place][1], left, value)), *data[place + 1 :]]
        )
    index = len(data) if text == "-1" else int(text)
    filled = [*data, *[None] * (index - len(data))]
    new = _json_put(filled[index], left, value) if index < len(filled) else _json_new(left, value)
    return [*filled[:index], new, *filled[index + 1 :]]


def _json_new(parts: list[tuple[str, bool]], value: Any) -> Any:
    """Return what is made for the rest of a key; there ``-1`` begins an array."""
    if not parts:
        return value
    (text, is_key), *left = parts
    if text == "-1" and not is_key:
        return [_json_new(left, value)]
    return _json_put(None, parts, value)


def _json_search(data: Any, parts: list[str], value: Any) -> int:
    """Set what the search finds; return how many there are."""
    part, *left = parts
    if isinstance(data, Members):
        pattern = json_path.pattern(part)
        hits = [i for i, (name, _) in enumerate(data) if pattern.fullmatch(name)][:1]
    elif isinstance(data, list):
        hits = _json_hits(data, part, left)
    else:
        return 0
    count = 0
    for hit in hits:
        member = isinstance(data, Members)
        if left:
            count += _json_search(data[hit][1] if member else data[hit], left, value)
        else:
            data[hit] = (data[hit][0], value) if member else value
            count += 1
    return count


def _json_hits(data: list[Any], part: str, left: list[str]) -> list[int]:
    if part == "#":
        return list(range(len(data))) if left else []
    query = json_path.read_query(part)
    if query is None:
        return [int(part)] if part.isdecimal() and int(part) < len(data) else []
    hits = [i for i, item in enumerate(data) if query.holds(_plain(item))]
    return hits if query.every else hits[:1]


def _plain(data: Any) -> Any:
    if isinstance(data, Members):
        return {name: _plain(value) for name, value in data}
    return [_plain(item) for item in data] if isinstance(data, list) else data


def _json_same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and type(one) is type(other) and len(one) == len(other):
        return all(_json_same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return one[0] == other[0] and _json_same(one[1], other[1])
    return same(one, other)


# --- TOML --------------------------------------------------------------------------------------


def toml_exactly(text: str, updates: Updates, changed: str) -> bool:
    """A number keeps to its kind: a whole one is a float only where a float stood, or one was asked for."""
    try:
        tomllib.loads(text)
        tomllib.loads(changed)
        spans = {_toml_span(text, key): value for key, value in updates}
    except (tomllib.TOMLDecodeError, TerminalStepError, LookupError, ValueError):
        return False
    new = around(text, list(spans), changed)
    return new is not None and all(
        _toml_is(
            tomllib.loads(f"v = {raw}")["v"], value, tomllib.loads(f"v = {text[slice(*span)]}")["v"]
        )
        for raw, (span, value) in zip(new, sorted(spans.items()), strict=True)
    )


def _toml_span(text: str, key: str) -> tuple[int, int]:
    path = tuple(part.text for part in key_path.split_key(key))
    (found,) = [v for v in toml_text.values(text) if v.path == path and v.is_scalar]
    return found.start, found.end


def _toml_is(read: Any, value: Any, old: Any) -> bool:
    if isinstance(read, float) and isinstance(value, int | float) and not isinstance(value, bool):
        return read == value and (isinstance(value, float) or isinstance(old, float))
    return type(read) is type(value) and bool(read == value)
