"""Infer the type of each part of an expression, and refuse what expr-lang refuses to compile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from airfreight.errors import ExpressionError
from airfreight.expr import nodes
from airfreight.expr.builtin import check_count
from airfreight.expr.catalogue import BUILTINS
from airfreight.expr.functions import Function
from airfreight.expr.operator_shapes import (
    binary_shape,
    check_condition,
    element_shape,
    slice_shape,
    unary_shape,
)
from airfreight.expr.shapes import (
    ARRAY,
    BOOL,
    BYTES,
    FLOAT,
    FUNCTION,
    INT,
    LIST,
    MAP,
    NIL,
    STRING,
    UNKNOWN,
    Shape,
    any_map,
    array,
    joined,
)
from airfreight.expr.signatures import SIGNATURES, Signature
from airfreight.expr.time_methods import METHODS_BY_SHAPE

_LITERALS: Mapping[type, Shape] = {
    type(None): NIL, bool: BOOL, int: INT, float: FLOAT, str: STRING, bytes: BYTES,
}  # fmt: skip
_TRUTHS = ("all", "any", "none", "one", "filter", "find", "findIndex", "findLast", "findLastIndex")
_INTEGERS = ("count", "findIndex", "findLastIndex")


@dataclass(frozen=True, eq=False)
class _Scope:
    variables: Mapping[str, Shape] = field(default_factory=dict)
    item: Shape = UNKNOWN


class Inference:
    """Types of one expression; `functions` are those that the caller injects."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self._functions = functions
        # A scope is known by its identity; the nodes of "a ?: b" stand twice in the tree.
        self._known: dict[tuple[int, _Scope], Shape] = {}

    def check(self, node: nodes.Node) -> Shape:
        """Return the shape of the whole; raises `ExpressionError` with the offset of the fault."""
        return self._shape(node, _Scope())

    def _shape(self, node: nodes.Node, scope: _Scope) -> Shape:
        key = (id(node), scope)
        if key not in self._known:
            try:
                self._known[key] = _VISITS[type(node)](self, node, scope)
            except ExpressionError as error:
                if error.offset is not None:
                    raise
                raise ExpressionError(error.message, offset=node.offset) from None
        return self._known[key]

    def _literal(self, node: nodes.Literal, _: _Scope) -> Shape:
        return _LITERALS[type(node.value)]

    def _identifier(self, node: nodes.Identifier, scope: _Scope) -> Shape:
        if node.name in scope.variables:
            return scope.variables[node.name]
        if node.name in self._functions:
            return self._functions[node.name].shape
        return FUNCTION if node.name in BUILTINS else UNKNOWN

    def _pointer(self, node: nodes.Pointer, scope: _Scope) -> Shape:
        return {"": scope.item, "index": INT}.get(node.name, UNKNOWN)

    def _unary(self, node: nodes.Unary, scope: _Scope) -> Shape:
        return unary_shape(node.operator, self._shape(node.operand, scope))

    def _binary(self, node: nodes.Binary, scope: _Scope) -> Shape:
        return binary_shape(
            node.operator, self._shape(node.left, scope), self._shape(node.right, scope)
        )

    def _conditional(self, node: nodes.Conditional, scope: _Scope) -> Shape:
        check_condition(self._shape(node.condition, scope))
        return joined(self._shape(node.then, scope), self._shape(node.otherwise, scope))

    def _let(self, node: nodes.Let, scope: _Scope) -> Shape:
        variables = {**scope.variables, node.name: self._shape(node.value, scope)}
        return self._shape(node.body, replace(scope, variables=variables))

    def _sequence(self, node: nodes.Sequence, scope: _Scope) -> Shape:
        self._shape(node.first, scope)
        return self._shape(node.last, scope)

    def _array(self, node: nodes.Array, scope: _Scope) -> Shape:
        items = [self._shape(item, scope) for item in node.items]
        is_uniform = bool(items) and all(item == items[0] for item in items)
        return array(items[-1]) if is_uniform else ARRAY

    def _map(self, node: nodes.Map, scope: _Scope) -> Shape:
        for pair in node.pairs:
            self._shape(pair.key, scope)
            self._shape(pair.value, scope)
        return MAP

    def _member(self, node: nodes.Member, scope: _Scope) -> Shape:
        target = self._shape(node.target, scope)
        key = self._shape(node.key, scope)
        if isinstance(node.target, nodes.Literal) and not isinstance(
            node.target.value, str | bytes
        ):
            raise ExpressionError(f"a {target.name} literal has no members")
        name = node.key.value if isinstance(node.key, nodes.Literal) else None
        members = METHODS_BY_SHAPE.get(target.name)
        if target.fields is not None or members is not None:
            return self._named(target, name, members)
        return element_shape(target, key)

    def _named(self, target: Shape, name: Any, members: Mapping[str, Function] | None) -> Shape:
        fields = target.fields or {n: m.shape for n, m in (members or {}).items()}
        if isinstance(name, str) and name in fields:
            return fields[name]
        shown = f'"{name[:60]}"' if isinstance(name, str) else "such element"
        near = get_close_matches(str(name), fields, n=1, cutoff=0.5)
        near = near or [known for known in fields if known.lower() == str(name).lower()]
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise ExpressionError(f"{target.name} has no member {shown}{hint}")

    def _chain(self, node: nodes.Chain, scope: _Scope) -> Shape:
        return self._shape(node.body, scope)

    def _slice(self, node: nodes.Slice, scope: _Scope) -> Shape:
        bounds = [self._shape(b, scope) for b in (node.start, node.stop) if b is not None]
        return slice_shape(self._shape(node.target, scope), bounds)

    def _call(self, node: nodes.Call, scope: _Scope) -> Shape:
        given = [self._shape(argument, scope) for argument in node.arguments]
        function = self._functions.get(node.name)
        if function is None:
            return SIGNATURES[node.name].apply(node.name, given)
        return Signature(function.parameters, function.result).apply(node.name, given)

    def _method_call(self, node: nodes.MethodCall, scope: _Scope) -> Shape:
        callee = self._shape(node.callee, scope)
        given = [self._shape(argument, scope) for argument in node.arguments]
        if callee.is_unknown:
            return UNKNOWN
        name = str(getattr(node.callee.key, "value", ""))
        if callee.result is None:
            raise ExpressionError(f'"{name[:60]}" is {callee.name}, and cannot be called')
        parameters = callee.parameters or ()
        check_count(name, len(given), len(parameters), len(parameters))
        return Signature(parameters, callee.result).apply(name, given)

    def _predicate_call(self, node: nodes.PredicateCall, scope: _Scope) -> Shape:
        collection = self._shape(node.collection, scope)
        if not collection.fits(LIST):
            raise ExpressionError(f"{node.name} takes an array, not {collection.name}")
        element = collection.element or UNKNOWN
        result = None
        if node.predicate is not None:
            result = self._shape(node.predicate, replace(scope, item=element))
            _check_predicate(node, result)
        if node.extra is not None:
            extra = self._shape(node.extra, scope)
            if node.name == "sortBy" and extra.kind not in ("string", "unknown"):
                raise ExpressionError(f'the order is "asc" or "desc", not {extra.name}')
        return _predicate_result(node.name, element, result)


