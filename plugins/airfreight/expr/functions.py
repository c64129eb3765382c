"""What a caller injects into expressions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Function:
    """A function by the name that expressions call it; `max_args` None takes any number.

    `call` gets values of `airfreight.expr.values`, by position, and returns one. What it raises of
    `AirfreightError` reaches the caller of the expression unchanged.
    """

    name: str
    call: Callable[..., Any]
    min_args: int = 0
    max_args: int | None = None
