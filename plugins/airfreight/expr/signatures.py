"""The arguments that built-in functions take and what they give, before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from airfreight.errors import ExpressionError
from airfreight.expr.operator_shapes import element_shape
from airfreight.expr.shapes import (
    ANY,
    ARRAY,
    DURATION,
    FLOAT,
    INT,
    INTEGER,
    LIST,
    MAPPING,
    NUMERIC,
    STRING,
    TEXT,
    TIME,
    UNKNOWN,
    ZONE,
    Shape,
    any_map,
    array,
    kinds,
)

_SIZED = kinds("string") | LIST | MAPPING
_NUMBERS = NUMERIC | LIST
_CASTABLE = NUMERIC | TEXT
_PLAIN_LIST = kinds("array")


@dataclass(frozen=True)
class Signature:
    """What each argument may be (the last counts for those after it) and the result of the call."""

    parameters: tuple[frozenset[str], ...]
    result: Shape | Callable[[list[Shape]], Shape] = UNKNOWN

    def apply(self, name: str, given: list[Shape]) -> Shape:
        """Return the result; raises `ExpressionError` for an argument that is never right."""
        for number, argument in enumerate(given):
            wanted = self.parameters[min(number, len(self.parameters) - 1)]
            if not argument.fits(wanted):
                expected = " or ".join(sorted(wanted))
                raise ExpressionError(
                    f"argument {number + 1} of {name} is {expected}, not {argument.name}"
                )
            if wanted is _NUMBERS and argument.is_unknown:
                # expr-lang looks no further: what comes may be anything.
                return UNKNOWN
        return self.result(given) if callable(self.result) else self.result


def _like_first(given: list[Shape]) -> Shape:
    first = given[0]
    return UNKNOWN if first.kind in LIST else first


def _got(given: list[Shape]) -> Shape:
    target, key = given
    if target.kind not in ("array", "bytes", "map", "any map", "unknown"):
        raise ExpressionError(f"get takes an array or a map, not {target.name}")
    return element_shape(target, key)


def _now(given: list[Shape]) -> Shape:
    if given and given[0].kind != "zone":
        raise ExpressionError(f"now takes a timezone(…), not {given[0].name}")
    return TIME


_ONE_TEXT = Signature((TEXT,), STRING)
_BITS = Signature((INTEGER,), INT)
_ROUNDED = Signature((NUMERIC,), FLOAT)
_LISTS = Signature((LIST,), ARRAY)
_EXTREME = Signature((_NUMBERS,), _like_first)
SIGNATURES: Mapping[str, Signature] = {
    "len": Signature((_SIZED,), INT),
    "type": Signature((ANY,), STRING),
    "abs": Signature((NUMERIC,), _like_first),
    "int": Signature((_CASTABLE,), INT),
    "float": Signature((_CASTABLE,), FLOAT),
    "string": Signature((ANY,), STRING),
    **dict.fromkeys(("ceil", "floor", "round"), _ROUNDED),
    **dict.fromkeys(("upper", "lower", "trim", "trimPrefix", "trimSuffix"), _ONE_TEXT),
    **dict.fromkeys(("toBase64", "fromBase64"), _ONE_TEXT),
    **dict.fromkeys(("split", "splitAfter"), Signature((TEXT, TEXT, INTEGER), array(STRING))),
    "replace": Signature((TEXT, TEXT, TEXT, INTEGER), STRING),
    "repeat": Signature((TEXT, INTEGER), STRING),
    "join": Signature((_PLAIN_LIST, TEXT), STRING),
    **dict.fromkeys(("indexOf", "lastIndexOf"), Signature((TEXT,), INT)),
    **dict.fromkeys(("hasPrefix", "hasSuffix"), Signature((TEXT,), Shape("bool", "bool"))),
    **dict.fromkeys(("min", "max"), _EXTREME),
    **dict.fromkeys(("mean", "median"), Signature((_NUMBERS,))),
    "toJSON": Signature((ANY,), STRING),
    "fromJSON": Signature((TEXT,)),
    "now": Signature((ANY,), _now),
    "duration": Signature((TEXT,), DURATION),
    "date": Signature((ANY,), TIME),
    "timezone": Signature((TEXT,), ZONE),
    **dict.fromkeys(("first", "last"), Signature((LIST,))),
    "get": Signature((ANY,), _got),
    "take": Signature((LIST, kinds("int", "duration", "named")), ARRAY),
    **dict.fromkeys(("keys", "values", "toPairs"), Signature((MAPPING,), ARRAY)),
    "fromPairs": Signature((LIST,), any_map(UNKNOWN)),
    **dict.fromkeys(("reverse", "uniq", "concat", "flatten"), _LISTS),
    "sort": Signature((_PLAIN_LIST, TEXT), ARRAY),
    **dict.fromkeys(("bitand", "bitor", "bitxor", "bitnand", "bitnot"), _BITS),
    **dict.fromkeys(("bitshl", "bitshr", "bitushr"), _BITS),
}
