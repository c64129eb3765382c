"""Regular expressions as Go reads them: RE2's, which take linear time whatever the pattern."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import re2

from airfreight.errors import ExpressionError

_PATTERN_BYTES = 1 << 20


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> Any:
    """Return the compiled pattern; raises `ExpressionError` where Go would not compile it."""
    options = re2.Options()
    options.max_mem = _PATTERN_BYTES
    # The library would write a bad pattern to standard error as well.
    options.log_errors = False
    try:
        compiled = re2.compile(sound(pattern), options=options)
    except re2.error as error:
        said = error.args[0]
        reason = said.decode(errors="replace") if isinstance(said, bytes) else said
        raise ExpressionError(f"the regular expression does not compile: {reason}") from None
    # The library for C++ takes one byte by it, and Go's refuses it.
    if _takes_one_byte(pattern):
        raise ExpressionError("the regular expression does not compile: invalid escape: \\C")
    return compiled


def _takes_one_byte(pattern: str) -> bool:
    plain = re.sub(r"\\Q.*?(?:\\E|$)", "", pattern, flags=re.DOTALL)
    return any(found == "\\C" for found in re.findall(r"\\.", plain, re.DOTALL))


def sound(text: str) -> str:
    """Return `text` with a replacement for lone halves of characters, which are no text to RE2."""
    return text.encode("utf-8", "replace").decode("utf-8")
