"""An HCL text as places: where each value begins and ends, by its path."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lark import Token, Tree
from lark.exceptions import UnexpectedInput

from airfreight.errors import TerminalStepError

# Reading takes seconds for each 100 KB.
_LONGEST = 2**20
_COLLECTIONS = ("object", "tuple", "for_object_expr", "for_tuple_expr")
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([nrt"\\]))|([$%])\4(?=\{)')
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}

Node = Tree[Token]
Path = tuple[str | int, ...]


class Value(NamedTuple):
    """A value's path and place; an object or a tuple is no scalar, and what is in it comes as well.

    A block's part of a path is its type, its labels and, as a number, which of the blocks of this name it is.
    """

    path: Path
    start: int
    end: int
    is_scalar: bool

    def is_at(self, parts: Sequence[str]) -> bool:
        """Say whether a key's parts name this value; they may leave the numbers of blocks out."""
        return _fits(self.path, parts, whole=True)

    def is_within(self, parts: Sequence[str]) -> bool:
        """Say whether a key's parts name what this value is in."""
        return _fits(self.path, parts, whole=False)


def _fits(path: Path, parts: Sequence[str], *, whole: bool) -> bool:
    if not parts and (not whole or not path):
        return True
    if not path:
        return False
    first = path[0]
    if parts and parts[0] == str(first) and _fits(path[1:], parts[1:], whole=whole):
        return True
    return isinstance(first, int) and _fits(path[1:], parts, whole=whole)


def values(text: str) -> list[Value]:
    """Return all values of `text` in their order; raises TerminalStepError, with the place, where it is no HCL."""
    # A quarter of a second, which no parse of a DAG file should pay.
    from hcl2 import parses_to_tree

    if len(text) > _LONGEST:
        raise TerminalStepError(f"larger than {_LONGEST // 2**20} MiB of HCL")
    try:
        return [value for body in _trees(parses_to_tree(text)) for value in _body(body, ())]
    except UnexpectedInput as error:
        place = f"line {error.line}, column {error.column}"
        raise TerminalStepError(f"not valid HCL at {place}") from error
    except RecursionError as error:
        raise TerminalStepError("the HCL is nested too deeply") from error


def _body(body: Node, path: Path) -> Iterator[Value]:
    counts = Counter[Path]()
    for node in _trees(body):
        if node.data == "attribute":
            name, expression = _trees(node)
            yield from _value(expression, (*path, _name(name)))
        elif node.data == "block":
            *names, inner = _trees(node)
            here = (*path, *(_name(name) for name in names))
            yield from _body(inner, (*here, counts[here]))
            counts[here] += 1


def _value(expression: Node, path: Path) -> Iterator[Value]:
    core = expression
    while core.data == "expr_term" and len(_trees(core)) == 1:
        (core,) = _trees(core)
    yield Value(path, expression.meta.start_pos, _end(expression), core.data not in _COLLECTIONS)
    if core.data == "object":
        for element in _trees(core):
            key, item = _trees(element)
            yield from _value(item, (*path, _name(key)))
    elif core.data == "tuple":
        for index, item in enumerate(_trees(core)):
            yield from _value(item, (*path, str(index)))


def _trees(node: Node) -> list[Node]:
    """Return the parts of a node that mean something: no punctuation, no comment, no end of a line."""
    return [
        child
        for child in node.children
        if isinstance(child, Tree) and child.data != "new_line_or_comment"
    ]


def _end(node: Node | Token) -> int:
    """Return where a node ends, without the comments behind it and the end of a heredoc's last line."""
    if isinstance(node, Token):
        return (node.start_pos or 0) + len(node.rstrip("\r\n"))
    last = [
        child
        for child in node.children
        if not (isinstance(child, Tree) and child.data == "new_line_or_comment")
    ][-1]
    return _end(last)


def _name(node: Node) -> str:
    """Return what a name, a label or an object's key says; one that is computed is told by its text."""
    tokens = list(node.scan_values(lambda token: isinstance(token, Token)))
    raw = "".join(tokens)
    if [token.type for token in tokens[::2]] != ["DBLQUOTE", "DBLQUOTE"] and raw != '""':
        return raw
    return _ESCAPE.sub(_unescaped, raw[1:-1])


def _unescaped(found: re.Match[str]) -> str:
    short, long, plain, marker = found.groups()
    if short or long:
        return chr(int(short or long, 16))
    return _ESCAPED.get(plain, plain) if plain else marker
