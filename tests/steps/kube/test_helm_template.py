from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from airfreight.errors import TerminalStepError
from airfreight.steps.helm_template import HelmTemplateConfig, HelmTemplateStep
from airfreight.steps.helm_values import SetValue, set_arguments
from tests.chart_repository import pack, run, write_chart
from tests.steps.examples import example_config
from tests.steps.kube.conftest import Kitchen

STEP = HelmTemplateStep()
BASE = {"path": "app", "outPath": "o", "releaseName": "r"}
HOOK = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {}\n  annotations: {{helm.sh/hook: {}}}\n"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param({"path": "", "outPath": "o", "releaseName": "r"}, "at least 1 character", id="empty"),
        pytest.param({"path": "p", "outPath": "o"}, "releaseName\n  Field required", id="no-release"),
        pytest.param({**BASE, "outLayout": "tree"}, "'helm' or 'flat'", id="layout"),
        pytest.param({**BASE, "setValues": [{"key": "a"}]}, "value\n  Field required", id="no-value"),
        pytest.param({**BASE, "setValues": [{"key": "", "value": ""}]}, "at least 1", id="no-key"),
        pytest.param({**BASE, "postRenderer": "x"}, "Extra inputs", id="post-renderer"),
    ],
)  # fmt: skip
def test_a_bad_config_is_refused(config: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        HelmTemplateConfig.model_validate(config)


@pytest.fixture
def chart(kitchen: Kitchen) -> Path:
    chart = write_chart(kitchen.root, "app")
    (chart / "crds").mkdir()
    (chart / "crds/c.yaml").write_text(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: c.x}\n"
    )
    (chart / "templates/hook.yaml").write_text(HOOK.format("migrate", "pre-install"))
    (chart / "templates/test.yaml").write_text(HOOK.format("try", "test"))
    (chart / "templates/two.yaml").write_text(
        "kind: A\napiVersion: x.acme.io/v1\nmetadata: {name: One}\n---\n# nothing\n---\n"
        "kind: B\napiVersion: v1\nmetadata: {name: two}\nkube: {{ .Capabilities.KubeVersion }}\n"
        "has: {{ .Capabilities.APIVersions.Has \"acme/v1\" }}\n"
    )  # fmt: skip
    return chart


CASES = [
    pytest.param({}, [], id="plain"),
    pytest.param({"namespace": "n"}, ["--namespace=n"], id="namespace"),
    pytest.param({"includeCRDs": True}, ["--include-crds"], id="crds"),
    pytest.param({"disableHooks": True}, ["--no-hooks"], id="no-hooks"),
    pytest.param({"skipTests": True}, ["--skip-tests"], id="no-tests"),
    pytest.param({"kubeVersion": "1.29"}, ["--kube-version=1.29"], id="kube-version"),
    pytest.param(
        {"apiVersions": ["acme/v1", "b/v1"]},
        ["--api-versions=acme/v1", "--api-versions=b/v1"],
        id="api-versions",
    ),
]


def expected(chart: Path, home: Path, *options: str) -> str:
    namespace = [] if any("namespace" in option for option in options) else ["--namespace=shop"]
    return run("helm", "template", "r", str(chart), *namespace, *options, home=home)


@pytest.mark.parametrize(("config", "options"), CASES)
def test_a_file_holds_what_helm_prints(
    kitchen: Kitchen, chart: Path, tmp_path: Path, config: dict[str, Any], options: list[str]
):
    assert kitchen.run(STEP, **{**BASE, "outPath": "o/all.yaml", **config}).output is None
    assert (kitchen.root / "o/all.yaml").read_text() == expected(chart, tmp_path, *options)


@pytest.mark.parametrize(
    ("config", "options"), [*CASES, ({"useReleaseName": True}, ["--release-name"])]
)
def test_a_folder_holds_the_files_that_helm_writes(
    kitchen: Kitchen, chart: Path, tmp_path: Path, config: dict[str, Any], options: list[str]
):  # fmt: skip
    kitchen.run(STEP, **BASE, **config)
    expected(chart, tmp_path, *options, f"--output-dir={tmp_path / 'expected'}")
    assert kitchen.files("o") == kitchen.files(str(tmp_path / "expected"))
    kitchen.run(STEP, **BASE, **config)
    assert kitchen.files("o") == kitchen.files(str(tmp_path / "expected"))


