"""What a caller injects into expressions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airfreight.expr.shapes import ANY, FUNCTION, UNKNOWN, Shape


@dataclass(frozen=True)
class Function:
    """A function by the name that expressions call it; `max_args` None takes any number.

    `call` gets values of `airfreight.expr.values`, by position, and returns one. What it raises of
    `AirfreightError` reaches the caller of the expression unchanged. `parameters` are the kinds of
    its arguments and `result` is the shape of what it returns, as far as both are known: literals
    that do not fit, and unknown fields of the result, are errors before anything runs. `refusal` says
    why it must not be called where the expression stands. `metered`: `call` gets the meter of the run
    before the values, and counts what it makes before it does.
    """

    name: str
    call: Callable[..., Any]
    min_args: int = 0
    max_args: int | None = None
    parameters: tuple[frozenset[str], ...] = (ANY,)
    result: Shape = UNKNOWN
    refusal: str = ""
    metered: bool = False

    @property
    def shape(self) -> Shape:
        """What the checker knows of the function itself."""
        return Shape("function", FUNCTION.name, parameters=self.parameters, result=self.result)
