from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airfreight.errors import TerminalStepError
from airfreight.steps.document_parse import DocumentParseConfig, DocumentParseStep
from airfreight.steps.json_parse import JsonParseStep
from airfreight.steps.text_file import MAX_BYTES
from airfreight.steps.toml_parse import TomlParseStep
from airfreight.steps.yaml_parse import YamlParseStep
from tests.steps.examples import example_config
from tests.steps.files import context_at

YAML, JSON, TOML = YamlParseStep(), JsonParseStep(), TomlParseStep()


def _found(step: DocumentParseStep, folder: Path, text: str, expression: str) -> Any:
    (folder / "file").write_bytes(text.encode())
    config = DocumentParseConfig.model_validate(
        {"path": "file", "outputs": [{"name": "it", "fromExpression": expression}]}
    )
    output = step.run(config, context_at(folder)).output
    assert output is not None
    assert list(output) == ["it"]
    return output["it"]


@pytest.mark.parametrize(
    ("step", "text", "expression", "value"),
    [
        pytest.param(YAML, "a: {b: [1, x]}\n", "a.b[1]", "x", id="yaml"),
        pytest.param(YAML, "a: 1\n---\na: 2\n", "a", 1, id="yaml-first-document"),
        pytest.param(YAML, "[1, 2]\n", "root[1]", 2, id="yaml-list"),
        pytest.param(YAML, "# only\n", "root", None, id="yaml-comment"),
        pytest.param(YAML, "\ufeffa: 1\r\n", "a", 1, id="yaml-byte-order-mark"),
        pytest.param(YAML, "a: 2026-01-01\n", "a", "2026-01-01", id="yaml-date"),
        pytest.param(YAML, "a: 22:22\n", "a", "22:22", id="yaml-time"),
        pytest.param(YAML, "a: 1e3\n", "a", 1000.0, id="yaml-exponent"),
        pytest.param(YAML, "a: 0123\n", "a", 83, id="yaml-octal"),
        pytest.param(YAML, "a: yes\n", "a", True, id="yaml-yes"),
        pytest.param(YAML, "a: 1.10\n", "a", 1.1, id="yaml-float"),
        pytest.param(YAML, "1: x\ntrue: y\n", '$env["1"] + $env["true"]', "xy", id="yaml-keys"),
        pytest.param(YAML, "b: &b {k: 1}\na: {<<: *b, l: 2}\n", "a", {"k": 1, "l": 2}, id="yaml-merge-key"),
        pytest.param(JSON, '{"a-b": {"c": null}}', '$env["a-b"].c', None, id="json"),
        pytest.param(JSON, '\ufeff{"a": 99999999999999999999}', "a", 99999999999999999999, id="json-big"),
        pytest.param(JSON, '{"a": [3, 4]}', "sum(a)", 7, id="json-function"),
        pytest.param(TOML, "a = 2026-01-01T10:00:00Z\n", "a", "2026-01-01T10:00:00Z", id="toml-date"),
        pytest.param(TOML, "[[a.b]]\nc = [1]\n", "a.b[0].c[0]", 1, id="toml"),
    ],
)  # fmt: skip
def test_an_expression_finds(
    tmp_path: Path, step: DocumentParseStep, text: str, expression: str, value: Any
):
    for _ in range(2):
        assert _found(step, tmp_path, text, expression) == value


BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(24)
)
MERGES = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} {{<<: [*{chr(97 + n)}, *{chr(97 + n)}]}}\n" for n in range(24)
)