def test_the_flat_layout_has_a_file_for_each_resource(
    kitchen: Kitchen, chart: Path, tmp_path: Path
):
    kitchen.run(STEP, **BASE, outLayout="flat", includeCRDs=True)
    files = kitchen.files("o")
    assert set(files) == {
        "configmap-shop-r-app.yaml",
        "apiextensions_k8s_io-customresourcedefinition-c.x.yaml",
        "x_acme_io-a-one.yaml",
        "b-two.yaml",
        "pod-migrate.yaml",
        "pod-try.yaml",
    }
    printed = yaml.safe_load_all(expected(chart, tmp_path, "--include-crds"))
    assert sorted(str(p) for p in printed if p) == sorted(
        str(yaml.safe_load(text)) for text in files.values()
    )


def test_values_files_are_merged_and_set_values_win(kitchen: Kitchen, chart: Path):
    (chart / "templates/map.yaml").write_text(
        "kind: A\nmetadata: {name: a}\nv: {{ toJson .Values }}\n"
    )
    kitchen.write("a,b.yaml", "word: one\nmap: {k: 1, l: 1}\n")
    kitchen.write("c.yaml", "map: {l: 2}\n")
    kitchen.run(
        STEP,
        **{**BASE, "outPath": "o.yaml", "disableHooks": True},
        valuesFiles=["a,b.yaml", "none.yaml", "./c.yaml"],
        ignoreMissingValueFiles=True,
        setValues=[
            {"key": "word", "value": "${x} $(y) 'z' = \"w\""},
            {"key": "count", "value": "3"},
            {"key": "list", "value": "{a,b}"},
            {"key": "on", "value": "true", "literal": True},
            {"key": "text", "value": "a,b={c}\\", "literal": True},
            {"key": "map.l", "value": "s"},
            {"key": "map.k", "value": "null"},
        ],
    )
    document = next(
        d for d in yaml.safe_load_all((kitchen.root / "o.yaml").read_text()) if d and "v" in d
    )
    assert document["v"] == {
        "word": "${x} $(y) 'z' = \"w\"",
        "count": 3,
        "list": ["a", "b"],
        "on": "true",
        "text": "a,b={c}\\",
        "map": {"k": None, "l": "s"},
    }


@pytest.mark.parametrize(
    ("values", "arguments"),
    [
        pytest.param([("a", "s3cret", False)], ["--set-file=a=H/value-0"], id="string"),
        pytest.param([("a", "s3,cret", True)], ["--set-file=a=H/value-0"], id="literal"),
        pytest.param([("a", "1", False)], ["--set=a=1"], id="number"),
        pytest.param([("a", "", False)], ["--set-file=a=H/value-0"], id="empty"),
        pytest.param([("a", "\\,", False)], ["--set=a=\\,"], id="escape"),
        pytest.param([("a\\.b", "x", True)], ["--set-literal=a\\.b=x"], id="key"),
        pytest.param(
            [("a", "x", False), ("a.b", "1", False), ("c", "y", False)],
            ["--set=a=x", "--set=a.b=1", "--set-file=c=H/value-0"],
            id="same-root",
        ),
    ],
)
def test_a_string_is_no_argument(
    tmp_path: Path, values: list[tuple[str, str, bool]], arguments: list[str]
):
    given = [SetValue(key=key, value=value, literal=literal) for key, value, literal in values]
    made = list(set_arguments(given, tmp_path))
    assert [argument.replace(str(tmp_path), "H") for argument in made] == arguments
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} <= {0o600}


def test_an_archive_is_a_chart_too(kitchen: Kitchen, chart: Path, tmp_path: Path):
    archive = pack(chart, kitchen.root / "packed")
    kitchen.run(STEP, path=f"packed/{archive.name}", outPath="o.yaml", releaseName="r")
    assert (kitchen.root / "o.yaml").read_text() == expected(chart, tmp_path)


