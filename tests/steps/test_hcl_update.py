"""hcl-update: which values keys name, and that nothing but them changes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import hcl2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airfreight.errors import TerminalStepError
from airfreight.steps.hcl_edit import set_values
from airfreight.steps.hcl_update import HclUpdateStep
from airfreight.steps.value_update import ValueUpdateConfig
from tests.steps.conformance import around
from tests.steps.examples import example_config
from tests.steps.files import context_at

IMAGE = "resource.aws_lambda_function.app.image_uri"
RESOURCE = 'resource "aws_lambda_function" "app" {\n  image_uri = "a" # ours\n}\n'
INGRESS = "web {\n  ingress {\n    port = 1\n  }\n  ingress { port = 2 }\n}\n"


@pytest.mark.parametrize(
    ("text", "key", "value", "expected"),
    [
        pytest.param("a = 1 # c\n", "a", 2, "a = 2 # c\n", id="number"),
        pytest.param('a="x"', "a", "y", 'a="y"', id="no-space-no-end"),
        pytest.param('a = "x"\r\nb = 1\r\n', "a", True, "a = true\r\nb = 1\r\n", id="crlf"),
        pytest.param("a = -1.5e3 // c\n", "a", 1e-7, "a = 0.0000001 // c\n", id="no-exponent"),
        pytest.param("a = null\n", "a", 10**20, "a = 100000000000000000000\n", id="large"),
        pytest.param("a = 1 /* x */\n", "a", False, "a = false /* x */\n", id="comment-behind"),
        pytest.param("# a = 0\na = 1\n", "a", 2, "# a = 0\na = 2\n", id="comment-before"),
        pytest.param('a = 1\n', "a", 'q"\\\n\t', 'a = "q\\"\\\\\\n\\t"\n', id="escapes"),
        pytest.param("a = 1\n", "a", "x${b}%{c}$d", 'a = "x$${b}%%{c}$d"\n', id="no-template"),
        pytest.param("a = 1\n", "a", "é\u2028", 'a = "é\\u2028"\n', id="unprintable"),
        pytest.param('a = "${var.x}-1"\n', "a", "y", 'a = "y"\n', id="template"),
        pytest.param("a = foo(1) + var.x # c\n", "a", 2, "a = 2 # c\n", id="expression"),
        pytest.param('a = b ? "x" : "y"\nc = 1\n', "a", 2, "a = 2\nc = 1\n", id="conditional"),
        pytest.param("a = (\n 1 # c\n)\n", "a", 2, "a = 2\n", id="parentheses"),
        pytest.param("a = <<EOT\nx = 1\n${b}\nEOT\nx = 2\n", "a", "y", 'a = "y"\nx = 2\n', id="heredoc"),
        pytest.param("a = <<E\nx = 1\nE\nx = 2\n", "x", 3, "a = <<E\nx = 1\nE\nx = 3\n", id="in-heredoc"),
        pytest.param('a = "b = 1"\nb = 1\n', "b", 2, 'a = "b = 1"\nb = 2\n', id="in-string"),
        pytest.param(RESOURCE, IMAGE, "b", RESOURCE.replace('"a"', '"b"'), id="labels"),
        pytest.param("variable x {\n a = 1\n}\n", "variable.x.a", 2, "variable x {\n a = 2\n}\n", id="bare-label"),
        pytest.param('a "x.y" { b = 1 }\n', "a.x\\.y.b", 2, 'a "x.y" { b = 2 }\n', id="dot-in-label"),
        pytest.param(INGRESS, "web.ingress.1.port", 3, INGRESS.replace("2", "3"), id="second-block"),
        pytest.param(INGRESS, "web.0.ingress.0.port", 3, INGRESS.replace("1", "3"), id="all-numbers"),
        pytest.param("t = { a = 1, \"b.c\" : 2 }\n", "t.b\\.c", 3, 't = { a = 1, "b.c" : 3 }\n', id="object"),
        pytest.param("t = {\n a = 1\n in = 2\n}\n", "t.in", 3, "t = {\n a = 1\n in = 3\n}\n", id="keyword"),
        pytest.param("t = [1, # [\n {a = 2}, ]\n", "t.1.a", 3, "t = [1, # [\n {a = 3}, ]\n", id="tuple"),
    ],
)  # fmt: skip
def test_only_the_asked_value_changes(text: str, key: str, value: Any, expected: str) -> None:
    changed = set_values(text, [(key, value)])
    assert changed == expected
    assert set_values(changed, [(key, value)]) == expected


@pytest.mark.parametrize(
    ("text", "key", "value", "message"),
    [
        pytest.param("a = \n", "a", 2, "not valid HCL at line 1, column", id="syntax"),
        pytest.param("a = 1\n}\n", "a", 2, "not valid HCL at line 2, column 1", id="brace"),
        pytest.param("a = " + "[" * 2_000 + "]" * 2_000, "a", 2, "nested too deeply", id="deep"),
        pytest.param("a = 1\n" * 200_000, "a", 2, "larger than 1 MiB of HCL", id="long"),
        pytest.param("a = 1\n", "b", 2, "error finding key b: there is no such attribute", id="missing"),
        pytest.param(RESOURCE, "resource.aws_lambda_function.image_uri", 2, "no such attribute", id="no-label"),
        pytest.param(RESOURCE, "resource.aws_lambda_function", 2, "names a block, an object or a tuple", id="block"),
        pytest.param("a = {b = 1}\n", "a", 2, "names a block, an object or a tuple", id="object"),
        pytest.param("a = []\n", "a", 2, "names a block, an object or a tuple", id="tuple"),
        pytest.param("a = [for x in y : x]\n", "a", 2, "names a block, an object or a tuple", id="for"),
        pytest.param(INGRESS, "web.ingress.port", 2, "2 values .*: web.0.ingress.0.port and web.0", id="several"),
        pytest.param("a = 1\n", "a", None, "expected a string, a number or a boolean", id="null"),
        pytest.param("a = 1\n", "a", [1], "expected a string, a number or a boolean", id="list"),
        pytest.param("a = 1\n", "a", float("inf"), "expected a string, a number or a boolean", id="infinity"),
        pytest.param("a = 1\n", "a..b", 2, "empty key part", id="key"),
    ],
)  # fmt: skip
def test_an_update_that_cannot_be_made_says_why(
    text: str, key: str, value: Any, message: str
) -> None:
    with pytest.raises(TerminalStepError, match=message):
        set_values(text, [(key, value)])


PLACES = ["1", "-0.5", "null", '"s # ${f("x")} }"', "<<-E\n  x = {\n  E", "var.x[0]", "f(1, [2])"]
VALUES = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{"), max_size=6)
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
)


@settings(max_examples=50)
@given(
    raws=st.lists(st.sampled_from(PLACES), min_size=4, max_size=4),
    end=st.sampled_from(["\n", '\n\n  # { " =\n', "\r\n"]),
    places=st.sets(st.integers(0, 3), min_size=1),
    news=st.lists(VALUES, min_size=4, max_size=4),
)
def test_a_change_is_exactly_what_was_asked(
    raws: list[str], end: str, places: set[int], news: list[Any]
) -> None:
    between = [
        "top = ",
        f'{end}b "l" {{{end}a = ',
        f"{end}  c {{{end}a = ",
        f"{end}}}{end}}}{end}o = {{ k = ",
        f"{end}}}{end}",
    ]
    keys = ["top", "b.l.a", "b.l.c.a", "o.k"]
    text = "".join(part + raw for part, raw in zip(between, [*raws, ""], strict=True))
    changed = set_values(text, [(keys[place], news[place]) for place in places])
    starts = [
        len("".join(f"{b}{r}" for b, r in zip(between[: i + 1], [*raws[:i], ""], strict=True)))
        for i in range(4)
    ]
    written = around(
        text, [(starts[place], starts[place] + len(raws[place])) for place in places], changed
    )
    assert written is not None
    for raw, place in zip(written, sorted(places), strict=True):
        assert type(news[place])(_read(raw)) == news[place]
    hcl2.parses_to_tree(changed)


def _read(raw: str) -> Any:
    """Return what a written literal says; JSON has HCL's numbers, booleans and, but for long ones, escapes."""
    return json.loads(
        re.sub(r"\\U([0-9a-f]{8})", lambda found: chr(int(found[1], 16)), raw), strict=False
    )


