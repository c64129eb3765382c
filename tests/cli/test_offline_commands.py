"""`airfreight eval` and `airfreight select`: no Airflow, no network."""

import io
import json
from argparse import Namespace

import pytest

from airfreight.cli.arguments import argument_parser
from airfreight.cli.commands import evaluate, select
from airfreight.cli.world import World
from airfreight.errors import ExpressionError, SettingsError, VersionError


def ran(command, words, lines=(), environ=None):
    out = io.StringIO()
    world = World(out, io.StringIO(), environ or {}, lambda _: None)
    args: Namespace = argument_parser().parse_args(words)
    assert command.run(args, world, lines) == 0
    return out.getvalue().splitlines()


def test_an_expression_is_evaluated_over_the_variables_of_a_file(tmp_path):
    env = tmp_path / "env.json"
    env.write_text('{"vars": {"tags": ["v2", "x"]}}')
    words = ["eval", "filter(vars.tags, # startsWith 'v')", "--env", str(env)]
    assert ran(evaluate, words) == ['["v2"]']


def test_a_template_is_typed_as_in_a_promotion():
    assert ran(evaluate, ["eval", "--template", "1.${{ 2 }}"]) == ["1.2"]


def test_each_line_gives_a_value_or_an_error():
    lines = [
        '{"expression": "a + 1", "env": {"a": 1}}',
        '{"template": {"a": ["${{ x }}"], "${{ 1 }}": 2}, "env": {"x": "1.10"}}',
        '{"expression": "uper(1)"}',
        "not JSON",
        "[]",
    ]
    answers = [json.loads(line) for line in ran(evaluate, ["eval", "--jsonl"], lines)]
    assert answers[:2] == [{"value": 2}, {"value": {"a": [1.1], "${{ 1 }}": 2}}]
    assert 'did you mean "upper"' in answers[2]["error"]
    assert [set(answer) for answer in answers[3:]] == [{"error"}, {"error"}]


def test_an_env_that_is_no_object_is_wrong_usage(tmp_path):
    env = tmp_path / "env.json"
    env.write_text("[]")
    with pytest.raises(SettingsError, match="variable → value"):
        ran(evaluate, ["eval", "1", "--env", str(env)])


def test_a_bad_expression_shows_its_place():
    with pytest.raises(ExpressionError, match=r"\^"):
        ran(evaluate, ["eval", "1 +"])


@pytest.mark.parametrize(
    "words",
    [["eval", "count(1..2000, true)"], ["eval", "--template", "${{ count(1..2000, true) }}"]],
    ids=["expression", "template"],
)
def test_the_limits_of_the_environment_hold(words):
    assert ran(evaluate, words) == ["2000"]
    environ = {"AIRFLOW__AIRFREIGHT__EXPRESSION_STEPS": "1000"}
    with pytest.raises(ExpressionError, match="more than 1000 steps"):
        ran(evaluate, words, environ=environ)


def test_a_limit_that_is_no_number_is_a_setting_to_mend():
    environ = {"AIRFLOW__AIRFREIGHT__EXPRESSION_STEPS": "many"}
    with pytest.raises(SettingsError, match=r"\[airfreight\] expression_steps"):
        ran(evaluate, ["eval", "1"], environ=environ)


TAGS = ["1.10.0\n", "v1.2.0\n", "2.0.0\n", "latest\n", "1.9.0-rc.1\n", "1.3.0\n"]


def test_tags_are_printed_best_first_up_to_the_limit():
    words = ["select", "--constraint", "^1.2", "--limit", "2"]
    assert ran(select, words, TAGS) == ["1.10.0", "1.3.0"]


def test_every_tag_that_is_not_taken_names_the_rule_that_dropped_it():
    words = ["select", "--constraint", "^1.2", "--ignore", "rc", "--limit", "2", "--explain"]
    assert ran(select, words, TAGS)[2:] == [
        "2.0.0: does not meet the constraint '^1.2'",
        "latest: no strict semantic version",
        "1.9.0-rc.1: ignored by 'rc'",
        "v1.2.0: beyond the limit of 2",
    ]


def test_a_bad_constraint_shows_its_place():
    with pytest.raises(VersionError, match="character 9"):
        ran(select, ["select", "--constraint", ">=1.0.0 foo"], TAGS)
