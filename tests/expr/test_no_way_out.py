"""Attributes of Python's objects are reached by no spelling."""

import pytest

from airfreight.errors import ExpressionError
from airfreight.expr.functions import Function
from airfreight.expr.program import compile_expression
from airfreight.expr.values import Moment, Struct
from airfreight.runtime.functions import Scope, functions

FUNCTIONS = functions(Scope(), "step")
ENV = {
    "map": {"a": 1},
    "struct": Struct("Image", {"Tag": "v1", "hidden": 1}),
    "function": Function("f", lambda: 1),
}
VALUES = {
    "nil": "nil",
    "bool": "true",
    "int": "(u ?? 1)",
    "float": "(u ?? 1.5)",
    "string": "(u ?? 'a')",
    "bytes": "(u ?? b'a')",
    "list": "(u ?? [1])",
    "map": "$env.map",
    "struct": "$env.struct",
    "version": "semverParse('1.2.3')",
    "function": "$env.function",
    "time": "(u ?? now())",
    "duration": "(u ?? duration('1s'))",
    "zone": "(u ?? timezone('UTC'))",
    "month": "(u ?? now().Month())",
    "groups": "groupBy([1], #)",
    "environment": "$env",
}
SPELLINGS = [
    "{}.{}",
    "{}?.{}",
    '{}["{}"]',
    "get({}, '{}')",
    "{}.{}()",
    "{}?.{}()",
    "map([{}], .{})[0]",
    "[{}] | map(#['{}']) | first()",
    "{}.{}.__globals__",
]


def _names():
    """Return every attribute of every class that a value may have."""
    values = (None, True, 1, 1.5, "a", b"a", [1], {}, *ENV.values(), Moment(0, None))
    named = {name for value in values for name in (*dir(value), *getattr(value, "__dict__", ()))}
    return sorted(named | {"__globals__", "__builtins__", "func_globals", "gi_frame", "f_back"})


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_no_attribute_of_python_is_reached(value):
    for name in _names():
        for spelling in SPELLINGS:
            source = spelling.format(value, name)
            try:
                found = compile_expression(source, FUNCTIONS).run(ENV)
            except ExpressionError:
                continue
            assert found is None or found == [], source


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("map.a", 1),
        ("map.items", None),
        ("struct.Tag", "v1"),
        ("'hidden' in struct", False),
        ("'__class__' in map", False),
    ],
)
def test_keys_and_declared_fields_are_reached(source, expected):
    assert compile_expression(source.replace("map.", "$env.map."), FUNCTIONS).run(ENV) == expected
