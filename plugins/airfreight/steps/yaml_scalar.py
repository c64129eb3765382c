"""How a string, number or bool is written as a YAML scalar so that every reader reads the same value back."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

import yaml

from airfreight.errors import TerminalStepError
from airfreight.expr.gofloat import parse_float

_STR = "tag:yaml.org,2002:str"
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_BOOL = "tag:yaml.org,2002:bool"

_GO_BOOLS = frozenset(
    ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"]
)
# What YAML 1.2 and Go read as a number, beyond what PyYAML and `quoted_if_necessary` know as one.
_BASED = re.compile(r"[-+]?0([xX][0-9a-fA-F_]+|[oO][0-7_]+|[bB][01_]+)")
# PyYAML recurses over what may be nested; a value with more brackets than this is quoted unread.
_OPENERS = re.compile(r"[\[{]")
_MAX_OPENERS = 50
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_GO_ESCAPES = {**_ESCAPES, "\a": "\\a", "\b": "\\b", "\f": "\\f", "\v": "\\v"}


class Scalar(NamedTuple):
    """A value as YAML sees it: the tag it resolves to, the text that it has, and how Kargo prints it."""

    tag: str
    text: str
    printed: str


def read_value(key: str, value: Any) -> Scalar:
    """Return what `value` is in YAML; an integral float becomes an integer, since JSON has no other numbers.

    Raises TerminalStepError for null, lists, maps and numbers that are not finite.
    """
    if isinstance(value, str):
        return Scalar(_STR, value, quoted_if_necessary(value))
    if isinstance(value, bool):
        tag, text = _BOOL, "true" if value else "false"
    elif isinstance(value, int):
        tag, text = _INT, str(value)
    elif isinstance(value, float) and math.isfinite(value):
        tag, text = _float(value)
    else:
        kind = "null" if value is None else type(value).__name__
        raise TerminalStepError(
            f"key {key}: the value is {kind}; expected a string, a number or a bool"
        )
    return Scalar(tag, text, text)


def _float(value: float) -> tuple[str, str]:
    if value.is_integer() and abs(value) < 1e21:
        return _INT, f"{value:.0f}"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    point = len(digits) + int(exponent) - 1
    if -4 <= point < 6:
        return _FLOAT, repr(value)
    first, *rest = map(str, digits)
    # YAML 1.1 takes a mantissa without a dot for a string.
    mantissa = f"{'-' * sign}{first}.{''.join(rest) or '0'}"
    return _FLOAT, f"{mantissa}e{point:+03d}"


def quoted_if_necessary(text: str) -> str:
    """Return `text` in Go's quotes where it reads as a number, a bool or JSON, else as it is.

    This is what Kargo writes, for YAML as well as for the commit message (`kargo.md` §2.5).
    """
    typed = text in _GO_BOOLS or parse_float(text) is not None or _is_json(text)
    return go_quoted(text) if typed else text


def go_quoted(text: str) -> str:
    """Return `text` as Go's %q prints it."""
    return '"' + "".join(_GO_ESCAPES.get(char) or _escape(char, "x") for char in text) + '"'


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return False
    return not text.startswith("\ufeff")


def _no_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def write_scalar(value: Scalar, *, in_flow: bool, perhaps_json: bool) -> str:
    """Return the text for `value`: Kargo's, where all readers read the value back from it.

    `perhaps_json` says that the text around may be JSON, which knows quoted strings only.
    """
    if value.tag != _STR:
        return value.text
    if not perhaps_json and _reads_back(value.printed, value.text, in_flow=in_flow):
        return value.printed
    return _double_quoted(value.text)


def _double_quoted(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(char) or _escape(char, "u00") for char in text) + '"'


def _escape(char: str, short: str) -> str:
    """Return `char`, or its escape with `short` before two digits where it cannot be seen."""
    code = ord(char)
    if char.isprintable():
        return char
    if code < 0x80:
        return f"\\{short}{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _reads_back(written: str, text: str, *, in_flow: bool) -> bool:
    """Say whether a reader of `written`, in a flow or a block, gets the string `text`."""
    if _BASED.fullmatch(written) or len(_OPENERS.findall(written)) > _MAX_OPENERS:
        return False
    document = f"[{written} ]" if in_flow else f"k: {written}\n"
    return all(_read(document, loader) == [text] for loader in (yaml.SafeLoader, yaml.CSafeLoader))


def _read(document: str, loader: type[yaml.SafeLoader] | type[yaml.CSafeLoader]) -> list[str]:
    """Return the document's only value where it is one string, else nothing."""
    try:
        root = yaml.compose(document, Loader=loader)
    except yaml.YAMLError:
        return []
    items = root.value if isinstance(root, yaml.CollectionNode) else []
    if len(items) != 1:
        return []
    node = items[0][1] if isinstance(items[0], tuple) else items[0]
    return [node.value] if node.tag == _STR else []
