"""Walk the tree of an expression and return its value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from airfreight.errors import ExpressionError
from airfreight.expr import nodes
from airfreight.expr.access import ABSENT, fetch, method_of, slice_value
from airfreight.expr.builtin import check_count
from airfreight.expr.catalogue import BUILTINS
from airfreight.expr.functions import Function
from airfreight.expr.limits import Meter
from airfreight.expr.operators import apply_binary, apply_unary, truth
from airfreight.expr.predicates import PREDICATES, Application, elements
from airfreight.expr.time_methods import METHODS
from airfreight.expr.values import Value, type_name


class _Absent(Exception):
    """The target of a ``?.`` is nil: the whole chain is."""


@dataclass(frozen=True)
class _Scope:
    variables: Mapping[str, Value]
    item: Value = None
    index: int = 0
    accumulator: Value = None


class Evaluation:
    """One run of an expression over `env`."""

    def __init__(
        self, env: Mapping[str, Value], functions: Mapping[str, Function], meter: Meter
    ) -> None:
        self._env = env
        self._functions = functions
        self._meter = meter

    def run(self, node: nodes.Node) -> Value:
        """Return the value of `node`; errors carry the offset of the node at fault."""
        return self._value(node, _Scope({}))

    def _value(self, node: nodes.Node, scope: _Scope) -> Value:
        self._meter.step()
        try:
            return _VISITS[type(node)](self, node, scope)
        except ExpressionError as error:
            if error.offset is not None:
                raise
            raise ExpressionError(error.message, error.source, node.offset) from None

    def _literal(self, node: nodes.Literal, _: _Scope) -> Value:
        return node.value

    def _identifier(self, node: nodes.Identifier, scope: _Scope) -> Value:
        if node.name in scope.variables:
            return scope.variables[node.name]
        return dict(self._env) if node.name == "$env" else self._env.get(node.name)

    def _pointer(self, node: nodes.Pointer, scope: _Scope) -> Value:
        return {"": scope.item, "index": scope.index, "acc": scope.accumulator}[node.name]

    def _unary(self, node: nodes.Unary, scope: _Scope) -> Value:
        return apply_unary(node.operator, self._value(node.operand, scope))

    def _binary(self, node: nodes.Binary, scope: _Scope) -> Value:
        if node.operator in _LOGIC:
            return self._logic(node, scope)
        left = self._value(node.left, scope)
        if node.operator == "??":
            return self._value(node.right, scope) if left is None else left
        if node.operator == "in" and not isinstance(left, str | None):
            _check_texts(node.right, left)
        return apply_binary(node.operator, left, self._value(node.right, scope), self._meter)

    def _logic(self, node: nodes.Binary, scope: _Scope) -> Value:
        """Apply ``and`` or ``or``; the operand that decides comes back as it is, checked or not.

        expr-lang works out what a literal decides before the run.
        """
        stops = _LOGIC[node.operator]
        if isinstance(node.right, nodes.Literal):
            return stops if node.right.value is stops else self._value(node.left, scope)
        left = self._value(node.left, scope)
        return left if truth(left) is stops else self._value(node.right, scope)

    def _conditional(self, node: nodes.Conditional, scope: _Scope) -> Value:
        holds = truth(self._value(node.condition, scope))
        return self._value(node.then if holds else node.otherwise, scope)

    def _let(self, node: nodes.Let, scope: _Scope) -> Value:
        variables = {**scope.variables, node.name: self._value(node.value, scope)}
        return self._value(node.body, replace(scope, variables=variables))

    def _sequence(self, node: nodes.Sequence, scope: _Scope) -> Value:
        self._value(node.first, scope)
        return self._value(node.last, scope)

    def _array(self, node: nodes.Array, scope: _Scope) -> list[Value]:
        self._meter.container(len(node.items))
        return [self._value(item, scope) for item in node.items]

    def _map(self, node: nodes.Map, scope: _Scope) -> dict[str, Value]:
        self._meter.container(len(node.pairs))
        result: dict[str, Value] = {}
        # From the last to the first: of a key that stands twice the first counts.
        for pair in reversed(node.pairs):
            key = self._value(pair.key, scope)
            if not isinstance(key, str):
                raise ExpressionError(f"the key of a map must be a string, not {type_name(key)}")
            result[key] = self._value(pair.value, scope)
        return result

    def _member(self, node: nodes.Member, scope: _Scope) -> Value:
        target = self._target(node, scope)
        if type(target) in METHODS:
            raise ExpressionError(
                f"a value of type {type_name(target)} has methods only: write .Name()"
            )
        return fetch(target, self._value(node.key, scope))

    def _target(self, node: nodes.Member, scope: _Scope) -> Value:
        target = self._value(node.target, scope)
        if target is None and node.optional:
            raise _Absent
        return target

    def _chain(self, node: nodes.Chain, scope: _Scope) -> Value:
        try:
            return self._value(node.body, scope)
        except _Absent:
            return None

    def _slice(self, node: nodes.Slice, scope: _Scope) -> Value:
        start, stop = (
            ABSENT if bound is None else self._value(bound, scope)
            for bound in (node.start, node.stop)
        )
        return slice_value(self._value(node.target, scope), start, stop, self._meter)

    def _call(self, node: nodes.Call, scope: _Scope) -> Value:
        arguments = [self._value(argument, scope) for argument in node.arguments]
        if node.name in self._functions:
            return self._functions[node.name].call(*arguments)
        return BUILTINS[node.name].call(self._meter, *arguments)

    def _method_call(self, node: nodes.MethodCall, scope: _Scope) -> Value:
        target = self._target(node.callee, scope)
        name = self._value(node.callee.key, scope)
        arguments = [self._value(argument, scope) for argument in node.arguments]
        if held := method_of(target, name) if not isinstance(target, list | bytes) else None:
            check_count(held.name, len(arguments), held.min_args, held.max_args)
            return held.call(*arguments)
        method = METHODS.get(type(target), {}).get(name)
        if method is None:
            raise ExpressionError(
                f'a value of type {type_name(target)} has no method "{name[:60]}"'
            )
        check_count(name, len(arguments), method.min_args, method.max_args)
        return method.call(target, *arguments)

    def _predicate_call(self, node: nodes.PredicateCall, scope: _Scope) -> Value:
        predicate, extra = node.predicate, node.extra

        def apply(item: Value, index: int, accumulator: Value) -> Value:
            assert predicate is not None  # noqa: S101 - for the type checker
            return self._value(predicate, _Scope(scope.variables, item, index, accumulator))

        call = Application(
            elements(self._value(node.collection, scope)),
            None if predicate is None else apply,
            None if extra is None else lambda: self._value(extra, scope),
            self._meter,
        )
        return PREDICATES[node.name].call(call)


def _check_texts(node: nodes.Node, needle: Value) -> None:
    """Refuse what is no string before ``in ["a", "b"]``: expr-lang makes that list a set of strings."""
    if isinstance(node, nodes.Array) and node.items:
        texts = (isinstance(i, nodes.Literal) and isinstance(i.value, str) for i in node.items)
        if all(texts):
            raise ExpressionError(
                f"only a string is in a list of strings, not {type_name(needle)}; write string(…)"
            )


_LOGIC = {"and": False, "&&": False, "or": True, "||": True}
_VISITS: Mapping[type, Callable[[Evaluation, Any, _Scope], Value]] = {
    nodes.Literal: Evaluation._literal,
    nodes.Identifier: Evaluation._identifier,
    nodes.Pointer: Evaluation._pointer,
    nodes.Unary: Evaluation._unary,
    nodes.Binary: Evaluation._binary,
    nodes.Conditional: Evaluation._conditional,
    nodes.Let: Evaluation._let,
    nodes.Sequence: Evaluation._sequence,
    nodes.Array: Evaluation._array,
    nodes.Map: Evaluation._map,
    nodes.Member: Evaluation._member,
    nodes.Chain: Evaluation._chain,
    nodes.Slice: Evaluation._slice,
    nodes.Call: Evaluation._call,
    nodes.MethodCall: Evaluation._method_call,
    nodes.PredicateCall: Evaluation._predicate_call,
}
