"""Regular expressions as Go reads them: RE2's, which take linear time whatever the pattern."""

from __future__ import annotations

from typing import Any

from airfreight.errors import ExpressionError
from airfreight.model.patterns import compile_regex


def compile_pattern(pattern: str) -> Any:
    """Return the compiled pattern; raises `ExpressionError` where Go would not compile it."""
    try:
        return compile_regex(pattern)
    except ValueError as error:
        raise ExpressionError(f"the regular expression does not compile: {error}") from None
