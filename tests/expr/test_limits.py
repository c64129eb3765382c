"""Hostile expressions end as `ExpressionError`, soon and small."""

import json
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest

from airfreight.errors import ExpressionError
from airfreight.expr.limits import DEFAULT_LIMITS, Limits
from airfreight.expr.program import compile_expression
from airfreight.expr.templates import evaluate_config, evaluate_template
from tests.expr.hostile import EXPRESSIONS, TEMPLATES

ROOT = Path(__file__).parents[2]
# The limit is a second; the rest is for a busy machine.
SECONDS = 2.5


@pytest.fixture(scope="module")
def verdicts():
    told = subprocess.run(
        [sys.executable, "-m", "tests.expr.hostile"],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return {row["name"]: row for row in map(json.loads, told.stdout.splitlines())}


@pytest.mark.parametrize("name", [*EXPRESSIONS, *TEMPLATES])
def test_an_attack_is_refused_within_a_second_and_100_mb(name, verdicts):
    assert verdicts[name]["outcome"] == "refused"
    assert verdicts[name]["seconds"] < SECONDS


def test_catastrophic_patterns_take_linear_time():
    program = compile_expression("repeat('a', 50000) matches '(a+)+$b'")
    started = time.thread_time()
    assert program.run({}) is False
    assert time.thread_time() - started < 1


def test_the_last_index_is_found_in_linear_time():
    source = "lastIndexOf(repeat('a', 1000000), 'b' + repeat('a', 500000))"
    assert compile_expression(source).run({}) == -1


TIGHT = {
    "source_length": ("1 + 1", Limits(source_length=4), "4 are allowed"),
    "nodes": ("[1, 2, 3]", Limits(nodes=3), "more than 3 parts"),
    "depth": ("[[[1]]]", Limits(depth=2), "more than 2 levels"),
    "steps": ("map(1..100, # + 1)", Limits(steps=50), "more than 50 steps"),
    "memory": ("repeat('a', 100000)", Limits(memory=100), "MB"),
    "time": ("map(1..50000, # + 1)", Limits(time=0.0), "CPU"),
}


@pytest.mark.parametrize(("source", "limits", "message"), TIGHT.values(), ids=TIGHT)
def test_a_limit_that_is_given_holds(source, limits, message):
    with pytest.raises(ExpressionError, match=message):
        compile_expression(source, limits=limits).run({}, limits)
    template = f"${{{{ {source} }}}}"
    with pytest.raises(ExpressionError, match=message):
        evaluate_config([template], {}, limits=limits)


def test_every_limit_is_tried():
    assert list(TIGHT) == [limit.name for limit in fields(Limits)]


def test_the_expressions_of_one_template_share_its_limits():
    text = "${{ count(1..100, true) }}"
    limits = Limits(steps=250)
    assert evaluate_template(text, {}, limits=limits) == 100
    with pytest.raises(ExpressionError, match="steps"):
        evaluate_template(text * 3, {}, limits=limits)


@pytest.mark.parametrize("limit", fields(Limits), ids=lambda limit: limit.name)
def test_every_limit_names_its_unit_its_reason_and_bounds_around_its_default(limit):
    assert limit.metadata["unit"]
    assert limit.metadata["reason"]
    assert limit.metadata["least"] < getattr(DEFAULT_LIMITS, limit.name) <= limit.metadata["most"]
