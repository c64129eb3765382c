"""Turn the tree of an expression into functions, one for each node; the outermost runs it.

That is done once for an expression that runs many times. Each function takes a `Frame`, returns the
node's value and gives an error that has no place the node's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeGuard

from airfreight.errors import ExpressionError
from airfreight.expr import nodes
from airfreight.expr.access import ABSENT, fetch, method_of, slice_value
from airfreight.expr.builtin import check_count
from airfreight.expr.catalogue import BUILTINS
from airfreight.expr.functions import Function
from airfreight.expr.limits import Meter
from airfreight.expr.operators import BINARY, apply_unary, contains_element, truth
from airfreight.expr.predicates import PREDICATES, Application, elements
from airfreight.expr.time_methods import METHODS
from airfreight.expr.values import Struct, Value, type_name

_STRUCT_WORDS = 64
_STRUCT_STEPS = 8
_LOGIC = {"and": False, "&&": False, "or": True, "||": True}


@dataclass(slots=True)
class Frame:
    """What an expression, or a predicate within it, works on; a predicate has one for all elements."""

    env: Mapping[str, Value]
    meter: Meter
    variables: Mapping[str, Value]
    item: Value = None
    index: int = 0
    accumulator: Value = None


Code: TypeAlias = Callable[[Frame], Value]


class _Absent(Exception):
    """The target of a ``?.`` is nil: the whole chain is."""


def compile_tree(tree: nodes.Node, functions: Mapping[str, Function]) -> Code:
    """Return what runs `tree`; it raises `ExpressionError` with the offset of the node at fault."""
    return _Compiler(functions, frozenset()).code(tree)


def _placed(run: Code, offset: int) -> Code:
    """Return `run` with the place of its node on errors that have none."""

    def code(frame: Frame) -> Value:
        try:
            return run(frame)
        except ExpressionError as error:
            if error.offset is not None:
                raise
            raise ExpressionError(error.message, error.source, offset) from None

    return code


def _environment(frame: Frame) -> Value:
    frame.meter.container(len(frame.env))
    return dict(frame.env)


class _Compiler:
    def __init__(self, functions: Mapping[str, Function], variables: frozenset[str]) -> None:
        self._functions = functions
        self._variables = variables

    def code(self, node: nodes.Node) -> Code:
        return _COMPILERS[type(node)](self, node)

    def literal(self, node: nodes.Literal) -> Code:
        value = node.value
        return lambda _: value

    def identifier(self, node: nodes.Identifier) -> Code:
        name = node.name
        if name in self._variables:
            return lambda frame: frame.variables[name]
        if name == "$env":
            return _environment
        return lambda frame: frame.env.get(name)

    def pointer(self, node: nodes.Pointer) -> Code:
        if node.name == "index":
            return lambda frame: frame.index
        if node.name == "acc":
            return lambda frame: frame.accumulator
        return lambda frame: frame.item

    def unary(self, node: nodes.Unary) -> Code:
        operator, operand = node.operator, self.code(node.operand)
        return _placed(lambda frame: apply_unary(operator, operand(frame)), node.offset)

    def binary(self, node: nodes.Binary) -> Code:
        if node.operator in _LOGIC:
            return self._logic(node)
        if node.operator == "in" and _is_list_of_literals(node.right):
            return self._in_literals(node, node.right)
        if node.operator == "??":
            return self._coalesced(node)
        left, right, offset = self.code(node.left), self.code(node.right), node.offset
        apply = BINARY[node.operator]

        def code(frame: Frame) -> Value:
            a, b = left(frame), right(frame)
            try:
                return apply(a, b, frame.meter)
            except ExpressionError as error:
                raise ExpressionError(error.message, offset=offset) from None

        return code

    def _coalesced(self, node: nodes.Binary) -> Code:
        left, right = self.code(node.left), self.code(node.right)

        def code(frame: Frame) -> Value:
            value = left(frame)
            return right(frame) if value is None else value

        return code

    def _logic(self, node: nodes.Binary) -> Code:
        """Compile ``and`` or ``or``; the operand that decides comes back as it is, checked or not.

        expr-lang works out what a literal decides before the run.
        """
        stops = _LOGIC[node.operator]
        left, right = self.code(node.left), self.code(node.right)
        if isinstance(node.right, nodes.Literal):
            return right if node.right.value is stops else left

        def code(frame: Frame) -> Value:
            value = left(frame)
            return value if truth(value) is stops else right(frame)

        return _placed(code, node.offset)

    def _in_literals(self, node: nodes.Binary, array: nodes.Array) -> Code:
        left = self.code(node.left)
        known = [item.value for item in array.items if isinstance(item, nodes.Literal)]
        texts = frozenset(value for value in known if isinstance(value, str))
        only_texts = bool(texts) and all(isinstance(value, str) for value in known)

        def code(frame: Frame) -> bool:
            needle = left(frame)
            if not only_texts:
                return contains_element(needle, known, frame.meter)
            if isinstance(needle, str | None):
                return needle in texts
            # expr-lang makes such a list a set of strings.
            raise ExpressionError(
                f"only a string is in a list of strings, not {type_name(needle)}; write string(…)"
            )

        return _placed(code, node.offset)

    def conditional(self, node: nodes.Conditional) -> Code:
        condition = self.code(node.condition)
        then, otherwise = self.code(node.then), self.code(node.otherwise)

        def code(frame: Frame) -> Value:
            return then(frame) if truth(condition(frame)) else otherwise(frame)

        return _placed(code, node.offset)

    def let(self, node: nodes.Let) -> Code:
        name, value = node.name, self.code(node.value)
        body = _Compiler(self._functions, self._variables | {name}).code(node.body)

        def code(frame: Frame) -> Value:
            return body(replace(frame, variables={**frame.variables, name: value(frame)}))

        return code

    def sequence(self, node: nodes.Sequence) -> Code:
        first, last = self.code(node.first), self.code(node.last)

        def code(frame: Frame) -> Value:
            first(frame)
            return last(frame)

        return code

    def array(self, node: nodes.Array) -> Code:
        items = [self.code(item) for item in node.items]
        size = len(items)

        def code(frame: Frame) -> list[Value]:
            frame.meter.container(size)
            return [item(frame) for item in items]

        return _placed(code, node.offset)

    def map(self, node: nodes.Map) -> Code:
        # From the last to the first: of a key that stands twice the first counts.
        pairs = [(self.code(pair.key), self.code(pair.value)) for pair in reversed(node.pairs)]

        def code(frame: Frame) -> dict[str, Value]:
            frame.meter.container(len(pairs))
            result: dict[str, Value] = {}
            for read_key, read_value in pairs:
                key = read_key(frame)
                if not isinstance(key, str):
                    raise ExpressionError(
                        f"the key of a map must be a string, not {type_name(key)}"
                    )
                result[key] = read_value(frame)
            return result

        return _placed(code, node.offset)

    def member(self, node: nodes.Member) -> Code:
        target, key, optional = self.code(node.target), self.code(node.key), node.optional
        name = node.key.value if isinstance(node.key, nodes.Literal) else None
        is_name = isinstance(name, str)

        def code(frame: Frame) -> Value:
            value = target(frame)
            if is_name and type(value) is dict:
                return value.get(name)
            if type(value) is str:
                frame.meter.scan(len(value))
            if value is None and optional:
                raise _Absent
            if type(value) in METHODS:
                raise ExpressionError(
                    f"a value of type {type_name(value)} has methods only: write .Name()"
                )
            return fetch(value, key(frame))

        return _placed(code, node.offset)

    def chain(self, node: nodes.Chain) -> Code:
        body = self.code(node.body)

        def code(frame: Frame) -> Value:
            try:
                return body(frame)
            except _Absent:
                return None

        return code

    def slice(self, node: nodes.Slice) -> Code:
        target, start, stop = (
            self.code(node.target),
            self._bound(node.start),
            self._bound(node.stop),
        )

        def code(frame: Frame) -> Value:
            return slice_value(target(frame), start(frame), stop(frame), frame.meter)

        return _placed(code, node.offset)

    def _bound(self, node: nodes.Node | None) -> Code:
        return self.code(node) if node is not None else lambda _: ABSENT

    def call(self, node: nodes.Call) -> Code:
        arguments = [self.code(argument) for argument in node.arguments]
        injected = self._functions.get(node.name)
        if injected is not None:
            return _placed(_injected_call(injected, arguments), node.offset)
        inside = BUILTINS[node.name].call

        def code(frame: Frame) -> Value:
            given = [argument(frame) for argument in arguments]
            for value in given:
                if type(value) is str:
                    frame.meter.scan(len(value))
            return inside(frame.meter, *given)

        return _placed(code, node.offset)

    def method_call(self, node: nodes.MethodCall) -> Code:
        target, optional = self.code(node.callee.target), node.callee.optional
        read_name = self.code(node.callee.key)
        arguments = [self.code(argument) for argument in node.arguments]

        def code(frame: Frame) -> Value:
            value = target(frame)
            if value is None and optional:
                raise _Absent
            method = _method(value, read_name(frame))
            given = [argument(frame) for argument in arguments]
            check_count(method.name, len(given), method.min_args, method.max_args)
            own = [value] if type(value) in METHODS else []
            return _counted(method.call(*own, *given), frame.meter)

        return _placed(code, node.offset)

    def predicate_call(self, node: nodes.PredicateCall) -> Code:
        function = PREDICATES[node.name].call
        collection = self.code(node.collection)
        predicate = None if node.predicate is None else self.code(node.predicate)
        extra = None if node.extra is None else self.code(node.extra)
        weight = 1 + (0 if node.predicate is None else nodes.size(node.predicate))

        def code(frame: Frame) -> Value:
            inner = Frame(frame.env, frame.meter, frame.variables)

            def apply(item: Value, index: int, accumulator: Value) -> Value:
                frame.meter.step(weight)
                inner.item, inner.index, inner.accumulator = item, index, accumulator
                return predicate(inner) if predicate else item

            call = Application(
                elements(collection(frame), frame.meter),
                apply if predicate else None,
                None if extra is None else lambda: extra(frame),
                frame.meter,
            )
            return function(call)

        return _placed(code, node.offset)


def _injected_call(function: Function, arguments: list[Code]) -> Code:
    call = function.call
    if function.metered:
        return lambda frame: call(frame.meter, *[argument(frame) for argument in arguments])
    return lambda frame: _counted(call(*[argument(frame) for argument in arguments]), frame.meter)


def _counted(value: Value, meter: Meter) -> Value:
    """Return `value`, which was made without a meter, with its size counted."""
    if isinstance(value, str):
        meter.step(len(value) // 8)
        meter.text(len(value))
    elif isinstance(value, Struct):
        meter.step(_STRUCT_STEPS)
        meter.container(_STRUCT_WORDS)
    return value


def _is_list_of_literals(node: nodes.Node) -> TypeGuard[nodes.Array]:
    return isinstance(node, nodes.Array) and all(
        isinstance(item, nodes.Literal) for item in node.items
    )


def _method(value: Value, name: Value) -> Function:
    held = None if isinstance(value, list | bytes | str) else method_of(value, name)
    found = held or METHODS.get(type(value), {}).get(name)
    if found is None:
        raise ExpressionError(f'a value of type {type_name(value)} has no method "{name[:60]}"')
    return found


_COMPILERS: Mapping[type, Callable[[_Compiler, Any], Code]] = {
    nodes.Literal: _Compiler.literal,
    nodes.Identifier: _Compiler.identifier,
    nodes.Pointer: _Compiler.pointer,
    nodes.Unary: _Compiler.unary,
    nodes.Binary: _Compiler.binary,
    nodes.Conditional: _Compiler.conditional,
    nodes.Let: _Compiler.let,
    nodes.Sequence: _Compiler.sequence,
    nodes.Array: _Compiler.array,
    nodes.Map: _Compiler.map,
    nodes.Member: _Compiler.member,
    nodes.Chain: _Compiler.chain,
    nodes.Slice: _Compiler.slice,
    nodes.Call: _Compiler.call,
    nodes.MethodCall: _Compiler.method_call,
    nodes.PredicateCall: _Compiler.predicate_call,
}
