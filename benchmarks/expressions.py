"""Evaluations a second of ten expressions, beside cel-python and simpleeval, and the time of a parse.

`uv run --with cel-python --with simpleeval python -m benchmarks.expressions`
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import celpy
import simpleeval

from airfreight.expr.program import compile_expression

ENV: dict[str, Any] = {
    "vars": {"env": "prod", "replicas": 3.0, "image": "ghcr.io/acme/web", "tags": ["v1", "x"]},
    "ctx": {"stage": "uat", "project": "shop"},
    "ok": True,
    "nums": [3.0, 1.0, 2.0, 10.0, 7.0],
}
EXPRESSIONS = (
    ("vars.env", "vars.env", "vars.env"),
    ('ctx.stage + "/" + ctx.project',) * 3,
    ("vars.replicas * 2 + 1", "vars.replicas * 2.0 + 1.0", "vars.replicas * 2 + 1"),
    ('vars.env == "prod" && ok', 'vars.env == "prod" && ok', 'vars.env == "prod" and ok'),
    ('vars.env in ["dev", "prod"]',) * 3,
    ('ok ? "a" : "b"', 'ok ? "a" : "b"', '"a" if ok else "b"'),
    ("len(nums) > 3", "size(nums) > 3", "len(nums) > 3"),
    (
        'vars.image startsWith "ghcr"',
        'vars.image.startsWith("ghcr")',
        'vars.image.startswith("ghcr")',
    ),
    ("map(nums, # * 2)", "nums.map(x, x * 2.0)", "[x * 2 for x in nums]"),
    (
        'filter(vars.tags, # startsWith "v")',
        'vars.tags.filter(t, t.startsWith("v"))',
        '[t for t in vars.tags if t.startswith("v")]',
    ),
)
"""Ours, CEL's, simpleeval's."""


def rate(run: Callable[[], object]) -> float:
    """Return how often `run` goes in a second."""
    count = 200
    while True:
        started = time.perf_counter()
        for _ in range(count):
            run()
        passed = time.perf_counter() - started
        if passed > 0.2:
            return count / passed
        count *= 2


def _ours(source: str) -> float:
    program = compile_expression(source)
    return rate(lambda: program.run(ENV))


def _cel(source: str) -> float:
    environment = celpy.Environment()
    program = environment.program(environment.compile(source))
    variables = celpy.json_to_cel(ENV)
    return rate(lambda: program.evaluate(variables))


def _simple(source: str) -> float:
    evaluator = simpleeval.EvalWithCompoundTypes(names=ENV, functions={"len": len})
    tree = evaluator.parse(source)
    return rate(lambda: evaluator.eval(source, tree))


def main() -> None:
    """Print a table."""
    print(f"{'expression':38} {'ours':>9} {'cel':>9} {'simple':>9}  evaluations a second")
    for ours, cel, simple in EXPRESSIONS:
        print(f"{ours:38} {_ours(ours):9.0f} {_cel(cel):9.0f} {_simple(simple):9.0f}")
    source = " + ".join(f"vars.a{n}" for n in range(50))
    print(f"compile 200 nodes: {1000 / rate(lambda: compile_expression(source)):.2f} ms")


if __name__ == "__main__":
    main()
