"""Parse the source of an expression into the tree of `airfreight.expr.nodes`."""

from __future__ import annotations

from collections.abc import Sequence as Many
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput
from lark.exceptions import VisitError

from airfreight.errors import ExpressionError
from airfreight.expr import nodes
from airfreight.expr.braces import PredicateBraces
from airfreight.expr.limits import DEFAULT_LIMITS, Limits
from airfreight.expr.literals import bytes_value, number_value, raw_text_value, text_value
from airfreight.expr.precedence import Infix, Pipe, Prefixed, build_row

# As deep as a tree may be: without it a row of "!" takes quadratic time.
_PREFIXES = DEFAULT_LIMITS.depth
_WORDS = {"true": True, "false": False, "nil": None}


def parse(source: str, limits: Limits) -> nodes.Node:
    """Return the tree of `source`; raises `ExpressionError` with the place of the fault."""
    if len(source) > limits.source_length:
        raise ExpressionError(
            f"the expression has {len(source)} characters; {limits.source_length} are allowed"
        )
    try:
        tree = _parser().parse(source)
    except UnexpectedInput as error:
        raise _syntax_error(source, error) from None
    except VisitError as error:
        raise _visit_error(source, error.orig_exc) from None
    except ExpressionError as error:
        raise ExpressionError(error.message, source, error.offset) from None
    except RecursionError:
        raise ExpressionError("the expression nests too deeply", source) from None
    assert isinstance(tree, nodes.Node)  # noqa: S101 - lark's result has no type
    return tree


@cache
def _parser() -> Lark:
    grammar = files("airfreight.expr").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(
        grammar,
        parser="lalr",
        lexer="basic",
        postlex=PredicateBraces(),
        maybe_placeholders=False,
        transformer=_Builder(),
    )


def _visit_error(source: str, error: Exception) -> Exception:
    if isinstance(error, ExpressionError):
        return ExpressionError(error.message, source, error.offset)
    return error


def _syntax_error(source: str, error: UnexpectedInput) -> ExpressionError:
    if isinstance(error, UnexpectedCharacters):
        offset = error.pos_in_stream or 0
        character = source[offset]
        if character in "\"'`":
            return ExpressionError("the text is not closed by its quote", source, offset)
        if source.startswith("/*", offset):
            return ExpressionError('the comment is not closed by "*/"', source, offset)
        return ExpressionError(f'unexpected character "{character}"', source, offset)
    token: Token | None = getattr(error, "token", None)
    if token is None or token.type == "$END":
        return ExpressionError("the expression ends too early", source, len(source))
    return ExpressionError(f'unexpected "{token[:40]}"', source, token.start_pos)


def _at(token: Token) -> int:
    return token.start_pos or 0


