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
    ],
)
def test_as_yaml_writes_what_go_writes(value, expected):
    assert evaluate_template("${{ asYAML(value) }}", {"value": value}) == expected
