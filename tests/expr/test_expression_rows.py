"""Every row of expr-lang's own results."""

import json
import math
from pathlib import Path

import pytest

from airfreight.errors import ExpressionError
from airfreight.expr.gotext import plain_json
from airfreight.expr.limits import DEFAULT_LIMITS, Meter
from airfreight.expr.program import compile_expression
from tests.rows import check_rows

ROWS = json.loads(
    (Path(__file__).parents[1] / "conformance/expressions.json").read_text(encoding="utf-8")
)
# Go reads the numbers of the environment from JSON, so all of them are floats.
ENV = json.loads(json.dumps(ROWS["env"]), parse_int=float)


def evaluate(source):
    return compile_expression(source).run(ENV)


def test_an_expression_has_the_value_that_go_gives():
    def check(row):
        value, expected = plain_json(evaluate(row["expr"]), Meter(DEFAULT_LIMITS)), row["value"]
        if isinstance(expected, int | float) and not isinstance(expected, bool):
            assert not isinstance(value, bool)
            assert math.isclose(value, expected, rel_tol=1e-15)
        else:
            assert value == expected

    check_rows([row for row in ROWS["cases"] if not row.get("error")], check)


def test_an_expression_that_go_refuses_is_an_error():
    def check(row):
        with pytest.raises(ExpressionError):
            evaluate(row["expr"])

    check_rows([row for row in ROWS["cases"] if row.get("error")], check)
