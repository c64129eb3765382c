from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from airfreight.errors import TerminalStepError
from airfreight.steps.yaml_data import load_yaml
from airfreight.steps.yaml_layers import merge_layers, merged_data
from airfreight.steps.yaml_merge import YamlMergeConfig, YamlMergeStep
from tests.steps.examples import example_config
from tests.steps.files import context_at


def _merge(*texts: str) -> str:
    return merge_layers([(f"{number}.yaml", text) for number, text in enumerate(texts)])


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param(["a: 1 # c\n", ""], "a: 1 # c\n", id="empty-file"),
        pytest.param(["", "a:   1\n"], "a:   1\n", id="one-left-as-it-is"),
        pytest.param(["", "# c\n"], "", id="none-left"),
        pytest.param(["a:  {b: '1',  c: 2} # c\n", "a: {c: 3}\n"], "a:  {b: '1',  c: 3} # c\n", id="scalar"),
        pytest.param(["a: 1\nb:  ~ # n\n", "a: '2'\n"], 'a: "2"\nb:  ~ # n\n', id="type"),
        pytest.param(["a: [1, 2] # c\n", "a: [3]\n"], "a: [3]    # c\n", id="list-replaced"),
        pytest.param(["# h\na: 1\nb: 2 # c\n", "a: null\n"], "# h\nb: 2 # c\n", id="null-removes"),
        pytest.param(["a: 1\n", "b:\n  c: null\n  d: 1\n"], "a: 1\nb:\n  d: 1\n", id="null-in-a-new-map"),
        pytest.param(["a: x # c\n", "a: {b: 1}\n"], "a: {b: 1} # c\n", id="map-for-a-scalar"),
        pytest.param(["a:\n- b: 1\n  c: '2'\n", "d: 1\n"], "a:\n- b: 1\n  c: '2'\nd: 1\n", id="flat-lists"),
        pytest.param(["a:\n    b:\n      - 1\n", "d: 1\n"], "a:\n    b:\n      - 1\nd: 1\n", id="wide"),
        pytest.param(["---\na: 1.10\r\n", "b: 1\n"], "---\r\na: 1.10\r\nb: 1\r\n", id="crlf"),
        pytest.param(["a: 1\n", "a: 2\n", "a: 3\n"], "a: 3\n", id="three"),
        pytest.param(["a: &x {k: 1}\nb: *x\n", "b: {k: 2}\n"], "a: {k: 1}\nb: {k: 2}\n", id="alias"),
        pytest.param(["[1]\n", "[2]\n"], "[2]\n", id="root-list"),
    ],
)  # fmt: skip
def test_files_lie_over_each_other(texts: list[str], expected: str):
    assert _merge(*texts) == expected


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        pytest.param(["a: 1\n", "a: [\n"], r"1\.yaml: not valid YAML: line 2", id="syntax"),
        pytest.param(
            ["a: 1\n", "[" * 50_000], r"1\.yaml: the YAML is nested too deeply", id="deep"
        ),
        pytest.param(
            ["a: &a [*a]\n", "b: 1\n"], r"0\.yaml: .*within what it stands for", id="loop"
        ),
        pytest.param(["a: !x 1\n", "b: 1\n"], r"0\.yaml: .*the tag '!x'", id="tag"),
    ],
)
def test_what_cannot_be_merged_says_why(texts: list[str], message: str):
    with pytest.raises(TerminalStepError, match=message):
        _merge(*texts)


DATA = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=4) | st.none() | st.just(1.5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)
MAPS = st.dictionaries(st.sampled_from("abcd"), DATA, min_size=1)


@given(under=MAPS, over=MAPS, flow=st.booleans())
def test_the_merged_text_says_what_the_merged_data_say(under: Any, over: Any, flow: bool):
    texts = [yaml.safe_dump(data, default_flow_style=flow) for data in (under, over)]
    assert load_yaml(_merge(*texts)) == merged_data(under, over)


def _config(**fields: Any) -> YamlMergeConfig:
    return YamlMergeConfig.model_validate(fields)


def test_the_step_writes_a_new_file_and_lists_the_files(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("a: 1\n")
    (tmp_path / "b.yaml").write_text("b: 2\n")
    config = _config(inFiles=["a.yaml", "b.yaml"], outFile="new/c.yaml")
    for _ in range(2):
        result = YamlMergeStep().run(config, context_at(tmp_path))
        message = "Merged 2 YAML files to new/c.yaml\n- a.yaml\n- b.yaml"
        assert result.output == {"commitMessage": message}
        assert (tmp_path / "new/c.yaml").read_text() == "a: 1\nb: 2\n"


def test_missing_files_are_left_out_where_they_may_be(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("a: 1\n")
    fields = {"inFiles": ["a.yaml", "none.yaml"], "outFile": "c.yaml"}
    with pytest.raises(TerminalStepError, match=r"none\.yaml: there is no such file"):
        YamlMergeStep().run(_config(**fields), context_at(tmp_path))
    assert not (tmp_path / "c.yaml").exists()
    config = _config(**fields, ignoreMissingFiles=True)
    result = YamlMergeStep().run(config, context_at(tmp_path))
    assert result.output == {"commitMessage": "Wrote a.yaml to c.yaml"}
    assert (tmp_path / "c.yaml").read_text() == "a: 1\n"


def test_no_file_at_all_makes_an_empty_one(tmp_path: Path):
    config = _config(inFiles=["none.yaml"], outFile="c.yaml", ignoreMissingFiles=True)
    assert YamlMergeStep().run(config, context_at(tmp_path)).output is None
    assert (tmp_path / "c.yaml").read_bytes() == b""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("../out.yaml", "leads out", id="out"),
        pytest.param("link/out.yaml", "leads out", id="link"),
        pytest.param("file-link", "leads out", id="file-link"),
        pytest.param(".git/config", "Git's own files", id="git"),
        pytest.param("folder", "is a folder", id="folder"),
    ],
)
def test_the_result_stays_in_the_work_directory(tmp_path: Path, name: str, message: str):
    work = tmp_path / "work"
    (work / "folder").mkdir(parents=True)
    (work / "a.yaml").write_text("a: 1\n")
    (work / "link").symlink_to(tmp_path)
    (work / "file-link").symlink_to(tmp_path / "other")
    with pytest.raises(TerminalStepError, match=message):
        YamlMergeStep().run(_config(inFiles=["a.yaml"], outFile=name), context_at(work))
    assert [entry.name for entry in tmp_path.iterdir()] == ["work"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"inFiles": [], "outFile": "x"}, "at least 1 item"),
        ({"inFiles": [""], "outFile": "x"}, "at least 1 character"),
        ({"inFiles": ["a"]}, "Field required"),
        ({"inFiles": ["a"], "outFile": "x", "strict": True}, "Extra inputs"),
    ],
)
def test_a_bad_config_is_refused(config: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        YamlMergeConfig.model_validate(config)


def test_the_example_of_yaml_merge_lays_the_stages_values_over_the_common_ones(tmp_path: Path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source/values.yaml").write_text("replicas: 1 # c\n")
    (tmp_path / "source/values-dev.yaml").write_text("replicas: 2\n")
    config = YamlMergeConfig.model_validate(example_config("yaml-merge"))
    YamlMergeStep().run(config, context_at(tmp_path))
    assert (tmp_path / "out/values.yaml").read_text() == "replicas: 2 # c\n"