@pytest.mark.parametrize(
    ("step", "text", "expression", "message"),
    [
        pytest.param(YAML, "", "a", "file: the file is empty", id="yaml-empty"),
        pytest.param(TOML, "", "a", "file: the file is empty", id="toml-empty"),
        pytest.param(JSON, "", "a", "file: the file is empty", id="json-empty"),
        pytest.param(YAML, "a: [\n", "a", "file: not valid YAML: line 2", id="yaml-syntax"),
        pytest.param(JSON, '{"a": 1,}', "a", "file: not valid JSON: line 1", id="json-syntax"),
        pytest.param(TOML, "a = \n", "a", "file: not valid TOML", id="toml-syntax"),
        pytest.param(YAML, BOMB, "a", "more than 1000000 values", id="yaml-bomb"),
        pytest.param(YAML, "a: &a [*a]\n", "a", "within what it stands for", id="yaml-loop"),
        pytest.param(YAML, "[" * 500 + "]" * 500, "a", "nested too deeply", id="yaml-deep"),
        pytest.param(YAML, "[" * 50_000, "a", "nested too deeply", id="yaml-deeper"),
        pytest.param(JSON, "[" * 100_000, "a", "nested too deeply", id="json-deep"),
        pytest.param(TOML, "a = " + "[" * 20_000, "a", "nested too deeply", id="toml-deep"),
        pytest.param(YAML, "a: !!python/name:os.system\n", "a", "constructor for the tag", id="yaml-tag"),
        pytest.param(YAML, "a: .inf\n", "a", "JSON does not know: inf", id="yaml-infinity"),
        pytest.param(TOML, "a = inf\n", "a", "JSON does not know: inf", id="toml-infinity"),
        pytest.param(JSON, "[1]", "a", "the document is no object", id="json-list"),
        pytest.param(JSON, '{"a": 1}', "a +", "outputs 'it': ", id="expression"),
        pytest.param(JSON, '{"a": 1}', "a.b.c", "outputs 'it': ", id="evaluation"),
        pytest.param(YAML, "a: \x07\n", "a", "not valid YAML", id="yaml-control-character"),
        pytest.param(YAML, "? [1]\n: 2\n", "a", "a list for a key", id="yaml-key"),
        pytest.param(YAML, "a: &a\n  <<: *a\n", "a", "nested too deeply", id="yaml-merge-loop"),
        pytest.param(YAML, MERGES, "a", "merge keys make more than", id="yaml-merge-bomb"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(
    tmp_path: Path, step: DocumentParseStep, text: str, expression: str, message: str
):
    with pytest.raises(TerminalStepError, match=message):
        _found(step, tmp_path, text, expression)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("../secret", "leads out of the work directory", id="out"),
        pytest.param("link", "leads out of the work directory", id="link"),
        pytest.param("none", "no such file", id="missing"),
        pytest.param(".git/config", "Git's own files", id="git"),
        pytest.param("latin", "not UTF-8 at byte 3", id="bytes"),
        pytest.param("large", "larger than 32 MiB", id="large"),
    ],
)
def test_a_file_that_is_not_to_be_read_is_refused(tmp_path: Path, path: str, message: str):
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "secret").write_text("a: 1\n")
    (work / "link").symlink_to(tmp_path / "secret")
    (work / "latin").write_bytes(b"a: \xe9\n")
    with (work / "large").open("wb") as large:
        large.truncate(MAX_BYTES + 1)
    outputs = [{"name": "a", "fromExpression": "a"}]
    config = DocumentParseConfig.model_validate({"path": path, "outputs": outputs})
    with pytest.raises(TerminalStepError, match=message):
        YAML.run(config, context_at(work))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"path": "x", "outputs": []}, "at least 1 item"),
        ({"path": "x"}, "Field required"),
        ({"path": "", "outputs": [{"name": "a", "fromExpression": "a"}]}, "at least 1 character"),
        ({"path": "x", "outputs": [{"name": "a"}]}, "Field required"),
        ({"path": "x", "outputs": [{"name": "", "fromExpression": "a"}]}, "at least 1 character"),
    ],
)
def test_a_bad_config_is_refused(config: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        DocumentParseConfig.model_validate(config)


@pytest.mark.parametrize(
    ("step", "config", "text", "output"),
    [
        pytest.param(YAML, example_config("yaml-parse"), "image: {tag: '1'}\n", {"tag": "1"}, id="yaml"),
        pytest.param(JSON, example_config("json-parse"), '{"version": "2"}', {"version": "2"}, id="json"),
        pytest.param(TOML, example_config("toml-parse"), "[[worker]]\nname = 'w'\n", {"first": "w"}, id="toml"),
    ],
)  # fmt: skip
def test_the_example_of_a_page_finds_its_value(
    tmp_path: Path, step: DocumentParseStep, config: Any, text: str, output: dict[str, Any]
):
    parsed = DocumentParseConfig.model_validate(config)
    file = tmp_path / parsed.path
    file.parent.mkdir()
    file.write_text(text)
    assert step.run(parsed, context_at(tmp_path)).output == output
