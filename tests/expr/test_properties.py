"""What holds for every tree, every expression, every environment."""

import contextlib
import copy
import json
from dataclasses import fields, replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airfreight.errors import ExpressionError
from airfreight.expr import nodes
from airfreight.expr.catalogue import BUILTINS
from airfreight.expr.limits import DEFAULT_LIMITS
from airfreight.expr.parser import parse
from airfreight.expr.predicates import PREDICATES
from airfreight.expr.program import compile_expression
from airfreight.expr.templates import evaluate_config
from tests.expr.printer import printed

ROWS = json.loads(
    (Path(__file__).parents[1] / "conformance/expressions.json").read_text(encoding="utf-8")
)
ENV = ROWS["env"]
OPERATORS = [
    *("or", "||", "and", "&&", "==", "!=", "<", ">", "<=", ">=", "in", "matches", "contains"),
    *("startsWith", "endsWith", "..", "+", "-", "*", "/", "%", "**", "^", "??"),
]
SLOW_MACHINES = [HealthCheck.too_slow]

NAMES = st.sampled_from(["a", "b2", "$env", "naïve", "_x", "lets", "iffy"])
MEMBER_NAMES = st.one_of(NAMES, st.sampled_from(["let", "not", "in", "filter", "if"]))
POINTERS = st.sampled_from(["", "acc", "index"])
NUMBERS = st.one_of(
    st.integers(0, 2**63 - 1), st.floats(0, allow_nan=False, allow_infinity=False).map(abs)
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8), st.binary(max_size=4))
LEAVES = st.one_of(
    st.builds(nodes.Literal, st.just(0), SCALARS),
    st.builds(nodes.Identifier, st.just(0), NAMES),
    st.builds(nodes.Pointer, st.just(0), POINTERS),
)


def built(kind, *parts):
    """A strategy for nodes of `kind`, all at offset 0."""
    return st.builds(kind, st.just(0), *parts)


def lists(inner):
    return st.lists(inner, max_size=3).map(tuple)


@st.composite
def chains(draw, inner):
    """``target?.…`` with the links that belong to the same chain."""
    body = nodes.Member(0, draw(inner), draw(inner), optional=True)
    for name in draw(st.lists(MEMBER_NAMES, max_size=3)):
        member = nodes.Member(0, body, nodes.Literal(0, name), draw(st.booleans()))
        is_call = draw(st.booleans())
        body = nodes.MethodCall(0, member, draw(lists(inner))) if is_call else member
    return nodes.Chain(0, body)


def is_open(target):
    """A method's target must not be a chain: the parser would take the method into it."""
    return not isinstance(target, nodes.Chain)


def branches(inner):
    literal = built(nodes.Literal, MEMBER_NAMES)
    method = built(nodes.Member, inner.filter(is_open), literal)
    predicates = st.sampled_from(sorted(PREDICATES))
    optional = st.one_of(st.none(), inner)
    return st.one_of(
        built(nodes.Unary, st.sampled_from(["not", "!", "-", "+"]), inner),
        built(nodes.Binary, st.sampled_from(OPERATORS), inner, inner),
        built(nodes.Conditional, inner, inner, inner),
        built(nodes.Let, NAMES, inner, inner),
        built(nodes.Sequence, inner, inner),
        built(nodes.Array, lists(inner)),
        built(nodes.Map, lists(built(nodes.Pair, inner, inner))),
        built(nodes.Member, inner, inner),
        chains(inner),
        built(nodes.Slice, inner, optional, optional),
        built(nodes.Call, NAMES, lists(inner)),
        built(nodes.MethodCall, method, lists(inner)),
        built(nodes.PredicateCall, predicates, inner, st.none(), st.none()),
        built(nodes.PredicateCall, predicates, inner, inner, optional),
    )


TREES = st.recursive(LEAVES, branches, max_leaves=12)


def placeless(value):
    """Return a tree with every offset at 0."""
    if isinstance(value, tuple):
        return tuple(map(placeless, value))
    if not isinstance(value, nodes.Node):
        return value
    held = {field.name: placeless(getattr(value, field.name)) for field in fields(value)}
    return replace(value, **{**held, "offset": 0})


@settings(max_examples=400, deadline=None, suppress_health_check=SLOW_MACHINES)
@given(TREES)
def test_a_tree_that_is_printed_and_parsed_is_the_same_tree(tree):
    # By their representations: 1, 1.0 and true are equal to Python.
    assert repr(placeless(parse(printed(tree), DEFAULT_LIMITS))) == repr(tree)


def test_every_row_that_parses_is_printed_and_parsed_to_the_same_tree():
    printed_rows = 0
    for row in ROWS["cases"]:
        with contextlib.suppress(ExpressionError):
            tree = parse(row["expr"], DEFAULT_LIMITS)
            again = parse(printed(tree), DEFAULT_LIMITS)
            assert repr(placeless(again)) == repr(placeless(tree)), row["expr"]
            printed_rows += 1
    assert printed_rows > 200


VARIABLES = st.sampled_from(
    ["vars", "images", "nums", "strs", "nested.a.b.c", "outputs.http.body.items", "vars.regions"]
)
ARGUMENTS = st.one_of(
    VARIABLES, st.sampled_from(["1", "'desc'", "'tag'", "nil", "[nums]", "{a: strs}"])
)
PREDICATE_BODIES = st.sampled_from(["#", "true", "-#", "#.tag", "#index", "[#]", "# in nums"])
CALLS = st.one_of(
    st.tuples(st.sampled_from(sorted(BUILTINS)), VARIABLES, st.lists(ARGUMENTS, max_size=2)).map(
        lambda call: f"{call[0]}({', '.join([call[1], *call[2]])})"
    ),
    st.tuples(st.sampled_from(sorted(PREDICATES)), VARIABLES, PREDICATE_BODIES).map(
        lambda call: f"{call[0]}({call[1]}, {call[2]})"
    ),
)
EXPRESSIONS = st.one_of(
    st.sampled_from([row["expr"] for row in ROWS["cases"]]),
    CALLS,
    st.tuples(CALLS, CALLS).map(lambda pair: f"[{pair[0]}, let x = {pair[1]}; concat(x, nums)]"),
)


def spelled(env):
    """Every value with its type, every key in its order."""
    return json.dumps(env)


@settings(max_examples=700, deadline=None, suppress_health_check=SLOW_MACHINES)
@given(EXPRESSIONS)
def test_no_evaluation_changes_its_environment(source):
    env = copy.deepcopy(ENV)
    with contextlib.suppress(ExpressionError):
        compile_expression(source).run(env)
    with contextlib.suppress(ExpressionError):
        evaluate_config({"a": [f"${{% {source} %}}"]}, env)
    assert spelled(env) == spelled(ENV)