@pytest.mark.parametrize(
    ("config", "template", "message"),
    [
        pytest.param({"path": "none"}, "", "there is no such chart", id="no-chart"),
        pytest.param({"path": "../app"}, "", "leads out", id="outside"),
        pytest.param({"valuesFiles": ["v.yaml"]}, "", "v.yaml: there is no such file", id="no-values"),
        pytest.param({"valuesFiles": ["../v.yaml"]}, "", "leads out", id="values-outside"),
        pytest.param({"outPath": "../o"}, "", "leads out", id="out-outside"),
        pytest.param({"outPath": ".git"}, "", "Git's own", id="out-git"),
        pytest.param({"kubeVersion": "x"}, "", "invalid kube version", id="kube-version"),
        pytest.param({"releaseName": "--debug"}, "", "release name|invalid", id="release-name"),
        pytest.param({}, "{{ fail \"no way\" }}", "no way", id="fail"),
        pytest.param({}, "a: {{ .Values.a.b }}", "nil pointer", id="nil"),
        pytest.param({"outLayout": "flat"}, "kind: A\nmetadata: {name: a/b}\n", "unsafe generated", id="slash"),
        pytest.param({"outLayout": "flat"}, "kind: A\nmetadata: {name: ../b}\n", "unsafe generated", id="parent"),
        pytest.param(
            {"outLayout": "flat"}, "kind: A\nmetadata: {name: b}\n---\nkind: a\nmetadata: {name: b}\n",
            "two resources would be written to a-b.yaml", id="twice",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_rendered_ends_the_step(
    kitchen: Kitchen, chart: Path, config: dict[str, Any], template: str, message: str
):
    (chart / "templates/map.yaml").write_text(template)
    with pytest.raises(TerminalStepError, match=message) as caught:
        kitchen.run(STEP, **{**BASE, **config})
    assert str(kitchen.root) not in str(caught.value)
    assert not (kitchen.root / "o").exists()


def test_a_missing_dependency_is_named(kitchen: Kitchen, chart: Path):
    metadata = yaml.safe_load((chart / "Chart.yaml").read_text())
    dependency = {"name": "lib", "version": "1.0.0", "repository": "https://example.com"}
    (chart / "Chart.yaml").write_text(yaml.safe_dump({**metadata, "dependencies": [dependency]}))
    with pytest.raises(TerminalStepError, match="missing in charts/ directory: lib"):
        kitchen.run(STEP, **BASE)


def test_a_template_sees_no_file_of_the_machine(kitchen: Kitchen, chart: Path, tmp_path: Path):
    (tmp_path / "secret").write_text("s3cret")
    (chart / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(TerminalStepError, match="link"):
        kitchen.run(STEP, **BASE)
    assert not (kitchen.root / "o").exists()


def test_a_link_in_the_folder_is_not_written_through(kitchen: Kitchen, chart: Path, tmp_path: Path):
    target = tmp_path / "target"
    target.write_text("mine")
    kitchen.write("o/app/templates/x", "")
    (kitchen.root / "o/app/templates/map.yaml").symlink_to(target)
    with pytest.raises(TerminalStepError, match="symbolic link"):
        kitchen.run(STEP, **BASE)
    assert target.read_text() == "mine"


def test_the_example_of_helm_template_renders_the_freights_tag(kitchen: Kitchen):
    chart = write_chart(kitchen.root / "source/charts", "shop")
    (chart / "templates/map.yaml").write_text(
        "kind: A\nmetadata: {name: a, namespace: {{ .Release.Namespace }}}\n"
        "tag: {{ .Values.image.tag | quote }}\nword: {{ .Values.word }}\n"
    )
    kitchen.write("source/values/dev.yaml", "word: dev\n")
    kitchen.run(STEP, **example_config("helm-template"))
    assert yaml.safe_load(kitchen.files("out/dev")["shop/templates/map.yaml"]) == {
        "kind": "A",
        "metadata": {"name": "a", "namespace": "dev"},
        "tag": "1.2.3",
        "word": "dev",
    }
