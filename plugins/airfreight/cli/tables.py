"""Rows as aligned text for people or as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Row = Mapping[str, Any]


def printable(text: str) -> str:
    """Return `text` in one line, its control characters spelled out: a terminal would obey them."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def moment(value: datetime | None) -> str:
    """Return a time to the second, in UTC."""
    return "" if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def as_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns under upper-case headings; an empty cell shows as ``-``."""
    cells = [
        [heading.upper() for heading in headings],
        *([printable(cell) or "-" for cell in row] for row in rows),
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def as_json(rows: Sequence[Row]) -> str:
    """Return a JSON list, ASCII only; the order of keys is that of the rows."""
    return json.dumps(rows, indent=2)
