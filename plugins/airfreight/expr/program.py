"""Compile an expression once, run it many times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from airfreight.errors import ExpressionError
from airfreight.expr import nodes
from airfreight.expr.checker import Checker
from airfreight.expr.evaluator import Code, Frame, compile_tree
from airfreight.expr.functions import Function
from airfreight.expr.inference import Inference
from airfreight.expr.limits import DEFAULT_LIMITS, Limits, Meter
from airfreight.expr.parser import parse
from airfreight.expr.values import Value

_NO_FUNCTIONS: Mapping[str, Function] = MappingProxyType({})


@dataclass(frozen=True)
class Program:
    """A compiled expression; `names` are the variables of the environment that it uses."""

    source: str
    names: frozenset[str]
    tree: nodes.Node
    code: Code = field(repr=False)

    def run(self, env: Mapping[str, Any], limits: Limits = DEFAULT_LIMITS) -> Value:
        """Return the value over `env`; raises `ExpressionError`, and what injected functions raise.

        A variable that `env` lacks is nil. The numbers of JSON are floats to Go: pass them as such
        where ``%`` and ``type`` shall behave as in Kargo.
        """
        return self.run_metered(env, Meter(limits))

    def run_metered(self, env: Mapping[str, Any], meter: Meter) -> Value:
        """Return what `run` does, counted by a `meter` that several expressions share."""
        try:
            return self.code(Frame(env, meter, {}))
        except ExpressionError as error:
            raise ExpressionError(error.message, self.source, error.offset) from None
        except RecursionError:
            raise ExpressionError("a value nests too deeply", self.source) from None


def compile_expression(
    source: str,
    functions: Mapping[str, Function] = _NO_FUNCTIONS,
    limits: Limits = DEFAULT_LIMITS,
) -> Program:
    """Parse and check `source`; raises `ExpressionError` with the offset of the fault."""
    tree = parse(source, limits)
    checker = Checker(functions, limits)
    try:
        checker.check(tree)
        Inference(functions).check(tree)
    except ExpressionError as error:
        raise ExpressionError(error.message, source, error.offset) from None
    return Program(source, frozenset(checker.names), tree, compile_tree(tree, functions))
