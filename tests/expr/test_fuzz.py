"""Nothing but `ExpressionError` leaves the language, whatever the text."""

import contextlib
import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airfreight.errors import ExpressionError
from airfreight.expr.program import compile_expression
from airfreight.expr.templates import check_template, evaluate_config, template_names
from airfreight.expr.values import AnyMap, Groups, Moment, Named, Span, Zone

ROWS = json.loads(
    (Path(__file__).parents[1] / "conformance/expressions.json").read_text(encoding="utf-8")
)
SOURCES = [row["expr"] for row in ROWS["cases"]]
PIECES = sorted({piece for source in SOURCES for piece in source.replace("(", " ( ").split()})
ODD = ["#", ".", "?.", "..", "[", "]", "{", "}", "nil", "b'\\xff'", "1e308", "$env", "'\ud800'"]


@st.composite
def spliced(draw):
    """Two seeds cut and joined."""
    left, right = draw(st.sampled_from(SOURCES)), draw(st.sampled_from(SOURCES))
    return left[: draw(st.integers(0, len(left)))] + right[draw(st.integers(0, len(right))) :]


@st.composite
def substituted(draw):
    """A seed with one of its words replaced by another one."""
    words = draw(st.sampled_from(SOURCES)).replace("(", " ( ").replace(",", " , ").split()
    words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from([*PIECES, *ODD]))
    return " ".join(words)


KINDS = {bool, int, float, str, bytes, list, dict, AnyMap, Groups, Moment, Span, Zone, Named}
WORDS = st.lists(st.sampled_from([*PIECES, *ODD]), max_size=12).map(" ".join)
EXPRESSIONS = st.one_of(spliced(), substituted(), WORDS, st.text(max_size=60))


def assert_of_the_language(value):
    """A value of any other class would be a way out."""
    pending = [value]
    while pending:
        inner = pending.pop()
        assert inner is None or type(inner) in KINDS
        if isinstance(inner, list):
            pending += inner
        elif isinstance(inner, dict):
            pending += [*inner.keys(), *inner.values()]


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EXPRESSIONS)
def test_nothing_but_an_expression_error_leaves_an_expression(source):
    with contextlib.suppress(ExpressionError):
        assert_of_the_language(compile_expression(source).run(ROWS["env"]))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EXPRESSIONS, st.sampled_from(["{}", "${{ {} }}", "x${% {} %}", "${{ asYAML({}) }}"]))
def test_nothing_but_an_expression_error_leaves_a_template(source, frame):
    text = frame.replace("{}", source)
    check_template(text)
    template_names(text)
    with contextlib.suppress(ExpressionError):
        evaluate_config({"a": [text]}, ROWS["env"])
