"""The source of a tree: what `airfreight.expr.parser` reads back as the same tree."""

from __future__ import annotations

from functools import singledispatch

from airfreight.expr import nodes


@singledispatch
def printed(node: nodes.Node) -> str:
    """Return the source of `node`, in parentheses wherever they might matter."""
    raise TypeError(f"no source for {type(node).__name__}")


def _closed(node: nodes.Node) -> str:
    return f"({printed(node)})"


def _listed(items: tuple[nodes.Node, ...]) -> str:
    return ", ".join(map(_closed, items))


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@printed.register
def _(node: nodes.Literal) -> str:
    value = node.value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bytes):
        return 'b"' + "".join(f"\\x{byte:02x}" for byte in value) + '"'
    words = {None: "nil", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else repr(value)


@printed.register
def _(node: nodes.Identifier) -> str:
    return node.name


@printed.register
def _(node: nodes.Pointer) -> str:
    return f"#{node.name}"


@printed.register
def _(node: nodes.Unary) -> str:
    return f"{node.operator} {_closed(node.operand)}"


@printed.register
def _(node: nodes.Binary) -> str:
    return f"{_closed(node.left)} {node.operator} {_closed(node.right)}"


@printed.register
def _(node: nodes.Conditional) -> str:
    return f"{_closed(node.condition)} ? {_closed(node.then)} : {_closed(node.otherwise)}"


@printed.register
def _(node: nodes.Let) -> str:
    return f"let {node.name} = {_closed(node.value)}; {printed(node.body)}"


@printed.register
def _(node: nodes.Sequence) -> str:
    return f"{_closed(node.first)}; {printed(node.last)}"


@printed.register
def _(node: nodes.Array) -> str:
    return f"[{_listed(node.items)}]"


@printed.register
def _(node: nodes.Map) -> str:
    return "{" + ", ".join(map(printed, node.pairs)) + "}"


@printed.register
def _(node: nodes.Pair) -> str:
    return f"{_closed(node.key)}: {_closed(node.value)}"


@printed.register
def _(node: nodes.Member) -> str:
    if isinstance(node.key, nodes.Literal) and continues_chain(node.target):
        return f"{printed(node.target)}{'?.' if node.optional else '.'}{node.key.value}"
    return f"{_closed(node.target)}{'?.' if node.optional else ''}[{_closed(node.key)}]"


@printed.register
def _(node: nodes.Chain) -> str:
    return printed(node.body)


@printed.register
def _(node: nodes.Slice) -> str:
    start = _closed(node.start) if node.start else ""
    stop = _closed(node.stop) if node.stop else ""
    return f"{_closed(node.target)}[{start}:{stop}]"


@printed.register
def _(node: nodes.Call) -> str:
    return f"{node.name}({_listed(node.arguments)})"


@printed.register
def _(node: nodes.MethodCall) -> str:
    target, key = node.callee.target, node.callee.key
    assert isinstance(key, nodes.Literal)
    shown = printed(target) if continues_chain(target) else _closed(target)
    dot = "?." if node.callee.optional else "."
    return f"{shown}{dot}{key.value}({_listed(node.arguments)})"


@printed.register
def _(node: nodes.PredicateCall) -> str:
    given = (node.collection, node.predicate, node.extra)
    return f"{node.name}({_listed(tuple(item for item in given if item is not None))})"


def continues_chain(node: nodes.Node) -> bool:
    """Tell whether `node` has a ``?.`` whose chain is not closed yet, so that only ``.name`` extends it."""
    if isinstance(node, nodes.MethodCall):
        return continues_chain(node.callee)
    return isinstance(node, nodes.Member) and (node.optional or continues_chain(node.target))
