"""The immutable tree of a parsed expression; `offset` is the index of the node in the source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from airfreight.expr.values import Value


@dataclass(frozen=True)
class Node:
    """Anything that evaluates to a value."""

    offset: int


@dataclass(frozen=True)
class Literal(Node):
    """A number, text, bool, nil or bytes."""

    value: Value


@dataclass(frozen=True)
class Identifier(Node):
    """A variable: one of ``let``, or one of the environment."""

    name: str


@dataclass(frozen=True)
class Pointer(Node):
    """``#``, ``#index`` or ``#acc`` of the innermost predicate; `name` is empty for ``#``."""

    name: str


@dataclass(frozen=True)
class Unary(Node):
    """An operator before its operand: ``not``, ``!``, ``-`` or ``+``."""

    operator: str
    operand: Node


@dataclass(frozen=True)
class Binary(Node):
    """An operator between two operands."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Conditional(Node):
    """``c ? a : b`` or ``if c { a } else { b }``."""

    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True)
class Let(Node):
    """``let name = value; body``."""

    name: str
    value: Node
    body: Node


@dataclass(frozen=True)
class Sequence(Node):
    """Expressions with ``;`` between them: all are evaluated, the last gives the value."""

    first: Node
    last: Node


@dataclass(frozen=True)
class Array(Node):
    """``[a, b]``."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Pair(Node):
    """``key: value`` of a map."""

    key: Node
    value: Node


@dataclass(frozen=True)
class Map(Node):
    """``{key: value}``."""

    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Member(Node):
    """``target.name`` or ``target[index]``; an `optional` one of nil ends its `Chain` with nil."""

    target: Node
    key: Node
    optional: bool = False


@dataclass(frozen=True)
class Chain(Node):
    """The reach of the ``?.`` within `body`."""

    body: Node


@dataclass(frozen=True)
class Slice(Node):
    """``target[start:stop]``."""

    target: Node
    start: Node | None
    stop: Node | None


@dataclass(frozen=True)
class Call(Node):
    """A built-in or injected function."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class MethodCall(Node):
    """``target.name(…)``."""

    callee: Member
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class PredicateCall(Node):
    """``filter(collection, predicate)`` and its kin; `extra` is the third argument."""

    name: str
    collection: Node
    predicate: Node | None
    extra: Node | None


def children(node: Node) -> Iterator[tuple[str, Node]]:
    """Yield each node right below `node`, with the name of its field."""
    for held in fields(node):
        value = getattr(node, held.name)
        for child in value if isinstance(value, tuple) else (value,):
            if isinstance(child, Node):
                yield held.name, child


def size(node: Node) -> int:
    """Return how many nodes the tree has."""
    count, pending = 0, [node]
    while pending:
        current = pending.pop()
        count += 1
        pending.extend(child for _, child in children(current))
    return count
