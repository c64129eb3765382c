"""`airfreight eval`: what an expression or a template gives, as in a promotion; needs no Airflow."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airfreight.cli.environment import mapping, read_environment
from airfreight.cli.world import Exit, World
from airfreight.errors import AirfreightError, ExpressionError
from airfreight.expr.functions import Function
from airfreight.expr.gotext import json_text
from airfreight.expr.limits import Limits, Meter
from airfreight.expr.program import compile_expression
from airfreight.expr.templates import evaluate_config, evaluate_template
from airfreight.expr.text_functions import read_json
from airfreight.runtime.functions import Scope, functions
from airfreight.runtime.settings import environment_values, read_values


@dataclass(frozen=True)
class _Language:
    """What every expression of one call gets."""

    functions: Mapping[str, Function]
    limits: Limits

    def expression(self, source: str, env: Mapping[str, Any]) -> str:
        program = compile_expression(source, self.functions, self.limits)
        return self._written(program.run(env, self.limits))

    def template(self, text: str, env: Mapping[str, Any]) -> str:
        return self._written(evaluate_template(text, env, self.functions, self.limits))

    def config(self, value: Any, env: Mapping[str, Any]) -> str:
        return self._written(evaluate_config(value, env, self.functions, self.limits))

    def _written(self, value: Any) -> str:
        return json_text(value, Meter(self.limits))


def run(args: argparse.Namespace, world: World, lines: Iterable[str]) -> Exit:
    """Print one value, or with `--jsonl` a line of JSON for each of `lines`."""
    limits = read_values(environment_values(world.environ)).expression_limits()
    language = _Language(functions(Scope(), "step"), limits)
    if args.jsonl:
        for line in lines:
            if line.strip():
                world.say(_answer(line, language))
        return Exit.OK
    env = read_environment(args.env)
    if args.template is not None:
        world.say(language.template(args.template, env))
    else:
        world.say(language.expression(args.expression, env))
    return Exit.OK


def _answer(line: str, language: _Language) -> str:
    try:
        return f'{{"value": {_value(line, language)}}}'
    except AirfreightError as error:
        return json.dumps({"error": str(error)}, ensure_ascii=False)


def _value(line: str, language: _Language) -> str:
    request = read_json(line)
    if not isinstance(request, dict) or ("expression" in request) == ("template" in request):
        raise ExpressionError('a line is an object with "expression" or "template", and "env"')
    env = mapping(request.get("env") or {})
    if "template" in request:
        template = request["template"]
        evaluate = language.template if isinstance(template, str) else language.config
        return evaluate(template, env)
    if not isinstance(request["expression"], str):
        raise ExpressionError('"expression" must be a string')
    return language.expression(request["expression"], env)
