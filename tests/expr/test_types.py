"""What expr-lang refuses to compile is refused before anything runs; what it cannot know is not."""

import pytest

from airfreight.errors import ExpressionError
from airfreight.expr.program import compile_expression


@pytest.mark.parametrize(
    "source",
    [
        '[1] == "a"', 'upper("a") == 1', "not 1", "1 ? 2 : 3", 'upper(1)', 'repeat("a", 1.5)',
        'map(["a"], # + 1)', "filter([1], #)", 'all("abc", true)', "len(nil)", "first({})",
        '"a" in [1]', "1 in {a: 1}", "{a: 1}[1]", "[1]['a']", '"abc"["a":]', "7.0 % 2", "1 % 0",
        "now().year", 'now().Add("1h")', "now().AddDate(0, 1.5, 1)", 'duration("1h") == 1',
        "map([1], nil)", "filter([1], #index == 0)", 'find([1], true)?.x', "map([1], {a: #})",
        'sum(1)', 'let x = 1; x + "a"', '(true ? 1 : 2) + "a"', r'"a" matches "\\C"',
    ],
)  # fmt: skip
def test_a_type_that_is_never_right_does_not_compile(source):
    with pytest.raises(ExpressionError):
        compile_expression(source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x && true", "text"), ("x or false", "text"), ("+x", "text"), ("x[0]", 116),
        ("{a: 1, a: 2}.a", 1), ("groupBy([1], #)[1.0]", []), ('lower("\u0130")', "i"),
        ("abs(-9223372036854775807 - 1)", -(2**63)), ('duration("1h") * 1.5', 5.4e12),
        ("9007199254740993 == 9007199254740992.0", True), ("{a: [1]} == {a: [1.0]}", False),
        ('date("10:00:00").Year()', 0), ('sum([duration("1h"), duration("2h")]).Hours()', 3.0),
        ('date("2020-02-29").Round(duration("48h")).Day()', 1), ("sort(missing)", []),
    ],
)  # fmt: skip
def test_odd_rules_of_the_engine_hold(source, expected):
    assert compile_expression(source).run({"x": "text"}) == expected
