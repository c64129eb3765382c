"""Tables of thousands of rows that were written down from another program: one test each, every row checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

Row = TypeVar("Row")

# Characters of a row or a failure that are shown.
_SHOWN = 500


def check_rows(rows: Sequence[Row], check: Callable[[Row], object]) -> None:
    """Check every row, and fail with each that does not hold: its number, the row, and what is wrong."""
    assert rows, "the table is empty"
    wrong = []
    for number, row in enumerate(rows):
        try:
            check(row)
        except (Exception, pytest.fail.Exception) as error:
            said = f"{type(error).__name__}: {error}"
            wrong.append(f"row {number}: {ascii(row)[:_SHOWN]}\n    {said[:_SHOWN]}")
    if wrong:
        head = f"{len(wrong)} of {len(rows)} rows do not hold"
        pytest.fail("\n".join([head, *wrong]), pytrace=False)
