"""Turn a flat row of operands and operators into a tree, by expr-lang's table.

Two rules are outside every table: ``not`` reaches further to the right than the operators that may
stand before it, and after ``??`` no other operator may follow without parentheses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airfreight.errors import ExpressionError
from airfreight.expr.nodes import Binary, Call, Node, PredicateCall, Unary

_PREFIX = {"not": 50, "!": 50, "-": 90, "+": 90}
_INFIX = {
    **dict.fromkeys(("or", "||"), 10),
    **dict.fromkeys(("and", "&&"), 15),
    **dict.fromkeys(("==", "!=", "<", ">", ">=", "<="), 20),
    **dict.fromkeys(("in", "matches", "contains", "startsWith", "endsWith"), 20),
    "..": 25,
    **dict.fromkeys(("+", "-"), 30),
    **dict.fromkeys(("*", "/", "%"), 60),
    **dict.fromkeys(("**", "^"), 100),
    "??": 500,
}
_RIGHT_ASSOCIATIVE = {"**", "^"}
_COMPARISONS = {"<", ">", "<=", ">="}
_NEGATABLE = {"in", "matches", "contains", "startsWith", "endsWith"}


@dataclass(frozen=True)
class Prefixed:
    """An operand with the operators before it, outermost first, each with its offset."""

    operators: tuple[tuple[str, int], ...]
    operand: Node


@dataclass(frozen=True)
class Infix:
    """An operator and the operand on its right; `negated` after ``not``."""

    offset: int
    operator: str
    operand: Prefixed
    negated: bool = False


@dataclass(frozen=True)
class Pipe:
    """``| f(…)``: the row so far becomes the first argument of `call`."""

    call: Call | PredicateCall


def build_row(first: Prefixed, tail: Sequence[Infix | Pipe]) -> Node:
    """Return the tree of ``first tail…``; raises `ExpressionError` where operators cannot mix."""
    row = _Row(first, tail)
    node = row.expression(0)
    while (pipe := row.take_pipe()) is not None:
        node = row.rest(_piped(node, pipe.call), 0)
    return node


def _piped(value: Node, call: Call | PredicateCall) -> Node:
    if isinstance(call, Call):
        return Call(call.offset, call.name, (value, *call.arguments))
    return PredicateCall(call.offset, call.name, value, call.predicate, call.extra)


class _Row:
    def __init__(self, first: Prefixed, tail: Sequence[Infix | Pipe]) -> None:
        self._operand = first
        self._tail = tail
        self._position = 0

    def take_pipe(self) -> Pipe | None:
        """Return the pipe at the front of what is left."""
        if self._position < len(self._tail):
            item = self._tail[self._position]
            if isinstance(item, Pipe):
                self._position += 1
                return item
        return None

    def expression(self, level: int) -> Node:
        """Return the operand at hand with all operators that bind at `level` or tighter."""
        return self.rest(self._prefixed(), level)

    def rest(self, left: Node, level: int) -> Node:
        """Return `left` with the operators after it that bind at `level` or tighter."""
        previous = ""
        while (item := self._peek(level)) is not None:
            if previous == "??" and item.operator != "??":
                raise ExpressionError(
                    f'"{item.operator}" cannot follow "??": put one of them in parentheses',
                    offset=item.offset,
                )
            left = self._joined(left, item)
            previous = item.operator
        return left

    def _peek(self, level: int) -> Infix | None:
        if self._position < len(self._tail):
            item = self._tail[self._position]
            if isinstance(item, Infix) and _INFIX[item.operator] >= level:
                return item
        return None

    def _prefixed(self) -> Node:
        operators, operand = self._operand.operators, self._operand.operand
        if not operators:
            return operand
        (operator, offset), rest = operators[0], operators[1:]
        self._operand = Prefixed(rest, operand)
        return Unary(offset, operator, self.expression(_PREFIX[operator]))

    def _right(self, item: Infix) -> Node:
        self._position += 1
        self._operand = item.operand
        level = _INFIX[item.operator]
        return self.expression(level if item.operator in _RIGHT_ASSOCIATIVE else level + 1)

    def _joined(self, left: Node, item: Infix) -> Node:
        if item.operator in _COMPARISONS:
            return self._comparisons(left, item)
        node: Node = Binary(item.offset, item.operator, left, self._right(item))
        if item.negated:
            if item.operator not in _NEGATABLE:
                raise ExpressionError(f'"not {item.operator}" is no operator', offset=item.offset)
            node = Unary(item.offset, "not", node)
        return node

    def _comparisons(self, left: Node, item: Infix) -> Node:
        """``a < b < c`` means ``a < b && b < c``."""
        whole: Node | None = None
        following: Infix | None = item
        while following is not None and following.operator in _COMPARISONS:
            right = self._right(following)
            link = Binary(following.offset, following.operator, left, right)
            whole = Binary(following.offset, "&&", whole, link) if whole else link
            left = right
            following = self._peek(_INFIX["<"])
        assert whole is not None  # noqa: S101 - for the type checker: the loop runs at least once
        return whole
