"""What a built-in function is, and the reading of its arguments."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airfreight.errors import ExpressionError
from airfreight.expr.values import Value, is_number, type_name


@dataclass(frozen=True)
class Builtin:
    """A function of expr-lang; `call` gets the meter of the run, then the arguments."""

    name: str
    call: Callable[..., Any]
    min_args: int
    max_args: int | None


def text(value: Value) -> str:
    """Return a string argument."""
    if isinstance(value, str):
        return value
    raise ExpressionError(f"a string is expected, not {type_name(value)}; convert it by string(…)")


def items(value: Value) -> list[Value]:
    """Return a list argument."""
    if isinstance(value, list):
        return value
    raise ExpressionError(f"an array is expected, not {type_name(value)}")


def entries(value: Value) -> dict[Any, Value]:
    """Return a map argument."""
    if isinstance(value, dict):
        return value
    raise ExpressionError(f"a map is expected, not {type_name(value)}")


def integer(value: Value) -> int:
    """Return a number argument as an int; a float loses its fraction, as in Go."""
    if is_number(value) and math.isfinite(value):
        return int(value)
    raise ExpressionError(f"an int is expected, not {type_name(value)}")


def number(value: Value) -> int | float:
    """Return a number argument."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise ExpressionError(f"a number is expected, not {type_name(value)}")
