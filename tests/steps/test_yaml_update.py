from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from airfreight.errors import TerminalStepError
from airfreight.steps.value_update import ValueUpdateConfig
from airfreight.steps.yaml_edit import set_values
from airfreight.steps.yaml_update import YamlUpdateStep
from tests.steps.conformance import yaml_exactly
from tests.steps.examples import example_config
from tests.steps.files import context_at


@pytest.mark.parametrize(
    ("text", "key", "value", "expected"),
    [
        pytest.param("a: 1 # c\n", "a", 2, "a: 2 # c\n", id="comment"),
        pytest.param("a: {x: 1, y: 2}\n", "a.x", 9, "a: {x: 9, y: 2}\n", id="flow"),
        pytest.param("v: &a 1\nw: *a\n", "v", 2, "v: &a 2\nw: *a\n", id="anchor"),
        pytest.param("a: 1\r\nb: 2\r\n", "b", 9, "a: 1\r\nb: 9\r\n", id="crlf"),
        pytest.param("a: 1", "a", 2, "a: 2", id="no-final-newline"),
        pytest.param("a: 1\n", "a", 1000000.0, "a: 1000000\n", id="big-number"),
        pytest.param("a: 1\n", "a", 1e-7, "a: 1.0e-07\n", id="small-number"),
        pytest.param("a: 1\n", "a", True, "a: true\n", id="bool"),
        pytest.param("a: x\n", "a", "1.10", 'a: "1.10"\n', id="string-like-number"),
        pytest.param("a: x\n", "a", "no", 'a: "no"\n', id="string-like-bool"),
        pytest.param("a: x\n", "a", "b: c", 'a: "b: c"\n', id="string-like-map"),
        pytest.param("a: x\n", "a", "b # c", 'a: "b # c"\n', id="string-like-comment"),
        pytest.param("a: x\n", "a", "b\nc", 'a: "b\\nc"\n', id="line-break"),
        pytest.param("a: '1.0'\n", "a", "1.1", 'a: "1.1"\n', id="single-quotes"),
        pytest.param('a: "x"\n', "a", "y", "a: y\n", id="double-quotes"),
        pytest.param('{"a":"x", "b":1}\n', "a", "y", '{"a":"y", "b":1}\n', id="json-string"),
        pytest.param("a: [\n  x\n]\n", "a.0", "y", "a: [\n  y\n]\n", id="last-in-a-flow-line"),
        pytest.param("a: [x\n]\n", "a.0", "y", "a: [ y\n]\n", id="kargos-space"),
        pytest.param("a: x\n", "a", "b, c]", "a: b, c]\n", id="plain-in-a-block"),
        pytest.param("a: [x, 1]\n", "a.0", "b, c]", 'a: ["b, c]", 1]\n', id="quoted-in-a-flow"),
        pytest.param(
            "a: [x, 1]\n",
            "a.0",
            "b: " + "[" * 9999,
            f'a: ["b: {"[" * 9999}", 1]\n',
            id="deep-value",
        ),
        pytest.param("a: x\n", "a", "tRUE", "a: tRUE\n", id="no-readers-bool"),
        pytest.param("a: x\n", "a", "0o17", 'a: "0o17"\n', id="yaml-1.2-octal"),
        pytest.param("a: 1\n", "a", 1234567.5, "a: 1.2345675e+06\n", id="gos-float"),
        pytest.param("a: \tx\t# c\n", "a", "y", "a: \ty\t# c\n", id="tabs"),
        pytest.param('"k: 1" : x\n', "k\\: 1", "y", '"k: 1" : y\n', id="quoted-key"),
        pytest.param(
            "a: &x # c\n  v\nb: *x\n", "a", "w", "a: &x # c\n  w\nb: *x\n", id="far-anchor"
        ),
        pytest.param('{"a":1}\n', "a", "v2", '{"a":"v2"}\n', id="json"),
        pytest.param("a: # c\nb: 1\n", "a", "x", "a: x # c\nb: 1\n", id="empty"),
        pytest.param("a: | # c\n  t\n\nb: 1\n", "a", "x", "a: x # c\n\nb: 1\n", id="block"),
        pytest.param("a: 'm\n\n  l'\nb: 1\n", "a", "x", "a: x\nb: 1\n", id="multi-line"),
        pytest.param("a: &b !t x # c\n", "a", "y", "a: &b y # c\n", id="tag"),
        pytest.param("\ufeffa: 1\n", "a", 2, "\ufeffa: 2\n", id="byte-order-mark"),
        pytest.param("m:\n  0: z\n", "m.:0", "q", "m:\n  0: q\n", id="number-key"),
    ],
)
def test_only_the_asked_scalar_changes(text: str, key: str, value: Any, expected: str):
    assert set_values(text, [(key, value)]) == expected


