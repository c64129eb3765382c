from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.steps.base import StepSettings
from airfreight.steps.kustomize_build import KustomizeBuildConfig, KustomizeBuildStep
from tests.chart_repository import run, write_chart
from tests.steps.examples import example_config
from tests.steps.kube.conftest import Kitchen

STEP = KustomizeBuildStep()
RESOURCES = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: Web, namespace: shop}
spec: {template: {spec: {containers: [{name: web, image: nginx}]}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: text, namespace: pay}
data:
  # a block that looks like a separator
  a: |
    ---
    kind: b
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "system:web"}
"""


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param({"outPath": "o"}, "path\n  Field required", id="no-path"),
        pytest.param({"path": "p"}, "outPath\n  Field required", id="no-out-path"),
        pytest.param({"path": "p", "outPath": ""}, "at least 1 character", id="empty"),
        pytest.param({"path": "p", "outPath": "o", "outputFormat": "flat"}, "'kargo' or 'kustomize'", id="format"),
        pytest.param({"path": "p", "outPath": "o", "plugin": {"exec": {}}}, "Extra inputs", id="plugin"),
    ],
)  # fmt: skip
def test_a_bad_config_is_refused(config: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        KustomizeBuildConfig.model_validate(config)


@pytest.fixture
def base(kitchen: Kitchen) -> Path:
    kitchen.write("k/r.yaml", RESOURCES)
    return kitchen.write("k/kustomization.yaml", "resources: [r.yaml]\n").parent


@pytest.mark.parametrize("out", ["o/all.yaml", "all.yml"])
def test_a_file_holds_what_kustomize_prints(kitchen: Kitchen, base: Path, tmp_path: Path, out: str):
    assert kitchen.run(STEP, path="k", outPath=out).output is None
    expected = run("kubectl", "kustomize", str(base), home=tmp_path)
    assert (kitchen.root / out).read_text() == expected


def test_a_folder_holds_a_file_for_each_resource_named_as_by_kargo(
    kitchen: Kitchen, base: Path, tmp_path: Path
):
    kitchen.run(STEP, path="k", outPath="o")
    files = kitchen.files("o")
    assert list(files) == [
        "clusterrole-system:web.yaml",
        "pay-configmap-text.yaml",
        "shop-deployment-web.yaml",
    ]
    printed = yaml.safe_load_all(run("kubectl", "kustomize", str(base), home=tmp_path))
    assert sorted(map(str, printed)) == sorted(str(yaml.safe_load(f)) for f in files.values())


@pytest.mark.parametrize("namespace", ["", "namespace: one\n"], ids=["several", "one"])
def test_kustomizes_format_gives_the_files_that_kustomize_writes(
    kitchen: Kitchen, base: Path, tmp_path: Path, namespace: str
):
    kitchen.write("k/kustomization.yaml", f"{namespace}resources: [r.yaml]\n")
    kitchen.run(STEP, path="k", outPath="o", outputFormat="kustomize")
    (tmp_path / "expected").mkdir()
    run("kubectl", "kustomize", str(base), "-o", str(tmp_path / "expected"), home=tmp_path)
    assert kitchen.files("o") == kitchen.files(str(tmp_path / "expected"))
    assert len(kitchen.files("o")) == 3


def test_a_second_run_writes_the_same_and_leaves_other_files(kitchen: Kitchen, base: Path):
    kitchen.write("o/mine.txt", "mine")
    kitchen.run(STEP, path="k", outPath="o")
    before = kitchen.files("o")
    kitchen.run(STEP, path="k", outPath="o")
    assert kitchen.files("o") == before
    assert before["mine.txt"] == "mine"


def test_files_from_anywhere_in_the_work_directory_are_read(kitchen: Kitchen, base: Path):
    kitchen.write("shared/app.conf", "x=1")
    kitchen.write("k/kustomization.yaml", "configMapGenerator: [{name: a, files: [../shared/app.conf]}]\n"
                  "generatorOptions: {disableNameSuffixHash: true}\n")  # fmt: skip
    kitchen.run(STEP, path="k", outPath="o.yaml")
    assert yaml.safe_load((kitchen.root / "o.yaml").read_text())["data"] == {"app.conf": "x=1"}


OUTSIDE = "configMapGenerator: [{name: a, files: [%s]}]\n"


@pytest.mark.parametrize(
    ("kustomization", "message"),
    [
        pytest.param(OUTSIDE % "/etc/passwd", "/etc/passwd", id="absolute"),
        pytest.param(OUTSIDE % "../../secret", "secret", id="parent"),
        pytest.param(OUTSIDE % "link", "link", id="link"),
        pytest.param("resources: [../../other]\n", "other", id="base-outside"),
        pytest.param(
            "resources: ['https://example.com/o/r//x?ref=v1']\n", "Remote bases and charts are refused", id="git"
        ),
        pytest.param("resources: ['https://127.0.0.1:1/x.yaml']\n", "are refused", id="file-over-https"),
        pytest.param(
            "resources: ['git::file:///tmp/r?ref=--upload-pack=touch%20/tmp/x']\n", "are refused", id="option"
        ),
        pytest.param(
            "helmCharts: [{name: a, repo: 'https://127.0.0.1:1', version: 1.0.0}]\n", "are refused", id="chart"
        ),
        pytest.param("transformers: [exec.yaml]\n", "plugin|function|exec", id="exec-function"),
        pytest.param("resources: [none.yaml]\n", "none.yaml", id="missing"),
        pytest.param("resources: [r.yaml, r.yaml]\n", "already registered id", id="twice"),
    ],
)  # fmt: skip
def test_a_build_that_reaches_out_or_fails_ends_the_step(
    kitchen: Kitchen, base: Path, tmp_path: Path, kustomization: str, message: str
):
    (tmp_path / "secret").write_text("s3cret")
    (base / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/kustomization.yaml").write_text("resources: []\n")
    kitchen.write("k/exec.yaml", "apiVersion: v1\nkind: X\nmetadata:\n  name: x\n  annotations:\n"
                  "    config.kubernetes.io/function: 'exec: {path: ./run.sh}'\n")  # fmt: skip
    kitchen.write("k/run.sh", f"#!/bin/sh\ntouch {kitchen.root}/ran\n").chmod(0o755)
    kitchen.write("k/kustomization.yaml", kustomization)
    with pytest.raises(TerminalStepError, match=message) as caught:
        kitchen.run(STEP, path="k", outPath="o")
    assert str(kitchen.root) not in str(caught.value)
    assert not (kitchen.root / "o").exists()
    assert not (kitchen.root / "ran").exists()


def test_a_remote_base_is_asked_for_where_the_setting_opens_the_network(
    kitchen: Kitchen, base: Path
):
    kitchen.settings = StepSettings(allow_render_network=True)
    kitchen.write("k/kustomization.yaml", "resources: ['http://127.0.0.1:1/o/r.git?ref=v1']\n")
    with pytest.raises(Exception, match=r"(?i)connect|refused") as caught:
        kitchen.run(STEP, path="k", outPath="o")
    assert "allow_render_network" not in str(caught.value)


@pytest.mark.usefixtures("_no_proxy")
def test_no_remote_base_leads_to_cloud_metadata(kitchen: Kitchen, base: Path):
    kitchen.settings = StepSettings(allow_render_network=True)
    kitchen.write("k/kustomization.yaml", "resources: ['http://169.254.169.254/latest/x.yaml']\n")
    with pytest.raises(
        RetryableStepError, match="a link-local address: requests there are refused"
    ):
        kitchen.run(STEP, path="k", outPath="o")


def test_a_chart_of_the_work_directory_is_inflated_for_the_cluster_that_the_config_names(
    kitchen: Kitchen,
):
    chart = write_chart(kitchen.root / "k" / "charts", "app")
    (chart / "templates/map.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n"
        "  version: {{ .Capabilities.KubeVersion.Version }}\n"
        "  has: {{ .Capabilities.APIVersions.Has \"acme/v1\" | quote }}\n"
    )  # fmt: skip
    kitchen.write("k/kustomization.yaml", "helmCharts: [{name: app, releaseName: r}]\n")
    plugin = {"helm": {"apiVersions": ["acme/v1"], "kubeVersion": "1.29.0"}}
    kitchen.run(STEP, path="k", outPath="o.yaml", plugin=plugin)
    data = yaml.safe_load((kitchen.root / "o.yaml").read_text())["data"]
    assert data == {"version": "v1.29.0", "has": "true"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("name: a/b", "unsafe generated resource filename", id="slash"),
        pytest.param("name: 'a\\b'", "unsafe generated resource filename", id="backslash"),
        pytest.param("name: ../../x", "unsafe generated resource filename", id="parent"),
        pytest.param("name: a, namespace: ../..", "unsafe|invalid", id="namespace"),
    ],
)  # fmt: skip
def test_a_name_that_is_no_file_name_is_refused(kitchen: Kitchen, text: str, message: str):
    kitchen.write("k/r.yaml", f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{{text}}}\n")
    kitchen.write("k/kustomization.yaml", "resources: [r.yaml]\n")
    with pytest.raises(TerminalStepError, match=message):
        kitchen.run(STEP, path="k", outPath="o")
    assert not list(kitchen.root.glob("x*"))


def test_two_resources_of_one_file_name_are_refused(kitchen: Kitchen):
    one = "apiVersion: {}/v1\nkind: Service\nmetadata: {{name: a}}\n"
    kitchen.write("k/r.yaml", one.format("serving") + "---\n" + one.format("other"))
    kitchen.write("k/kustomization.yaml", "resources: [r.yaml]\n")
    with pytest.raises(
        TerminalStepError, match=r"two resources would be written to service-a\.yaml"
    ):
        kitchen.run(STEP, path="k", outPath="o")


@pytest.mark.parametrize("out", ["../o", "o.yaml", ".git/hooks"])
def test_nothing_is_written_outside_or_through_a_link(
    kitchen: Kitchen, base: Path, tmp_path: Path, out: str
):
    (kitchen.root / "o.yaml").symlink_to(tmp_path / "o.yaml")
    with pytest.raises(TerminalStepError, match=r"leads|symbolic link"):
        kitchen.run(STEP, path="k", outPath=out)
    assert not (tmp_path / "o.yaml").exists()
    assert not (tmp_path / "o").exists()


def test_the_example_of_kustomize_build_fills_the_stages_folder(kitchen: Kitchen):
    kitchen.write("source/base/r.yaml", RESOURCES)
    kitchen.write("source/base/kustomization.yaml", "resources: [r.yaml]\n")
    kitchen.write("source/overlays/dev/kustomization.yaml", "resources: [../../base]\n")
    kitchen.run(STEP, **example_config("kustomize-build"))
    assert len(kitchen.files("out/dev")) == 3
