"""The values of literals, by the rules of expr-lang's own scanner."""

from __future__ import annotations

import re

from airfreight.errors import ExpressionError

_ESCAPE = re.compile(
    r"\\(?:(?P<simple>[abfnrtv\\'\"])|(?P<octal>[0-3][0-7]{2})|x(?P<hex>[0-9a-fA-F]{2})"
    r"|u\{(?P<braced>[0-9a-fA-F]{1,6})\}|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|.)",
    re.DOTALL,
)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_INT_MAX = 2**63 - 1
_FLOAT = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BASED = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")


def text_value(token: str) -> str:
    """Return the text of a literal in single or double quotes."""
    return _ESCAPE.sub(lambda match: _character(_code(match, token)), token[1:-1])


def raw_text_value(token: str) -> str:
    """Return the text of a literal in backquotes; two of them stand for one."""
    return token[1:-1].replace("``", "`")


def bytes_value(token: str) -> bytes:
    """Return the bytes of a literal such as ``b"\\x00"``."""
    result = bytearray()
    body, position = token[2:-1], 0
    for match in _ESCAPE.finditer(body):
        result += body[position : match.start()].encode("utf-8", "replace")
        result += _byte(match, token)
        position = match.end()
    return bytes(result + body[position:].encode("utf-8", "replace"))


def _byte(match: re.Match[str], token: str) -> bytes:
    if match["braced"] or match["short"] or match["long"]:
        raise _bad_escape(match)
    return bytes([_code(match, token)])


def _code(match: re.Match[str], token: str) -> int:
    if simple := match["simple"]:
        if simple in "'\"" and simple != token[-1]:
            raise _bad_escape(match)
        return ord(_SIMPLE.get(simple, simple))
    if octal := match["octal"]:
        return int(octal, 8)
    digits = match["hex"] or match["braced"] or match["short"] or match["long"]
    if digits is None or int(digits, 16) > 0x10FFFF:
        raise _bad_escape(match)
    return int(digits, 16)


def _bad_escape(match: re.Match[str]) -> ExpressionError:
    return ExpressionError(
        f'the text has the escape "{match[0]}", which means nothing; write "\\\\" for a backslash'
    )


def _character(code: int) -> str:
    # A lone surrogate is no text: Go writes the replacement character too.
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code)


def number_value(token: str) -> int | float:
    """Return an int of 64 bits or a float; with a point or an exponent it is a float."""
    digits = token.replace("_", "")
    if _BASED.fullmatch(digits):
        return _integer(token, int(digits, 0))
    if not _FLOAT.fullmatch(digits):
        raise ExpressionError(f'"{token}" is no number')
    if digits.isdigit():
        # More digits than this do not fit, and Python refuses to read thousands of them.
        return _integer(token, int(digits[:400]))
    number = float(digits)
    if number == float("inf"):
        raise ExpressionError(f'the number "{token}" is too large for a float of 64 bits')
    return number


def _integer(token: str, number: int) -> int:
    if number > _INT_MAX:
        raise ExpressionError(f'the number "{token[:40]}" is too large for an integer of 64 bits')
    return number