def _check_predicate(node: nodes.PredicateCall, result: Shape) -> None:
    if result.kind == "nil":
        raise ExpressionError(f"the predicate of {node.name} gives nil for each element")
    if node.name in (*_TRUTHS, "count"):
        check_condition(result)


def _predicate_result(name: str, element: Shape, result: Shape | None) -> Shape:
    if name in ("all", "any", "none", "one"):
        return BOOL
    if name in _INTEGERS:
        return INT
    if name in ("find", "findLast"):
        return element
    if name in ("filter", "sortBy"):
        return array(element)
    if name == "map":
        return array(result or UNKNOWN)
    if name == "groupBy":
        return any_map(array(element))
    return result or element


_VISITS: Mapping[type, Callable[[Inference, Any, _Scope], Shape]] = {
    nodes.Literal: Inference._literal,
    nodes.Identifier: Inference._identifier,
    nodes.Pointer: Inference._pointer,
    nodes.Unary: Inference._unary,
    nodes.Binary: Inference._binary,
    nodes.Conditional: Inference._conditional,
    nodes.Let: Inference._let,
    nodes.Sequence: Inference._sequence,
    nodes.Array: Inference._array,
    nodes.Map: Inference._map,
    nodes.Member: Inference._member,
    nodes.Chain: Inference._chain,
    nodes.Slice: Inference._slice,
    nodes.Call: Inference._call,
    nodes.MethodCall: Inference._method_call,
    nodes.PredicateCall: Inference._predicate_call,
}
