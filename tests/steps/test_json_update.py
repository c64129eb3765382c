from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from airfreight.errors import TerminalStepError
from airfreight.steps.json_edit import set_values
from airfreight.steps.json_update import JsonUpdateStep
from airfreight.steps.value_update import ValueUpdateConfig
from tests.steps.conformance import Members, json_exactly, json_set
from tests.steps.examples import example_config
from tests.steps.files import context_at


@pytest.mark.parametrize(
    ("text", "key", "value", "expected"),
    [
        pytest.param('{\r\n "a" : 1\r\n}\r\n', "a", "x", '{\r\n "a" : "x"\r\n}\r\n', id="crlf"),
        pytest.param('{"a": [1, 2]}\n', "a.-1", 3, '{"a": [1, 2,3]}\n', id="append"),
        pytest.param('{"a": [1, 2]}\n', "a.3", 3, '{"a": [1, 2,null,3]}\n', id="beyond-the-end"),
        pytest.param('{"a": {}}\n', "a.b.0.c", 3, '{"a": {"b":[{"c":3}]}}\n', id="made"),
        pytest.param('{"a": 1}', "b", True, '{"a": 1,"b":true}', id="new"),
        pytest.param('{"a": 1}', "a", 2**70, f'{{"a": {2**70}}}', id="big-number"),
        pytest.param('{"a": 1.50e+3, "b": 1}', "b", 2, '{"a": 1.50e+3, "b": 2}', id="others"),
        pytest.param('{"a": 1}', "a", 1e-7, '{"a": 0.0000001}', id="no-exponent"),
        pytest.param('{"\\u0061": 1}', "a", 2, '{"\\u0061": 2}', id="escaped-key"),
        pytest.param('{"a": "}\\"]", "b": 1}', "b", 2, '{"a": "}\\"]", "b": 2}', id="brackets-in-text"),
        pytest.param('{"a": 1}', "a", "<é\u2028", '{"a": "\\u003cé\\u2028"}', id="gos-escapes"),
        pytest.param("", "a.b", 1, '{"a":{"b":1}}', id="empty-file"),
        pytest.param('\ufeff{"a": 1}', "a", 2, '\ufeff{"a": 2}', id="byte-order-mark"),
        pytest.param('{"l":[{"n":"x"},{"n":"y"}]}', 'l.#(n=="y").n', "z", '{"l":[{"n":"x"},{"n":"z"}]}', id="query"),
        pytest.param('[{"n":1},{"n":2},{"n":3}]', "#(n>=2)#.n", 9, '[{"n":1},{"n":9},{"n":9}]', id="every"),
        pytest.param('{"ab":1,"ac":2}', "a*", 9, '{"ab":9,"ac":2}', id="wildcard"),
        pytest.param('{"a":[1,[2]]}', "a|1|0", 9, '{"a":[1,[9]]}', id="bar"),
    ],
)  # fmt: skip
def test_only_the_asked_value_changes(text: str, key: str, value: Any, expected: str):
    assert set_values(text, [(key, value)]) == expected


@pytest.mark.parametrize(
    ("text", "key", "value", "message"),
    [
        pytest.param('{"a": 1} // c', "a", 2, "line 1, column 10: Extra data", id="comment"),
        pytest.param('{"a": NaN}', "a", 2, "NaN is no number of JSON", id="nan"),
        pytest.param("[" * 100_000, "a", 2, "nested too deeply", id="deep"),
        pytest.param('{"a":1,"a":2}', "a", 2, "'a' is 2 times in one object", id="twice"),
        pytest.param('{"a":[]}', "a.x", 2, "array element for non-numeric key 'x'", id="no-index"),
        pytest.param('{"a":[]}', "a.99999999", 2, "more than 10000", id="far-index"),
        pytest.param('{"a":1}', "b*", 2, "it finds nothing", id="nothing-found"),
        pytest.param('{"a":[1]}', "a.#(b~1)", 2, "expected a query", id="query"),
        pytest.param('{"a":1}', "a", None, 'value for key "a" is not a scalar type', id="null"),
        pytest.param('{"a":1}', "a", float("inf"), "is not a scalar type", id="infinity"),
    ],
)
def test_an_update_that_cannot_be_made_says_why(text: str, key: str, value: Any, message: str):
    with pytest.raises(TerminalStepError, match=message):
        set_values(text, [(key, value)])


NAMES = st.text('ab.:é"\\ ', min_size=1, max_size=3)
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


def _key(parts: list[str]) -> str:
    return ".".join(
        part.replace("\\", "\\\\").replace(".", "\\.").replace(":", "\\:") for part in parts
    )


@given(
    data=st.dictionaries(NAMES, DATA, max_size=4),
    path=st.lists(NAMES | st.sampled_from(["0", "1", "-1"]), min_size=1, max_size=3),
    value=st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False),
    indent=st.sampled_from([None, 2, "\t"]),
    ends=st.sampled_from(["", "\n", "\r\n"]),
    ascii_only=st.booleans(),
)  # fmt: skip
def test_a_change_is_exactly_what_was_asked_or_none(
    data: Any, path: list[str], value: Any, indent: Any, ends: str, ascii_only: bool
):
    text = json.dumps(data, indent=indent, ensure_ascii=ascii_only) + ends
    updates = [(_key(path), value)]
    try:
        changed = set_values(text, updates)
    except TerminalStepError:
        with pytest.raises(ValueError, match="invalid literal for int"):
            json_set(json.loads(text, object_pairs_hook=Members), *updates[0])
    else:
        assert json_exactly(text, updates, changed)


def test_the_step_writes_the_file_and_quotes_strings_in_the_message(tmp_path: Path):
    file = tmp_path / "a.json"
    file.write_text('{"tag": "a", "n": 1}\n')
    config = ValueUpdateConfig.model_validate(
        {"path": "a.json", "updates": [{"key": "tag", "value": 'b"c'}, {"key": "n", "value": 2.0}]}
    )
    for _ in range(2):
        result = JsonUpdateStep().run(config, context_at(tmp_path))
        assert result.output == {"commitMessage": 'Updated a.json\n\n- tag: "b\\"c"\n- n: 2'}
        assert file.read_text() == '{"tag": "b\\"c", "n": 2}\n'


def test_an_error_leaves_the_file_alone(tmp_path: Path):
    file = tmp_path / "a.json"
    file.write_text('{"a": 1}')
    updates = [{"key": "a", "value": 2}, {"key": "b", "value": None}]
    config = ValueUpdateConfig.model_validate({"path": "a.json", "updates": updates})
    with pytest.raises(TerminalStepError, match=r"^a\.json: value for key"):
        JsonUpdateStep().run(config, context_at(tmp_path))
    assert file.read_text() == '{"a": 1}'


def test_a_config_without_updates_is_refused():
    with pytest.raises(ValidationError, match="at least 1 item"):
        JsonUpdateStep.config_type.model_validate({"path": "a.json", "updates": []})


def test_the_example_of_json_update_sets_the_freights_tag(tmp_path: Path):
    file = tmp_path / "source/config.json"
    file.parent.mkdir()
    file.write_text('{"image": {"tag": "1.2.2"}}\n')
    config = ValueUpdateConfig.model_validate(example_config("json-update"))
    JsonUpdateStep().run(config, context_at(tmp_path))
    assert file.read_text() == '{"image": {"tag": "1.2.3"}}\n'