@pytest.mark.parametrize(
    ("text", "key", "value", "message"),
    [
        pytest.param("a: 1\n", "b", 1, "error finding key b: key path not found", id="missing"),
        pytest.param("a: 1\n---\nb: 2\n", "b", 1, "key path not found", id="second-document"),
        pytest.param("a: [1]\n", "a.1", 1, "index 1 is out of range", id="range"),
        pytest.param("a: [1]\n", "a", 1, "does not address a scalar node", id="list"),
        pytest.param("a: &x {b: 1}\nc: *x\n", "c.b", 1, "key path not found", id="alias"),
        pytest.param("a: 1\na: 2\n", "a", 1, "is 2 times in its map", id="twice"),
        pytest.param("a: 1\n", "a", None, "the value is null", id="null"),
        pytest.param("a: 1\n", "a", [1], "the value is list", id="list-value"),
        pytest.param("{a}\n", "a", "x", "cannot be written at its place", id="no-place"),
        pytest.param("a: [\n", "a", 1, "not valid YAML: line 2", id="syntax"),
        pytest.param("[" * 50_000, "a", 1, "nested too deeply", id="deep"),
        pytest.param("a: 1\nb: *x\n", "a", 1, "line 2: found undefined alias 'x'", id="no-anchor"),
        pytest.param("a: [x]\n", "a.b", 1, "'b' is no index", id="no-index"),
        pytest.param("a: [x]\n", "a.-1", 1, "index -1 is out of range", id="negative"),
        pytest.param("a: 1\n", "a", float("nan"), "the value is float", id="nan"),
    ],
)
def test_an_update_that_cannot_be_made_says_why(text: str, key: str, value: Any, message: str):
    with pytest.raises(TerminalStepError, match=message):
        set_values(text, [(key, value)])


VALUES = st.one_of(st.text(max_size=8), st.integers(), st.booleans())
MAPS = st.dictionaries(st.from_regex(r"[a-d]{1,3}", fullmatch=True), VALUES, min_size=1, max_size=5)


@given(data=MAPS, flow=st.booleans(), value=VALUES, pick=st.data())
def test_all_other_data_and_all_comments_stay(data: Any, flow: bool, value: Any, pick: Any):
    document = {"top": data, "list": [dict(data)]}
    text = "# head\n" + yaml.safe_dump(document, default_flow_style=flow) + "# tail\n"
    key = pick.draw(st.sampled_from(sorted(data)))
    changed = set_values(text, [(f"list.0.{key}", value)])
    document["list"] = [{**data, key: value}]
    assert yaml.safe_load(changed) == document
    assert changed.startswith("# head\n")
    assert changed.endswith("# tail\n")