def test_the_step_writes_the_file_once_and_tells_the_commit_message(tmp_path: Path) -> None:
    file = tmp_path / "a.tfvars"
    file.write_text('tag = "a"\nn = 1\n')
    config = ValueUpdateConfig.model_validate(
        {"path": "a.tfvars", "updates": [{"key": "tag", "value": "b"}, {"key": "n", "value": 2}]}
    )
    HclUpdateStep().run(config, context_at(tmp_path))
    written = file.stat()
    result = HclUpdateStep().run(config, context_at(tmp_path))
    assert result.output == {"commitMessage": 'Updated a.tfvars\n\n- tag: "b"\n- n: 2'}
    assert file.read_text() == 'tag = "b"\nn = 2\n'
    assert file.stat() == written


def test_a_file_with_one_update_that_fails_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "a.tfvars"
    file.write_text("a = 1\n")
    updates = [{"key": "a", "value": 2}, {"key": "b", "value": 2}]
    config = ValueUpdateConfig.model_validate({"path": "a.tfvars", "updates": updates})
    with pytest.raises(TerminalStepError, match=r"a\.tfvars: error finding key b"):
        HclUpdateStep().run(config, context_at(tmp_path))
    assert file.read_text() == "a = 1\n"


def test_the_example_of_hcl_update_sets_the_freights_tag(tmp_path: Path) -> None:
    file = tmp_path / "source/prod/env.auto.tfvars"
    file.parent.mkdir(parents=True)
    file.write_text('image_uri     = "ghcr.io/acme/shop:1.2.2" # ours\nreplica_count = 2\n')
    config = ValueUpdateConfig.model_validate(example_config("hcl-update"))
    HclUpdateStep().run(config, context_at(tmp_path))
    assert file.read_text() == (
        'image_uri     = "ghcr.io/acme/shop:1.2.3" # ours\nreplica_count = 3\n'
    )
