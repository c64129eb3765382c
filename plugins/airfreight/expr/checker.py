"""Check a parsed expression before it runs: names, counts, places; types are `inference`'s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from airfreight.errors import ExpressionError
from airfreight.expr import nodes
from airfreight.expr.builtin import check_count
from airfreight.expr.catalogue import BUILTINS
from airfreight.expr.functions import Function
from airfreight.expr.limits import Limits
from airfreight.expr.predicates import PREDICATES
from airfreight.expr.regular import compile_pattern


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
            _check_operands(node)

    def _check_member(self, node: nodes.Member) -> None:
        target, key = node.target, node.key
        is_environment = isinstance(target, nodes.Identifier) and target.name == "$env"
        if is_environment and isinstance(key, nodes.Literal) and isinstance(key.value, str):
            self.names.add(key.value)

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
        injected = self._functions.get(node.name)
        if injected is not None and injected.refusal:
            raise ExpressionError(injected.refusal)
        function = injected or BUILTINS[node.name]
        check_count(node.name, len(node.arguments), function.min_args, function.max_args)


def _below(node: nodes.Node, place: _Place) -> Iterator[tuple[nodes.Node, _Place]]:
    for name, child in nodes.children(node):
        inner = _Place(place.depth + 1, place.predicate, place.variables)
        if isinstance(node, nodes.PredicateCall) and name == "predicate":
            inner = _Place(inner.depth, node.name, inner.variables)
        if isinstance(node, nodes.Let) and name == "body":
            inner = _Place(inner.depth, inner.predicate, inner.variables | {node.name})
        yield child, inner


def _check_pointer(node: nodes.Pointer, place: _Place) -> None:
    allowed = [""] if place.predicate else []
    if place.predicate in ("map", "reduce"):
        allowed.append("index")
    if place.predicate == "reduce":
        allowed.append("acc")
    if node.name not in allowed:
        raise ExpressionError(
            f'"#{node.name}" means nothing here: "#" and ".name" stand for the element in a '
            'predicate such as filter(list, # > 1), "#index" for its place in map and reduce, '
            '"#acc" for the result so far in reduce'
        )


def _check_predicate_call(node: nodes.PredicateCall) -> None:
    given = 1 + (node.predicate is not None) + (node.extra is not None)
    function = PREDICATES[node.name]
    check_count(node.name, given, function.needed, function.allowed)


def _check_operands(node: nodes.Binary) -> None:
    """Refuse what the literal on the right alone shows to be wrong."""
    if isinstance(node.right, nodes.Literal):
        if node.operator == "matches" and isinstance(node.right.value, str):
            compile_pattern(node.right.value)
        elif node.operator == "%" and node.right.value == 0:
            raise ExpressionError("division by zero")
