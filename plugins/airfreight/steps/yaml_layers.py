"""Lays YAML texts over each other: the engine of yaml-merge.

Maps are merged key by key, lists and scalars replaced, and null removes its key (`kargo.md` §2.5). The first text's
comments, order, quotes and indentation stay. The result is read again and compared with the same merge of plain data.
"""

from __future__ import annotations

import copy
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.anchor import Anchor
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.representer import RoundTripRepresenter

from airfreight.errors import TerminalStepError
from airfreight.steps.yaml_data import load_yaml
from airfreight.steps.yaml_edit import set_values

_NESTED_LIST = re.compile(
    r"^( *)[^\s#-][^\n]*:[ \t]*(?:#[^\n]*)?\n(?:[ \t]*(?:#[^\n]*)?\n)*( *)- ", re.M
)
_NESTED_MAP = re.compile(r"^( *)[^\s#-][^\n]*:[ \t]*(?:#[^\n]*)?\n\1( +)[^\s#-][^\n]*:", re.M)


class _Representer(RoundTripRepresenter):
    """Writes null as a word, which survives at the end of a flow, too."""


def _represent_none(representer: _Representer, _: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(type(None), _represent_none)


def merge_layers(layers: Sequence[tuple[str, str]]) -> str:
    """Return the text of all `layers`, which are pairs of a name and a text, each over those before it.

    Texts without a document are left out; where one is left it comes back as it is. Raises TerminalStepError, with the
    name, for a text that is no YAML, and where the result cannot be written so that it reads back.
    """
    read = [(name, text, _data(name, text)) for name, text in layers]
    used = [(name, text, data) for name, text, data in read if data is not None]
    if len(used) < 2:
        return "".join(text for _, text, _ in used)
    (_, merged, data), *over = used
    for name, text, layer in over:
        spliced = _spliced(merged, data, layer)
        data = merged_data(data, layer)
        merged = spliced if spliced and load_yaml(spliced) == data else _rewritten(merged, text)
        if load_yaml(merged) != data:
            raise TerminalStepError(
                f"{name}: the merged YAML cannot be written: "
                "give the anchors of each file names of their own"
            )
    return merged


def _spliced(text: str, data: Any, over: Any) -> str | None:
    """Return the merged text where only scalars change, with all else byte for byte; else None."""
    try:
        updates = list(_updates(data, over, ()))
        return set_values(text, updates)
    except (TerminalStepError, LookupError):
        return None


def _updates(data: Any, over: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yield the scalars of `over` that differ; LookupError where it is not about scalars alone."""
    if isinstance(over, dict) and isinstance(data, dict):
        for name, value in over.items():
            yield from _updates(data[name], value, (*path, name))
    elif over is None or isinstance(over, dict | list) or isinstance(data, dict | list):
        raise LookupError
    elif over != data or type(over) is not type(data):
        yield ".".join(re.sub(r"([.:])", r"\\\1", name) for name in path), over


def _rewritten(under: str, over: str) -> str:
    """Return the merged text as a writer of YAML has it, which keeps comments but sets some of the space anew."""
    yaml = _round_trip(under)
    document = _document(yaml, under)
    merged = _merged(document, _document(yaml, over), _shared(document))
    return _written(yaml, merged, under)


def merged_data(under: Any, over: Any) -> Any:
    """Return plain data laid over plain data."""
    if not isinstance(over, dict):
        return over
    result = dict(under) if isinstance(under, dict) else {}
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged_data(result.get(key), value)
    return result


def _data(name: str, text: str) -> Any:
    try:
        return load_yaml(text)
    except TerminalStepError as error:
        raise TerminalStepError(f"{name}: {error}") from error


def _round_trip(base: str) -> YAML:
    """Return a reader and writer that indents as `base` does."""
    yaml = YAML(typ="rt", pure=True)
    yaml.Representer = _Representer
    yaml.preserve_quotes = True
    yaml.allow_duplicate_keys = True
    yaml.width = 2**31
    yaml.explicit_start = base.startswith("---")
    nested = _NESTED_LIST.search(base)
    offset = len(nested[2]) - len(nested[1]) if nested else 0
    inner = _NESTED_MAP.search(base)
    yaml.indent(mapping=len(inner[2]) if inner else 2, sequence=offset + 2, offset=offset)
    return yaml


def _document(yaml: YAML, text: str) -> Any:
    try:
        return next(iter(yaml.load_all(text.removeprefix("\ufeff").replace("\r\n", "\n"))))
    except (YAMLError, ValueError, RecursionError) as error:
        raise TerminalStepError(f"not valid YAML: {str(error).splitlines()[0]}") from error


def _written(yaml: YAML, document: Any, base: str) -> str:
    stream = io.StringIO()
    yaml.dump(document, stream)
    text = stream.getvalue()
    return text.replace("\n", "\r\n") if "\r\n" in base else text


def _shared(document: Any) -> frozenset[int]:
    """Return the ids of the maps that stand at more than one place."""
    counts = Counter[int]()
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, CommentedMap | CommentedSeq):
            counts[id(node)] += 1
            if counts[id(node)] == 1:
                waiting += node.values() if isinstance(node, CommentedMap) else node
    return frozenset(node for node, count in counts.items() if count > 1)


def _merged(under: Any, over: Any, shared: frozenset[int]) -> Any:
    """Return `over` laid over `under`, which changes; a map that stands elsewhere as well is copied first."""
    if not isinstance(over, CommentedMap):
        return over
    result = under if isinstance(under, CommentedMap) else CommentedMap()
    if not isinstance(under, CommentedMap) and not any(_has_null(v) for v in over.values()):
        return over
    if id(under) in shared:
        result = copy.deepcopy(under)
        setattr(result, Anchor.attrib, Anchor())
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value, shared)
    return result


def _has_null(value: Any) -> bool:
    """Say whether a map within `value` has a null to leave out."""
    if not isinstance(value, CommentedMap):
        return value is None
    return any(_has_null(item) for item in value.values())
