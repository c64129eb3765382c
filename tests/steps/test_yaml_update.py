from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from airfreight.errors import TerminalStepError
from airfreight.steps.key_path import split_key
from airfreight.steps.yaml_edit import set_values
from airfreight.steps.yaml_update import YamlUpdateConfig, YamlUpdateStep
from tests.steps.examples import example_config
from tests.steps.files import context_at

CONFORMANCE = Path(__file__).parents[1] / "conformance"
KEYS = json.loads((CONFORMANCE / "split_key.json").read_text())["cases"]
ROWS = json.loads((CONFORMANCE / "yaml_update.json").read_text())["cases"]


@pytest.mark.parametrize("row", KEYS, ids=lambda row: repr(row["key"]))
def test_a_key_is_split_as_kargo_splits_it(row: dict[str, Any]):
    if row.get("error"):
        with pytest.raises(TerminalStepError, match=row["message"].split(" in key")[0]):
            split_key(row["key"])
    else:
        assert [part.text for part in split_key(row["key"])] == row["parts"]


@pytest.mark.parametrize(
    "row", [r for r in ROWS if r.get("error") or "index out of range" in r.get("message", "")]
)
def test_what_kargo_refuses_is_refused(row: dict[str, Any]):
    with pytest.raises(TerminalStepError):
        set_values(row["input"], [(u["key"], u["value"]) for u in row["updates"]])


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
        pytest.param("a: '1.0'\n", "a", "1.1", "a: '1.1'\n", id="single-quotes"),
        pytest.param('a: "x"\n', "a", "y", 'a: "y"\n', id="double-quotes"),
        pytest.param('{"a":1}\n', "a", "v2", '{"a":"v2"}\n', id="json"),
        pytest.param("a: # c\nb: 1\n", "a", "x", "a: x # c\nb: 1\n", id="empty"),
        pytest.param("a: | # c\n  t\n\nb: 1\n", "a", "x", "a: x # c\n\nb: 1\n", id="block"),
        pytest.param("a: 'm\n\n  l'\nb: 1\n", "a", "x", "a: 'x'\nb: 1\n", id="multi-line"),
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
        pytest.param("a: 1\na: 2\n", "a", 1, "is 2 times in one map", id="twice"),
        pytest.param("a: 1\n", "a", None, "the value is null", id="null"),
        pytest.param("a: 1\n", "a", [1], "the value is list", id="list-value"),
        pytest.param("{a}\n", "a", "x", "cannot be written at its place", id="no-place"),
        pytest.param("a: [\n", "a", 1, "not valid YAML: line 2", id="syntax"),
        pytest.param("[" * 5000, "a", 1, "nested too deeply", id="deep"),
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
    config = YamlUpdateConfig.model_validate(
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
    config = YamlUpdateConfig.model_validate({"path": path, "updates": [{"key": "a", "value": 2}]})
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
        YamlUpdateConfig.model_validate(config)


def test_the_example_of_yaml_update_sets_the_freights_tag(tmp_path: Path):
    file = tmp_path / "source/overlays/dev/image.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("spec:\n  image:\n    tag: '1.2.2' # ours\n")
    config = YamlUpdateConfig.model_validate(example_config("yaml-update"))
    YamlUpdateStep().run(config, context_at(tmp_path))
    assert yaml.safe_load(file.read_text()) == {"spec": {"image": {"tag": "1.2.3"}}}
    assert file.read_text().endswith("# ours\n")
