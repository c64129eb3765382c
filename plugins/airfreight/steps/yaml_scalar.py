"""How a string, number or bool is written as a YAML scalar so that every reader reads the same value back."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NamedTuple

import yaml

from airfreight.errors import TerminalStepError

_STR = "tag:yaml.org,2002:str"
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_BOOL = "tag:yaml.org,2002:bool"

# Words and numbers that some reader takes for another type: YAML 1.1, YAML 1.2, Go's ParseBool
# and ParseFloat. `y` and `n` are strings to all of today's.
_WORDS = frozenset(
    ["true", "false", "t", "f", "yes", "no", "on", "off", "null", "~", "nan", ".nan"]
)
_INFINITY = re.compile(r"[-+]?\.?inf(inity)?", re.IGNORECASE)
_NUMBER = re.compile(
    r"[-+]?(0[xX][0-9a-fA-F_.]+([pP][-+]?[0-9]+)?|0[oO][0-7_]+|0[bB][01_]+"
    r"|(?=[0-9._]*[0-9])[0-9_]*\.?[0-9_]*([eE][-+]?[0-9]+)?)"
)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Scalar(NamedTuple):
    """A value as YAML sees it: the tag it resolves to and the text that it has."""

    tag: str
    text: str


def read_value(key: str, value: Any) -> Scalar:
    """Return what `value` is in YAML; an integral float becomes an integer, since JSON has no other numbers.

    Raises TerminalStepError for null, lists, maps and numbers that are not finite.
    """
    if isinstance(value, bool):
        return Scalar(_BOOL, "true" if value else "false")
    if isinstance(value, str):
        return Scalar(_STR, value)
    if isinstance(value, int):
        return Scalar(_INT, str(value))
    if isinstance(value, float) and math.isfinite(value):
        return _float(value)
    kind = "null" if value is None else type(value).__name__
    raise TerminalStepError(
        f"key {key}: the value is {kind}; expected a string, a number or a bool"
    )


def _float(value: float) -> Scalar:
    if value.is_integer() and abs(value) < 1e21:
        return Scalar(_INT, str(int(value)))
    mantissa, mark, exponent = repr(value).partition("e")
    # YAML 1.1 takes a mantissa without a dot for a string.
    return Scalar(_FLOAT, (mantissa if "." in mantissa else f"{mantissa}.0") + mark + exponent)


def write_scalar(value: Scalar, old: yaml.ScalarNode, *, in_flow: bool) -> str:
    """Return the text for `value` in the place of `old`, whose quotes are kept where the value allows.

    A flow may be JSON, which knows quoted strings only: there a string that replaces none is quoted.
    """
    if value.tag != _STR:
        return value.text
    if old.style == "'" and value.text.isprintable():
        return "'" + value.text.replace("'", "''") + "'"
    perhaps_json = in_flow and old.style is None and old.tag != _STR
    if old.style == '"' or perhaps_json or not _is_plain(value.text):
        return _double_quoted(value.text)
    return value.text


def _double_quoted(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(char) or _escape(char) for char in text) + '"'


def _escape(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _is_plain(text: str) -> bool:
    """Say whether `text` may stand unquoted, in a block as well as in a flow."""
    if not text.isprintable() or _looks_typed(text):
        return False
    try:
        alone = yaml.compose(f"[{text} ]", Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return False
    items = alone.value if isinstance(alone, yaml.SequenceNode) else []
    return [(item.tag, item.value) for item in items] == [(_STR, text)]


def _looks_typed(text: str) -> bool:
    """Say whether some reader takes the unquoted `text` for a number, a bool, null or JSON."""
    if text.lower() in _WORDS or _INFINITY.fullmatch(text) or _NUMBER.fullmatch(text):
        return True
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