def test_the_step_writes_the_file_keeps_its_mode_and_tells_the_commit_message(tmp_path: Path):
    file = tmp_path / "values.yaml"
    file.write_text("tag: a # c\nn: 1\n")
    file.chmod(0o640)
    config = ValueUpdateConfig.model_validate(
        {
            "path": "values.yaml",
            "updates": [{"key": "tag", "value": "b"}, {"key": "n", "value": 2.0}],
        }
    )
    result = YamlUpdateStep().run(config, context_at(tmp_path))
    assert result.output == {"commitMessage": "Updated values.yaml\n\n- tag: b\n- n: 2"}
    assert file.read_text() == "tag: b # c\nn: 2\n"
    assert file.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["values.yaml"]


@pytest.mark.parametrize("path", ["../x.yaml", "link.yaml", "none.yaml"])
def test_a_path_that_leads_out_or_nowhere_is_refused(tmp_path: Path, path: str):
    (tmp_path / "x.yaml").write_text("a: 1\n")
    work = tmp_path / "work"
    work.mkdir()
    (work / "link.yaml").symlink_to(tmp_path / "x.yaml")
    config = ValueUpdateConfig.model_validate({"path": path, "updates": [{"key": "a", "value": 2}]})
    with pytest.raises(TerminalStepError, match=r"leads out|no such file"):
        YamlUpdateStep().run(config, context_at(work))
    assert (tmp_path / "x.yaml").read_text() == "a: 1\n"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"updates": [{"key": "a", "value": 1}]}, "Field required"),
        ({"path": "x", "updates": []}, "at least 1 item"),
        ({"path": "x", "updates": [{"key": "a"}]}, "Field required"),
        ({"path": "x", "updates": [{"key": "a", "value": 1}], "more": 1}, "Extra inputs"),
    ],
)
def test_a_bad_config_is_refused(config: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        ValueUpdateConfig.model_validate(config)


def test_the_example_of_yaml_update_sets_the_freights_tag(tmp_path: Path):
    file = tmp_path / "source/overlays/dev/image.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("spec:\n  image:\n    tag: '1.2.2' # ours\n")
    config = ValueUpdateConfig.model_validate(example_config("yaml-update"))
    YamlUpdateStep().run(config, context_at(tmp_path))
    assert yaml.safe_load(file.read_text()) == {"spec": {"image": {"tag": "1.2.3"}}}
    assert file.read_text().endswith("# ours\n")


BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
)


def test_aliases_that_multiply_are_never_written_out():
    assert set_values(f"key: 1\n{BOMB}", [("key", 2)]) == f"key: 2\n{BOMB}"


TEXTS = st.sampled_from(
    [
        "a: &x 1 # c\nb: [2, *x]\nc: {d: 'q', e: [1, \"2\"]}\n",
        "# h\r\na: |\r\n  t\r\n\r\nb:\r\n- x # c\r\n- [y, z]\r\nc: {d: 1, e: [2]}\r\n",
        "\ufeffa: '1'\nb:\n  - >-\n    folded\n    text\n  - 2\nc: {d: é, e: [\U0001f600]}\n--- # next\na: 1\n",
        "%YAML 1.1\n---\na: !!str 5\nb: [ x ,\n  y ] # c\nc:\n  d: # empty\n  e:\n  -\n  - 2026-01-01",
        "base: &b {k: 1}\na:\tx\nb: [1]\nc:\n  <<: *b\n  d: 99999999999999999999\n  e: [1.5e3]\n...\n",
        '{"a":1,"b":["x", "y"],\n "c": {"d":null,\n "e":[true]}}',
    ]
)


@given(
    text=TEXTS,
    keys=st.lists(st.sampled_from(["a", "b.0", "c.d", "c.e.0"]), min_size=1, max_size=3),
    values=st.lists(VALUES | st.floats(allow_nan=False, allow_infinity=False), min_size=3),
)
def test_a_change_is_exactly_what_was_asked_or_none(text: str, keys: list[str], values: list[Any]):
    updates = list(zip(keys, values, strict=False))
    changed = set_values(text, updates)
    assert yaml_exactly(text, updates, changed)
    assert set_values(changed, updates) == changed
