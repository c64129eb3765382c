"""Go's strconv.ParseFloat, which decides what text of a template becomes a number."""

from __future__ import annotations

import math
import re

_DECIMAL = re.compile(r"[+-]?(?:[0-9_]+\.?[0-9_]*|\.[0-9_]+)(?:[eE][+-]?[0-9_]+)?")
_HEX = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F_]+\.?[0-9a-fA-F_]*|\.[0-9a-fA-F_]+)[pP][+-]?[0-9_]+")
_WORD = re.compile(r"[+-]?inf(?:inity)?|nan", re.IGNORECASE)


def parse_float(text: str) -> float | None:
    """Return the float that `text` is to Go, or None; a number beyond 64 bits is none.

    Underscores count only where a base prefix is, as in Go source: ``0x_1p0``.
    """
    if _WORD.fullmatch(text):
        return float(text)
    hexadecimal = _HEX.fullmatch(text) is not None
    if not hexadecimal and not _DECIMAL.fullmatch(text):
        return None
    if "_" in text and not _underscores_fit(text, hexadecimal):
        return None
    return _finite(text.replace("_", ""), hexadecimal)


def _underscores_fit(text: str, hexadecimal: bool) -> bool:
    digits = "[0-9a-fA-F]" if hexadecimal else "[0-9]"
    body = re.sub(r"^([+-]?)0[xX]_", r"\g<1>0x0", text)
    return re.search(rf"(?<!{digits})_|_(?!{digits})", body) is None


def _finite(text: str, hexadecimal: bool) -> float | None:
    try:
        number = float.fromhex(text) if hexadecimal else float(text)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
