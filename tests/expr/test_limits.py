"""Hostile expressions end as `ExpressionError`, soon and small."""

import time
import tracemalloc
from dataclasses import fields

import pytest

from airfreight.errors import ExpressionError
from airfreight.expr.limits import Limits
from airfreight.expr.program import compile_expression
from airfreight.expr.templates import evaluate_template

DOUBLINGS = "".join(f"let v{n + 1} = [v{n}, v{n}, v{n}, v{n}];" for n in range(20))
HOSTILE = {
    "power": "10 ** 10 ** 10",
    "range": "1..10000000",
    "range without end": "-9223372036854775807..9223372036854775807",
    "repeat": "repeat('x', 1000000000)",
    "repeat of repeat": "repeat(repeat(repeat('x', 10000), 10000), 10000)",
    "replace growth": "replace(repeat('a', 100000), 'a', repeat('b', 100000))",
    "join growth": "join(map(1..1000, repeat('x', 9000)), repeat('y', 90000))",
    "nested maps": "map(1..1000, map(1..1000, map(1..1000, #)))",
    "doubling then text": f"let v0 = [1, 1, 1, 1];{DOUBLINGS} string(v20)",
    "doubling then JSON": f"let v0 = [1, 1, 1, 1];{DOUBLINGS} toJSON(v20)",
    "doubling then flatten": f"let v0 = [1, 1, 1, 1];{DOUBLINGS} flatten(v20)",
    "doubling then equality": f"let v0 = [1, 1, 1, 1];{DOUBLINGS} v20 == v20",
    "quadratic uniq": "uniq(1..100000)",
    "quadratic in": "all(1..100000, # in 1..100000)",
    "brackets": "[" * 5000 + "]" * 5000,
    "negated parentheses": "-(" * 5000 + "1" + ")" * 5000,
    "negations": "!" * 16000 + "true",
    "long sum": "1" + "+1" * 8000,
    "conditionals": "true ? 1 : " * 1000 + "2",
    "deep JSON": "fromJSON(repeat('[', 100000))",
    "long source": "1" * 100_000,
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_expression_ends_soon_and_small(source):
    started = time.thread_time()
    with pytest.raises(ExpressionError):
        compile_expression(source).run({})
    assert time.thread_time() - started < 1


@pytest.mark.parametrize("name", ["range", "nested maps", "replace growth", "doubling then text"])
def test_a_hostile_expression_takes_less_than_100_mb(name):
    tracemalloc.start()
    try:
        with pytest.raises(ExpressionError):
            compile_expression(HOSTILE[name]).run({})
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_a_result_that_shares_its_parts_cannot_blow_up_a_template():
    with pytest.raises(ExpressionError, match=r"steps|MB"):
        evaluate_template(f"${{{{ let v0 = [1];{DOUBLINGS} v20 }}}}", {})


def test_catastrophic_patterns_take_linear_time():
    program = compile_expression("repeat('a', 50000) matches '(a+)+$b'")
    started = time.thread_time()
    assert program.run({}) is False
    assert time.thread_time() - started < 1


def test_the_clock_ends_a_run():
    with pytest.raises(ExpressionError, match="CPU"):
        compile_expression("map(1..50000, # + 1)").run({}, Limits(time=0.0))


@pytest.mark.parametrize("limit", fields(Limits), ids=lambda limit: limit.name)
def test_every_limit_names_its_unit_and_its_reason(limit):
    assert limit.metadata["unit"]
    assert limit.metadata["reason"]
