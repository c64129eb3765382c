"""Every row of Kargo's own template results."""

import json
import math
from pathlib import Path

import pytest

from airfreight.errors import ExpressionError
from airfreight.expr.gotext import json_text
from airfreight.expr.limits import DEFAULT_LIMITS, Meter
from airfreight.expr.templates import evaluate_config, evaluate_template
from tests.rows import check_rows

ROWS = json.loads(
    (Path(__file__).parents[1] / "conformance/templates.json").read_text(encoding="utf-8"),
    parse_int=float,  # every number of the rows is a float to Go
)


def environment(row):
    return row.get("env", ROWS["env"])


def read_object(text):
    """Read the text that Kargo's JSON evaluation takes: an object, its numbers floats."""
    try:
        value = json.loads(text, parse_int=float)
    except ValueError as error:
        raise ExpressionError(str(error)) from None
    if not isinstance(value, dict):
        raise ExpressionError("no object")
    return value


def test_a_template_has_the_result_that_kargo_gives():
    def check(row):
        result = evaluate_template(row["template"], environment(row))
        if "result_float" in row:
            expected = float(row["result_float"])
            assert result == expected or (math.isnan(result) and math.isnan(expected))
        else:
            assert result == row["result"]
            assert isinstance(result, bool) == isinstance(row["result"], bool)

    check_rows([r for r in ROWS["cases"] if not r["json"] and not r.get("error")], check)


def test_a_config_is_written_as_kargo_writes_it():
    def check(row):
        result = evaluate_config(read_object(row["template"]), environment(row))
        assert json_text(result, Meter(DEFAULT_LIMITS)) == row["output"]

    check_rows([r for r in ROWS["cases"] if r["json"] and not r.get("error")], check)


def test_a_template_that_kargo_refuses_is_an_error():
    def check(row):
        evaluate = evaluate_config if row["json"] else evaluate_template
        text = row["template"]
        with pytest.raises(ExpressionError):
            evaluate(read_object(text) if row["json"] else text, environment(row))

    check_rows([r for r in ROWS["cases"] if r.get("error")], check)
