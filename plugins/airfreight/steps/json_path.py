"""The key syntax of json-update: ``image.tag``, ``list.0.name``, ``list.-1``, ``a\\.b``, ``:0``, ``list.#(n==2).v``.

It is that of the library which Kargo has there, not the one of yaml-update: an empty part is a key, nothing is trimmed,
and wildcards find what is there.
"""

from __future__ import annotations

import json
import operator
import re
from dataclasses import dataclass
from typing import Any

from airfreight.errors import TerminalStepError

_SPECIAL = "|#@*?"
_OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_INDEX = re.compile(r"[0-9]+")
_QUERY = re.compile(
    r"#\((?P<path>[^=!<>%~]*?)\s*(?P<op>==|=|!=|<=|<|>=|>)\s*(?P<value>.*)\)(?P<all>#?)"
)


@dataclass(frozen=True)
class JsonPart:
    """One step down; `is_key` (written ``:0``) is never made an index of a new array."""

    text: str
    is_key: bool = False

    @property
    def index(self) -> int | None:
        """The place in an array that this part names."""
        return int(self.text) if not self.is_key and _INDEX.fullmatch(self.text) else None

    @property
    def appends(self) -> bool:
        """Whether this part is ``-1``, the place after an array's last element."""
        return self.text == "-1" and not self.is_key


def split_path(key: str) -> list[JsonPart]:
    """Split `key`, which `is_search` has passed; raises TerminalStepError for an empty one."""
    if not key:
        raise TerminalStepError("path cannot be empty")
    parts = re.findall(r"(?:^|\.)((?:\\.|\\$|[^.\\])*)", key, re.DOTALL)
    return [_part(part) for part in parts]


def _part(raw: str) -> JsonPart:
    body = raw.removeprefix(":")
    return JsonPart(re.sub(r"\\(.?)", r"\1", body, flags=re.DOTALL), is_key=body != raw)


def is_search(key: str) -> bool:
    """Say whether `key` has a wildcard, ``#`` or a query, and so finds values but makes none."""
    return re.search(rf"(?<!\\)(?:\\\\)*[{re.escape(_SPECIAL)}]", key) is not None


def split_search(key: str) -> list[str]:
    """Split a search at the dots and bars that are in no query; the parts keep their escapes."""
    return re.findall(r"(?:^|[.|])((?:#\([^)]*\)#?|\\.|[^.|\\])*)", key, re.DOTALL)


def pattern(part: str) -> re.Pattern[str]:
    """Return what matches the names that a part of a search means."""
    pieces = re.findall(r"\\(.)|(\*)|(\?)|(.)", part.removeprefix(":"), re.DOTALL)
    return re.compile(
        "".join(
            ".*" if star else "." if mark else re.escape(escaped or plain)
            for escaped, star, mark, plain in pieces
        ),
        re.DOTALL,
    )


@dataclass(frozen=True)
class JsonQuery:
    """A condition on the elements of an array; `every` says whether all that meet it are meant or the first."""

    path: list[JsonPart]
    operator: str
    value: Any
    every: bool

    def holds(self, element: Any) -> bool:
        """Say whether `element` meets the condition; values of two types never do."""
        for part in self.path:
            element = _at(element, part)
        if not _comparable(element, self.value):
            return False
        return bool(_OPERATORS[self.operator](element, self.value))


def read_query(part: str) -> JsonQuery | None:
    """Return the query that `part` of a search is, or None; raises TerminalStepError for one not understood."""
    if not part.startswith("#("):
        return None
    found = _QUERY.fullmatch(part)
    if found is None:
        raise TerminalStepError(f'{part}: expected a query such as #(name=="web")')
    raw = found["value"].strip()
    try:
        value = json.loads(raw)
    except ValueError:
        value = raw
    sign = "==" if found["op"] == "=" else found["op"]
    path = split_path(found["path"].strip()) if found["path"].strip() else []
    return JsonQuery(path, sign, value, bool(found["all"]))


def _at(value: Any, part: JsonPart) -> Any:
    if isinstance(value, dict):
        return value.get(part.text)
    if isinstance(value, list) and part.index is not None and part.index < len(value):
        return value[part.index]
    return None


def _comparable(one: Any, other: Any) -> bool:
    for kind in (bool, str):
        if isinstance(one, kind) or isinstance(other, kind):
            return isinstance(one, kind) and isinstance(other, kind)
    return isinstance(one, int | float) and isinstance(other, int | float)
