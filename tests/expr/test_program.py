"""The interface of expressions: injected functions, structs, names, messages."""

import pytest

from airfreight.errors import ExpressionError, TransientError
from airfreight.expr.functions import Function
from airfreight.expr.program import compile_expression
from airfreight.expr.values import Struct

IMAGE = Struct(
    "Image",
    {"RepoURL": "ghcr.io/acme/web", "Tag": "v1", "Bump": Function("Bump", lambda: "v2", 0, 0)},
    {"RepoURL": "repoURL", "Tag": "tag"},
)
FUNCTIONS = {"imageFrom": Function("imageFrom", lambda _: IMAGE, 1, 2)}


def run(source, env=None):
    return compile_expression(source, FUNCTIONS).run(env or {})


def failure(source, env=None):
    with pytest.raises(ExpressionError) as caught:
        run(source, env)
    return caught.value


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("imageFrom('x').Tag", "v1"),
        ("imageFrom('x')?.Tag", "v1"),
        ("imageFrom('x').Bump()", "v2"),
        ("toJSON(imageFrom('x'))", '{\n  "repoURL": "ghcr.io/acme/web",\n  "tag": "v1"\n}'),
        ("type(imageFrom('x'))", "Image"),
        ("'Tag' in imageFrom('x')", True),
    ],
)
def test_a_struct_shows_its_declared_members(source, expected):
    assert run(source) == expected


def test_an_unknown_field_of_a_struct_suggests_the_nearest():
    assert 'did you mean "Tag"' in failure("imageFrom('x').tag").message


@pytest.mark.parametrize("name", ["__class__", "fields", "json_names", "__init__", "type_name"])
@pytest.mark.parametrize("target", ["imageFrom('x')", "'text'", "[1]", "1.5", "now()", "len"])
def test_python_attributes_are_out_of_reach(target, name):
    assert failure(f"{target}.{name}")
    assert failure(f"{target}.{name}()")


def test_a_map_shows_only_its_keys():
    assert run("m.items", {"m": {}}) is None
    assert run("m.__class__", {"m": {}}) is None


def test_a_map_may_hold_functions():
    header = Function("header", lambda name: f"<{name}>", 1, 1)
    assert run("response.header('Link')", {"response": {"header": header}}) == "<Link>"
    assert failure("response.header()", {"response": {"header": header}})


@pytest.mark.parametrize(
    ("source", "hint"),
    [("imagefrom('x')", "imageFrom"), ("uper('x')", "upper"), ("filtr([])", "filter")],
)
def test_an_unknown_function_suggests_the_nearest(source, hint):
    with pytest.raises(ExpressionError, match=f'unknown function .*did you mean "{hint}"'):
        compile_expression(source, FUNCTIONS)


def test_the_number_of_arguments_is_checked_before_the_run():
    with pytest.raises(ExpressionError, match="imageFrom takes 1 to 2 arguments, not 0"):
        compile_expression("imageFrom()", FUNCTIONS)


@pytest.mark.parametrize(
    ("source", "offset"),
    [("1 +", 3), ("1 + 'a'", 2), ("a.b.c", 2), ("foo(1)", 0), ("1 + @", 4), ("[1, #]", 4)],
)
def test_an_error_names_its_place(source, offset):
    error = failure(source)
    assert (error.source, error.offset) == (source, offset)


def test_names_are_the_variables_of_the_environment():
    source = "let x = ctx.stage; map($env.vars, # + x) | len() + outputs['a'].vars"
    assert compile_expression("let x = ctx.stage; map(list, # + x)").names == {"ctx", "list"}
    assert compile_expression("$env.vars.a + upper(b)").names == {"vars", "b"}
    assert failure(source)


def test_the_errors_of_injected_functions_come_through_unchanged():
    def busy():
        raise TransientError("try later", retry_after=3)

    program = compile_expression("1 + busy()", {"busy": Function("busy", busy, 0, 0)})
    with pytest.raises(TransientError, match="try later"):
        program.run({})


def test_a_function_of_the_caller_shadows_a_builtin():
    mine = Function("len", lambda value: "mine", 1, 1)
    assert compile_expression("len([])", {"len": mine}).run({}) == "mine"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a?.b.c", None),
        ("a?.b?.c ?? 'none'", "none"),
        ("a?.[0]", None),
        ("1 < 2 < 3", True),
        ("3 > 2 > 2", False),
        ("not 1 == 2", None),
        ("2 ** 3 ** 2", 512.0),
        ("-7 % 3", -1),
        ("1; 2", 2),
        ("nil ?: 3", None),
        ("{'a': 1}.a", 1),
        ("1 ..2 | map(#index)", [0, 1]),
    ],
)
def test_operators_bind_as_in_expr(source, expected):
    if source in ("not 1 == 2", "nil ?: 3"):
        assert "bool" in failure(source).message
    else:
        assert run(source) == expected
