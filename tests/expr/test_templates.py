"""Rules of templates beyond the rows: one pass, places, checks."""

import pytest

from airfreight.errors import ExpressionError
from airfreight.expr.functions import Function
from airfreight.expr.templates import (
    check_template,
    evaluate_config,
    evaluate_template,
    template_names,
)

HOSTILE = "${{ secret('x') }} {{ x }} \" ' \n- a: b"


def secret(name):
    raise AssertionError("evaluated twice")


FUNCTIONS = {"secret": Function("secret", secret, 1, 1)}


@pytest.mark.parametrize(
    "template", ["${{ message }}", "${{ quote(message) }}", "a ${{ message }}"]
)
def test_what_a_template_puts_in_is_not_evaluated_again(template):
    assert "${{ secret('x') }}" in evaluate_template(template, {"message": HOSTILE}, FUNCTIONS)


def test_keys_are_never_evaluated_and_values_at_any_depth_are():
    config = {"${{ 1 }}": [{"a": "${{ 1 + 1 }}"}, True, None, 3, "42"]}
    assert evaluate_config(config, {}) == {"${{ 1 }}": [{"a": 2}, True, None, 3, "42"]}


def test_whole_numbers_of_a_config_are_integers():
    result = evaluate_config(["${{ 3 }}", "${{ 1.5 }}", "${{ [2] }}"], {})
    assert result == [3, 1.5, [2]]
    assert [type(result[0]), type(result[2][0])] == [int, int]


def test_all_faults_of_a_template_are_found_at_their_places():
    text = "a ${{ 1 + }} b ${% foo() %} ${{ ok }} ${{ open"
    assert [error.offset for error in check_template(text)] == [10, 19, 38]
    assert all(error.source == text for error in check_template(text))


def test_a_sound_template_has_no_faults():
    assert check_template("${{ secret('x').key }} ${{ quote(vars.a) }}", FUNCTIONS) == []


def test_an_error_of_a_run_names_its_place_in_the_whole_text():
    with pytest.raises(ExpressionError) as caught:
        evaluate_template("image: ${{ vars.a.b }}", {"vars": {}})
    assert caught.value.offset == 18


def test_the_names_of_a_template_are_those_of_all_its_expressions():
    assert template_names("${{ vars.a }}-${% ctx.stage + quote(outputs) %}") == {
        "vars",
        "ctx",
        "outputs",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1.0, {"b": "x", "c": []}]}, "a:\n    - 1\n    - b: x\n      c: []\n"),
        ({"b": {"c": "l1\nl2"}}, "b:\n    c: |-\n        l1\n        l2\n"),
        ([[1.0], "true", "1.5", None], '- - 1\n- "true"\n- "1.5"\n- null\n'),
        ({"a10": "x", "a2": [{"b": {"c": "z"}}]}, "a2:\n    - b:\n        c: z\na10: x\n"),
        ("no", '"no"\n'),
        ("x" * 200 + " y", "x" * 200 + " y\n"),
        (1.5, "1.5\n"),
        (1e6, "1e+06\n"),
        (-0.0, "-0\n"),
        ("<<", "<<\n"),
        ("+Infinity", "+Infinity\n"),
        ("0x_1p0", "0x_1p0\n"),
        ("1_000", '"1_000"\n'),
        ("0o17", '"0o17"\n'),
        ("2026-01-02", '"2026-01-02"\n'),
        ("2026-13-45", "2026-13-45\n"),
        ("2026-01-02T25:00:00Z", "2026-01-02T25:00:00Z\n"),
        ("12:30:45", '"12:30:45"\n'),
        ("a\tb", '"a\\tb"\n'),
        ("a\tb\nc", "|-\n    a\tb\n    c\n"),
        ("\x85", '"\\N"\n'),
        ({"": [""]}, '"":\n    - ""\n'),
        ({"k" * 129: 1.0}, f"? {'k' * 129}\n: 1\n"),
        ([{"a": "b\nc"}], "- a: |-\n    b\n    c\n"),
        ({"...": 1.0, "12345678901234567890": 2.0}, "\"12345678901234567890\": 2\n'...': 1\n"),
        (["b\nc"], "- |-\n  b\n  c\n"),
        ({"a": 1.0, "1": 2.0, "10": 3.0, "9": 4.0}, '"1": 2\n"9": 4\n"10": 3\na: 1\n'),
    ],
)
def test_as_yaml_writes_what_go_writes(value, expected):
    assert evaluate_template("${{ asYAML(value) }}", {"value": value}) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("groupBy(['v1', 'w'], #[:1])", "v:\n    - v1\nw:\n    - w\n"),
        ("fromPairs([[10, 1], [9, 2], ['a', 3]])", "9: 2\n10: 1\na: 3\n"),
        ("duration('90m')", "1h30m0s\n"),
        ("date('2026-01-02')", "2026-01-02T00:00:00Z\n"),
        ("b'ab'", "- 97\n- 98\n"),
    ],
)
def test_as_yaml_writes_what_json_cannot(source, expected):
    assert evaluate_template(f"${{{{ asYAML({source}) }}}}", {}) == expected


@pytest.mark.parametrize("source", ["groupBy(['a'], #)", "fromPairs([['a', 1]])", "groupBy([], #)"])
def test_maps_of_any_keys_have_no_json(source):
    for frame in (source, f"toJSON({source})", f"quote({source})", f"asJSON({source})"):
        with pytest.raises(ExpressionError, match="no JSON form"):
            evaluate_template(f"${{{{ {frame} }}}}", {})


def test_minus_zero_of_a_config_stays_minus_zero():
    assert str(evaluate_config(["${{ -0.0 }}"], {})) == "[-0.0]"
