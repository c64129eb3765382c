"""What a built-in function is, and the reading of its arguments."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airfreight.errors import ExpressionError
from airfreight.expr.values import Named, Span, Value, is_number, type_name


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
    """Return a number argument; a duration counts as its nanoseconds, a month as its number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, Span | Named):
        return value.nanoseconds if isinstance(value, Span) else value.number
    raise ExpressionError(f"a number is expected, not {type_name(value)}")


def check_count(name: str, given: int, least: int, most: int | None) -> None:
    """Raise `ExpressionError` unless `given` arguments are a right number."""
    if given < least or (most is not None and given > most):
        wanted = f"{least}" if most == least else f"{least} to {most}"
        wanted = f"at least {least}" if most is None else wanted
        raise ExpressionError(f"{name} takes {wanted} arguments, not {given}")
