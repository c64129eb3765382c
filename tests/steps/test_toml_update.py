from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from airfreight.errors import TerminalStepError
from airfreight.steps.toml_edit import set_values
from airfreight.steps.toml_update import TomlUpdateStep
from airfreight.steps.value_update import ValueUpdateConfig
from tests.steps.conformance import toml_exactly
from tests.steps.examples import example_config
from tests.steps.files import context_at


@pytest.mark.parametrize(
    ("text", "key", "value", "expected"),
    [
        pytest.param("a = 1 # c\n", "a", 2, "a = 2 # c\n", id="integer-stays-one"),
        pytest.param("a = 1.5\n", "a", 2, "a = 2.0\n", id="float-stays-one"),
        pytest.param("a = 1.5\n", "a", 2**53 + 1, "a = 9007199254740993\n", id="no-float-can-hold-it"),
        pytest.param('a = "x"\n', "a", 8080, "a = 8080\n", id="integer-for-a-string"),
        pytest.param("a = 1\n", "a", 2**63, f"a = {2**63}.0\n", id="beyond-64-bits"),
        pytest.param("a = 1\n", "a", 1e-7, "a = 0.0000001\n", id="no-exponent"),
        pytest.param('a = "x"\r\nb = 1\r\n', "a", "y", "a = 'y'\r\nb = 1\r\n", id="crlf"),
        pytest.param('a = "x"', "a", "it's", 'a = "it\'s"', id="quote"),
        pytest.param('a."b.c" = 1', "a.b\\.c", 2, 'a."b.c" = 2', id="quoted-key"),
        pytest.param('"\\u0061" = 1', "a", 2, '"\\u0061" = 2', id="escaped-key"),
        pytest.param("a = [1, # c\n 2, ]\n", "a.1", 3, "a = [1, # c\n 3, ]\n", id="array"),
        pytest.param("a = {b = {c = 'x'}}\n", "a.b.c", "y", "a = {b = {c = 'y'}}\n", id="inline"),
        pytest.param("[[a]]\nb = 1\n[[a]]\nb = 2\n", "a.1.b", 3, "[[a]]\nb = 1\n[[a]]\nb = 3\n", id="tables"),
        pytest.param('a = """\n]x = 1"""\nx = 1\n', "x", 2, 'a = """\n]x = 1"""\nx = 2\n', id="long-string"),
        pytest.param("a = '''x''''\nb = 1\n", "a", "y", "a = 'y'\nb = 1\n", id="quotes-at-the-end"),
        pytest.param('a = """x\\""""\nb = 1\n', "a", "y", "a = 'y'\nb = 1\n", id="escaped-quotes"),
        pytest.param("a = 2026-01-01 10:00:00Z # c\n", "a", "x", "a = 'x' # c\n", id="date"),
        pytest.param("a = 2026-01-01 # 10:00\n", "a", "x", "a = 'x' # 10:00\n", id="date-and-comment"),
        pytest.param("[a.b]\nc = 1\n", "a.b.c", 2, "[a.b]\nc = 2\n", id="dotted-header"),
    ],
)  # fmt: skip
def test_only_the_asked_scalar_changes(text: str, key: str, value: Any, expected: str):
    assert set_values(text, [(key, value)]) == expected


@pytest.mark.parametrize(
    ("text", "key", "value", "message"),
    [
        pytest.param("a = \n", "a", 2, r"not valid TOML: Invalid value \(at line 1", id="syntax"),
        pytest.param("a = 1\na = 2\n", "a", 2, "not valid TOML", id="twice"),
        pytest.param("a = " + "[" * 20_000, "a", 2, "nested too deeply", id="deep"),
        pytest.param("a = 1\n", "b", 2, "error finding key b: key path not found", id="missing"),
        pytest.param("[a]\nb = 1\n", "a", 2, "instead of a scalar node", id="table"),
        pytest.param("a = []\n", "a", 2, "instead of a scalar node", id="array"),
        pytest.param("[[a]]\n[a.b]\nc=1\n[[a]]\n[a.b]\nc=1\n", "a.b.c", 2, "2 tables of an array", id="several"),
        pytest.param("a = 1\n", "a", None, "value is not a TOML scalar type", id="null"),
        pytest.param("a = 1\n", "a", float("inf"), "value is not a TOML scalar type", id="infinity"),
    ],
)  # fmt: skip
def test_an_update_that_cannot_be_made_says_why(text: str, key: str, value: Any, message: str):
    with pytest.raises(TerminalStepError, match=message):
        set_values(text, [(key, value)])


KEYS = ["a", "t.a", "t.d.e", "t.i.x.y", "t.l.0", "t.l.1.0", "t.l.2.k", "w.0.a", "w.1.a"]
PLACES = st.sampled_from(
    ["1", "0x1F", "1_0.5e3", "nan", "true", "'l'", '"é\\t#"', "'''m\n#l'''", '"""\n "q" ""x\\\n  y"""',
     "2026-01-01", "07:32:00.5", "2026-01-01 07:32:00+01:00"]
)  # fmt: skip


@given(
    raws=st.lists(PLACES, min_size=9, max_size=9),
    end=st.sampled_from(["\n", " # c\r\n", "\t\n\n# next\n"]),
    keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4),
    values=st.lists(
        st.text(max_size=6)
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False),
        min_size=4,
        max_size=4,
    ),
)  # fmt: skip
def test_a_change_is_exactly_what_was_asked(
    raws: list[str], end: str, keys: list[str], values: list[Any]
):
    a, b, c, d, e, f, g, h, i = raws
    text = (
        f"# head\na = {a}{end}[ t ]{end}a={b}{end}d . 'e' = {c}{end}"
        f"i = {{ x.y = {d} , z = [ ] }}{end}l = [ {e} , # [\n [{f}], {{k={g}}}, ]{end}"
        f"[[w]]{end}a = {h}{end}[['w']]{end}\t\"a\" = {i}"
    )
    tomllib.loads(text)
    updates = list(zip(keys, values, strict=False))
    changed = set_values(text, updates)
    assert toml_exactly(text, updates, changed)
    assert set_values(changed, updates) == changed


def test_the_step_writes_the_file_once_and_tells_the_commit_message(tmp_path: Path):
    file = tmp_path / "a.toml"
    file.write_text('tag = "a"\nn = 1\n')
    config = ValueUpdateConfig.model_validate(
        {"path": "a.toml", "updates": [{"key": "tag", "value": "b"}, {"key": "n", "value": 2}]}
    )
    TomlUpdateStep().run(config, context_at(tmp_path))
    written = file.stat()
    result = TomlUpdateStep().run(config, context_at(tmp_path))
    assert result.output == {"commitMessage": "Updated a.toml\n\n- tag: 'b'\n- n: 2"}
    assert file.read_text() == "tag = 'b'\nn = 2\n"
    assert file.stat() == written


def test_a_config_without_a_path_is_refused():
    with pytest.raises(ValidationError, match="Field required"):
        TomlUpdateStep.config_type.model_validate({"updates": [{"key": "a", "value": 1}]})


def test_the_example_of_toml_update_sets_the_freights_tag(tmp_path: Path):
    file = tmp_path / "source/fleet.toml"
    file.parent.mkdir()
    file.write_text('[image]\ntag = "1.2.2" # ours\n')
    config = ValueUpdateConfig.model_validate(example_config("toml-update"))
    TomlUpdateStep().run(config, context_at(tmp_path))
    assert file.read_text() == "[image]\ntag = '1.2.3' # ours\n"
