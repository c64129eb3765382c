"""`airfreight eval`: what an expression or a template gives, as in a promotion; needs no Airflow."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from airfreight.cli.environment import mapping, read_environment
from airfreight.cli.world import Exit, World
from airfreight.errors import AirfreightError, ExpressionError
from airfreight.expr.functions import Function
from airfreight.expr.gotext import json_text
from airfreight.expr.limits import DEFAULT_LIMITS, Meter
from airfreight.expr.program import compile_expression
from airfreight.expr.templates import evaluate_config, evaluate_template
from airfreight.expr.text_functions import read_json
from airfreight.runtime.functions import Scope, functions


def run(args: argparse.Namespace, world: World, lines: Iterable[str]) -> Exit:
    """Print one value, or with `--jsonl` a line of JSON for each of `lines`."""
    known = functions(Scope(), "step")
    if args.jsonl:
        for line in lines:
            if line.strip():
                world.say(_answer(line, known))
        return Exit.OK
    env = read_environment(args.env)
    if args.template is not None:
        world.say(_written(evaluate_template(args.template, env, known)))
    else:
        world.say(_written(compile_expression(args.expression, known).run(env)))
    return Exit.OK


def _answer(line: str, known: Mapping[str, Function]) -> str:
    try:
        return f'{{"value": {_written(_value(line, known))}}}'
    except AirfreightError as error:
        return json.dumps({"error": str(error)}, ensure_ascii=False)


def _value(line: str, known: Mapping[str, Function]) -> Any:
    request = read_json(line)
    if not isinstance(request, dict) or ("expression" in request) == ("template" in request):
        raise ExpressionError('a line is an object with "expression" or "template", and "env"')
    env = mapping(request.get("env") or {})
    if "template" in request:
        template = request["template"]
        evaluate: Callable[..., Any] = (
            evaluate_template if isinstance(template, str) else evaluate_config
        )
        return evaluate(template, env, known)
    if not isinstance(request["expression"], str):
        raise ExpressionError('"expression" must be a string')
    return compile_expression(request["expression"], known).run(env)


def _written(value: Any) -> str:
    return json_text(value, Meter(DEFAULT_LIMITS))
