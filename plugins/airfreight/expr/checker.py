"""Check a parsed expression before it runs: names, counts, places and literals of wrong types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches

from airfreight.errors import ExpressionError
from airfreight.expr import nodes
from airfreight.expr.catalogue import BUILTINS
from airfreight.expr.evaluator import check_count
from airfreight.expr.functions import Function
from airfreight.expr.limits import DEFAULT_LIMITS, Limits, Meter
from airfreight.expr.operators import apply_binary, compile_pattern, truth
from airfreight.expr.predicates import PREDICATES
from airfreight.expr.values import Value, is_integer, is_number, type_name


@dataclass(frozen=True)
class _Place:
    depth: int = 0
    predicate: str = ""
    variables: frozenset[str] = frozenset()


class Checker:
    """Collects the variables of one expression; raises `ExpressionError` at the first fault."""

    def __init__(self, functions: Mapping[str, Function], limits: Limits) -> None:
        self._functions = functions
        self._limits = limits
        self._count = 0
        self.names: set[str] = set()

    def check(self, node: nodes.Node) -> None:
        """Check `node` and all below it."""
        pending = [(node, _Place())]
        while pending:
            current, place = pending.pop()
            self._count += 1
            if self._count > self._limits.nodes:
                raise ExpressionError(f"the expression has more than {self._limits.nodes} parts")
            if place.depth > self._limits.depth:
                raise ExpressionError(
                    f"the expression nests more than {self._limits.depth} levels deep",
                    offset=current.offset,
                )
            try:
                self._check_one(current, place)
            except ExpressionError as error:
                raise ExpressionError(error.message, offset=current.offset) from None
            pending.extend(_below(current, place))

    def _check_one(self, node: nodes.Node, place: _Place) -> None:
        if isinstance(node, nodes.Identifier) and node.name not in place.variables | {"$env"}:
            self.names.add(node.name)
        elif isinstance(node, nodes.Member):
            self._check_member(node)
        elif isinstance(node, nodes.Pointer):
            _check_pointer(node, place)
        elif isinstance(node, nodes.Let):
            self._check_let(node, place)
        elif isinstance(node, nodes.Call):
            self._check_call(node)
        elif isinstance(node, nodes.PredicateCall):
            _check_predicate_call(node)
        elif isinstance(node, nodes.Binary):
            _check_literals(node)

    def _check_member(self, node: nodes.Member) -> None:
        target, key = node.target, node.key
        if isinstance(target, nodes.Identifier) and target.name == "$env":
            if isinstance(key, nodes.Literal) and isinstance(key.value, str):
                self.names.add(key.value)
        elif isinstance(target, nodes.Literal):
            raise ExpressionError(f"a {type_name(target.value)} literal has no members")

    def _check_let(self, node: nodes.Let, place: _Place) -> None:
        known = place.variables | self._functions.keys() | BUILTINS.keys() | PREDICATES.keys()
        if node.name in known:
            raise ExpressionError(f'"{node.name}" is already defined; choose another name')

    def _check_call(self, node: nodes.Call) -> None:
        known: Mapping[str, object] = {**BUILTINS, **self._functions}
        if node.name not in known:
            near = get_close_matches(node.name, [*known, *PREDICATES], n=1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise ExpressionError(f'unknown function "{node.name[:60]}"{hint}')
        function = self._functions.get(node.name) or BUILTINS[node.name]
        check_count(node.name, len(node.arguments), function.min_args, function.max_args)
        first = node.arguments[0] if node.arguments else None
        if node.name == "get" and isinstance(first, nodes.Literal) and first.value is None:
            raise ExpressionError("nil has no elements to get")


def _below(node: nodes.Node, place: _Place) -> Iterator[tuple[nodes.Node, _Place]]:
    for field in fields(node):
        value = getattr(node, field.name)
        inner = _Place(place.depth + 1, place.predicate, place.variables)
        if isinstance(node, nodes.PredicateCall) and field.name == "predicate":
            inner = _Place(inner.depth, node.name, inner.variables)
        if isinstance(node, nodes.Let) and field.name == "body":
            inner = _Place(inner.depth, inner.predicate, inner.variables | {node.name})
        for child in value if isinstance(value, tuple) else (value,):
            if isinstance(child, nodes.Node):
                yield child, inner


def _check_pointer(node: nodes.Pointer, place: _Place) -> None:
    allowed = ["", "index"] if place.predicate else []
    if place.predicate == "reduce":
        allowed.append("acc")
    if node.name not in allowed:
        raise ExpressionError(
            f'"#{node.name}" means nothing here: "#" and ".name" stand for the element in a '
            'predicate such as filter(list, # > 1), "#acc" for the result so far in reduce'
        )


def _check_predicate_call(node: nodes.PredicateCall) -> None:
    given = 1 + (node.predicate is not None) + (node.extra is not None)
    function = PREDICATES[node.name]
    check_count(node.name, given, function.needed, function.allowed)


def _check_literals(node: nodes.Binary) -> None:
    """Refuse what literals alone show to be wrong, even where it would never run."""
    values = [side.value for side in (node.left, node.right) if isinstance(side, nodes.Literal)]
    if node.operator in ("&&", "and", "||", "or"):
        for value in values:
            truth(value)
    elif node.operator == ".." and not all(map(is_integer, values)):
        raise ExpressionError('".." takes two integers')
    elif node.operator == "matches" and isinstance(node.right, nodes.Literal):
        if isinstance(node.right.value, str):
            compile_pattern(node.right.value)
    elif len(values) == 2:
        _check_two_literals(node.operator, values[0], values[1])


def _check_two_literals(operator: str, left: Value, right: Value) -> None:
    if operator in ("==", "!="):
        numbers = is_number(left) and is_number(right)
        if None not in (left, right) and not numbers and type(left) is not type(right):
            raise ExpressionError(f"{type_name(left)} and {type_name(right)} are never equal")
    elif operator in ("+", "-", "*", "/", "<", "<=", ">", ">="):
        apply_binary(operator, left, right, Meter(DEFAULT_LIMITS))
