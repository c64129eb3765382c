"""What Kargo's own code does with a value, row by row, judged by the rule of `tests.steps.conformance`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from airfreight.errors import TerminalStepError
from airfreight.steps import json_edit, toml_edit, yaml_edit
from airfreight.steps.key_path import split_key
from airfreight.steps.yaml_scalar import quoted_if_necessary
from tests.rows import check_rows
from tests.steps.conformance import (
    FOLDER,
    Exactly,
    Updates,
    check,
    json_exactly,
    rows,
    toml_exactly,
    yaml_exactly,
)

KEYS = json.loads((FOLDER / "split_key.json").read_text())["cases"]
QUOTES = json.loads((FOLDER / "yaml_quote.json").read_text())["cases"]
SetValues = Callable[[str, Updates], str]


@pytest.mark.parametrize(
    ("name", "set_values", "exactly", "counts"),
    [
        pytest.param(
            "yaml_update",
            yaml_edit.set_values,
            yaml_exactly,
            {"kept": 72, "mended": 114, "refused": 39},
            id="yaml",
        ),
        pytest.param(
            "json_update",
            json_edit.set_values,
            json_exactly,
            {"kept": 83, "mended": 29, "refused": 9},
            id="json",
        ),
        pytest.param(
            "toml_update",
            toml_edit.set_values,
            toml_exactly,
            {"kept": 55, "mended": 38, "refused": 27},
            id="toml",
        ),
    ],
)
def test_a_row_is_kept_or_mended_and_none_changes_from_kept_to_mended_unseen(
    name: str, set_values: SetValues, exactly: Exactly, counts: dict[str, int]
):
    found: Counter[str] = Counter()
    check_rows(rows(name), lambda row: found.update([check(row, set_values, exactly)]))
    assert found == counts


def test_a_key_is_split_as_kargo_splits_it():
    def check(row: dict[str, Any]):
        if row.get("error"):
            with pytest.raises(TerminalStepError, match=row["message"].split(" in key")[0]):
                split_key(row["key"])
        else:
            assert [part.text for part in split_key(row["key"])] == row["parts"]

    check_rows(KEYS, check)


def test_a_string_is_quoted_where_kargo_quotes_it():
    def check(row: dict[str, Any]):
        assert quoted_if_necessary(row["input"]) == row["printed"]

    check_rows([row for row in QUOTES if isinstance(row["input"], str)], check)