class _Builder(Transformer[Token, nodes.Node]):
    """Called by the parser at each rule, so that deep sources cost no recursion."""

    def start(self, parts: list[Any]) -> Any:
        return parts[0]

    def then(self, parts: list[Any]) -> Any:
        return nodes.Sequence(parts[0].offset, parts[0], parts[1])

    def let(self, parts: list[Any]) -> Any:
        _, name, value, body = parts
        return nodes.Let(_at(name), str(name), value, body)

    def ternary(self, parts: list[Any]) -> Any:
        condition, query, then, otherwise = parts
        return nodes.Conditional(_at(query), condition, then, otherwise)

    def elvis(self, parts: list[Any]) -> Any:
        condition, query, otherwise = parts
        return nodes.Conditional(_at(query), condition, condition, otherwise)

    def condition(self, parts: list[Any]) -> Any:
        word, condition, then, _, otherwise = parts
        return nodes.Conditional(_at(word), condition, then, otherwise)

    def row(self, parts: list[Any]) -> Any:
        return build_row(_prefixed(parts[0]), parts[1:])

    def infix(self, parts: list[Any]) -> Any:
        operator, operand = parts
        return Infix(_at(operator), str(operator), _prefixed(operand))

    def negated_infix(self, parts: list[Any]) -> Any:
        _, operator, operand = parts
        return Infix(_at(operator), str(operator), _prefixed(operand), negated=True)

    def pipe(self, parts: list[Any]) -> Any:
        return Pipe(self.call(parts))

    def predicate_pipe(self, parts: list[Any]) -> Any:
        name, rest = parts
        placeholder = nodes.Literal(_at(name), None)
        return Pipe(self.predicate_call([name, placeholder, rest]))

    def unary(self, parts: list[Any]) -> Any:
        operator, operand = parts
        inner = _prefixed(operand)
        if len(inner.operators) >= _PREFIXES:
            raise ExpressionError("the expression nests too deeply", offset=_at(operator))
        return Prefixed(((str(operator), _at(operator)), *inner.operators), inner.operand)

    def member(self, parts: list[Any]) -> Any:
        target, dot, name = parts
        return _linked(target, name, optional=dot == "?.")

    def method(self, parts: list[Any]) -> Any:
        target, dot, name, arguments = parts
        return _linked(target, name, optional=dot == "?.", arguments=arguments)

    def item_member(self, parts: list[Any]) -> Any:
        dot, name = parts
        return _linked(nodes.Pointer(_at(dot), ""), name, optional=False)

    def item_method(self, parts: list[Any]) -> Any:
        dot, name, arguments = parts
        return _linked(nodes.Pointer(_at(dot), ""), name, optional=False, arguments=arguments)

    def index(self, parts: list[Any]) -> Any:
        target, bracket, key = parts
        return nodes.Member(_at(bracket), target, key)

    def optional_index(self, parts: list[Any]) -> Any:
        target, _, bracket, key = parts
        return nodes.Chain(_at(bracket), nodes.Member(_at(bracket), target, key, optional=True))

    def slice_all(self, parts: list[Any]) -> Any:
        return nodes.Slice(_at(parts[1]), parts[0], None, None)

    def slice_to(self, parts: list[Any]) -> Any:
        return nodes.Slice(_at(parts[1]), parts[0], None, parts[2])

    def slice_from(self, parts: list[Any]) -> Any:
        return nodes.Slice(_at(parts[1]), parts[0], parts[2], None)

    def slice(self, parts: list[Any]) -> Any:
        return nodes.Slice(_at(parts[1]), parts[0], parts[2], parts[3])

    def number(self, parts: list[Token]) -> Any:
        return _literal(parts[0], number_value)

    def string(self, parts: list[Token]) -> Any:
        return _literal(parts[0], text_value)

    def raw_string(self, parts: list[Token]) -> Any:
        return _literal(parts[0], raw_text_value)

    def bytes(self, parts: list[Token]) -> Any:
        return _literal(parts[0], bytes_value)

    def identifier(self, parts: list[Token]) -> Any:
        (name,) = parts
        if name in _WORDS:
            return nodes.Literal(_at(name), _WORDS[name])
        return nodes.Identifier(_at(name), str(name))

    def pointer(self, parts: list[Token]) -> Any:
        return nodes.Pointer(_at(parts[0]), parts[0][1:])

    def array(self, parts: list[Any]) -> Any:
        return nodes.Array(_at(parts[0]), tuple(parts[1:]))

    def map(self, parts: list[Any]) -> Any:
        return nodes.Map(_at(parts[0]), tuple(parts[1:]))

    def named_pair(self, parts: list[Any]) -> Any:
        name, value = parts
        if name.type == "NUMBER":
            _literal(name, number_value)
        return nodes.Pair(_at(name), nodes.Literal(_at(name), str(name)), value)

    def quoted_pair(self, parts: list[Any]) -> Any:
        key, value = parts
        return nodes.Pair(_at(key), _literal(key, text_value), value)

    def computed_pair(self, parts: list[Any]) -> Any:
        key, value = parts
        return nodes.Pair(key.offset, key, value)

    def call(self, parts: list[Any]) -> Any:
        name, arguments = parts
        return nodes.Call(_at(name), str(name), arguments)

    def predicate_call(self, parts: list[Any]) -> Any:
        name, collection, (predicate, extra) = parts
        return nodes.PredicateCall(_at(name), str(name), collection, predicate, extra)

    def arguments(self, parts: list[Any]) -> Any:
        return tuple(parts)

    def predicate_rest(self, parts: list[Any]) -> Any:
        return (*parts, None, None)[:2]

    def predicate_tail(self, parts: list[Any]) -> Any:
        return (*parts, None, None)[:2]

    def block(self, parts: list[Any]) -> Any:
        return parts[1]

    def any_name(self, parts: list[Token]) -> Any:
        return parts[0]


def _prefixed(operand: Any) -> Prefixed:
    return operand if isinstance(operand, Prefixed) else Prefixed((), operand)


def _literal(token: Token, read: Any) -> nodes.Literal:
    try:
        return nodes.Literal(_at(token), read(str(token)))
    except ExpressionError as error:
        raise ExpressionError(error.message, offset=_at(token)) from None


def _linked(
    target: nodes.Node,
    name: Token,
    *,
    optional: bool,
    arguments: Many[nodes.Node] | None = None,
) -> nodes.Node:
    """Return ``target.name``; a member after ``?.`` belongs to the same chain."""
    chained = isinstance(target, nodes.Chain)
    body = target.body if isinstance(target, nodes.Chain) else target
    key = nodes.Literal(_at(name), str(name))
    member = nodes.Member(_at(name), body, key, optional)
    node: nodes.Node = member
    if arguments is not None:
        node = nodes.MethodCall(_at(name), member, tuple(arguments))
    return nodes.Chain(_at(name), node) if chained or optional else node
