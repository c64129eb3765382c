"""Plain scalars as Kubernetes reads them: YAML 1.1 by the rules of go-yaml v2, behind sigs.k8s.io/yaml.

Where it differs from PyYAML: ``22:22`` and ``2024-01-31`` are strings, ``1e10`` and ``0o17`` are numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Final

Scalar = str | int | float | bool | None

_WORDS: Final[Mapping[str, bool | None]] = {
    spelling: value
    for value, words in (
        (True, ("true", "yes", "on")),
        (False, ("false", "no", "off")),
        (None, ("null",)),
    )
    for word in words
    for spelling in (word, word.capitalize(), word.upper())
} | {"": None, "~": None}

_INTEGER = re.compile(r"([-+]?)(?:0b([01]+)|0o?([0-7]+)|0x([0-9a-fA-F]+)|(0|[1-9][0-9]*))")
_BASES: Final = (2, 8, 16, 10)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_IN_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_TAG_PREFIX = "tag:yaml.org,2002:"
_TAGGED: Final[dict[str, Callable[[Scalar], bool]]] = {
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def read_plain(text: str) -> Scalar:
    """Return what an unquoted scalar means; raises ValueError for infinity and NaN, which JSON has not."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _NOT_IN_JSON.fullmatch(text):
        raise ValueError(f"{text} is no number that Kubernetes can hold")
    number = _read_number(text.replace("_", ""))
    return text if number is None else number


def _read_number(digits: str) -> int | float | None:
    integer = _INTEGER.fullmatch(digits) if len(digits) <= 66 else None
    if integer is not None:
        sign, *spellings = integer.groups()
        base, spelling = next((b, s) for b, s in zip(_BASES, spellings, strict=True) if s)
        value = int(sign + spelling, base)
        return value if -(2**63) <= value < 2**64 else float(value)
    if _FLOAT.fullmatch(digits) and not math.isinf(float(digits)):
        return float(digits)
    return None


def read_tagged(tag: str, text: str) -> Scalar:
    """Return what a scalar with an explicit tag means; raises ValueError where the tag is refused or does not fit."""
    kind = tag.removeprefix(_TAG_PREFIX)
    if tag == "!" or kind == "str":
        return text
    fits = _TAGGED.get(kind) if tag.startswith(_TAG_PREFIX) else None
    if fits is None:
        raise ValueError(f"tag {tag} is not allowed; a manifest is plain data")
    value = read_plain(text)
    if not fits(value):
        raise ValueError(f"the value does not fit its tag !!{kind}")
    return value


def key_text(value: Scalar) -> str | None:
    """Return a mapping's key as Kubernetes spells it in JSON, where every key is a string; None where it cannot be."""
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)
