"""The page of subscriptions: every type with every field, examples that load, and the kind of one's own."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk import DAG
from pydantic import BaseModel

from airfreight.manifests.project import load_project
from airfreight.manifests.warehouses import read_subscription
from airfreight.model.subscription import (
    ChartSubscription,
    GenericSubscription,
    GitSubscription,
    ImageSubscription,
)
from airfreight.sources.custom import GROUP, builtin_kinds
from airfreight.steps.installed import step_registry
from tests.docs.pages import ROOT, Block, blocks, read, section

PAGE = ROOT / "docs" / "subscriptions.md"
OWN_DAG, KIND, TEST = (block.text for block in blocks(PAGE, "python"))
(PYPROJECT,) = (block.text for block in blocks(PAGE, "toml"))
EXAMPLES = blocks(PAGE, "yaml")
MODELS: dict[str, type[BaseModel]] = {
    "image": ImageSubscription,
    "git": GitSubscription,
    "chart": ChartSubscription,
    **{kind.kind: kind.config_type for kind in builtin_kinds()},
}
WAREHOUSE = {
    "apiVersion": "kargo.akuity.io/v1alpha1",
    "kind": "Warehouse",
    "metadata": {"name": "shop"},
}


def type_of(block: Block) -> str:
    (entry,) = yaml.safe_load(block.text)
    (kind,) = set(entry) - {"name"}
    return str(kind)


def test_every_type_has_an_example_and_a_row_and_no_other_has_one() -> None:
    rows = re.findall(r"^\| \[(.+)\]\(#(.+)\) \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted((name, name) for name in MODELS)
    assert {type_of(block) for block in EXAMPLES} == set(MODELS)


def test_the_dag_of_ones_own_loads_and_its_subscription_is_without_fault(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(OWN_DAG)
    (dag,) = (
        value
        for value in runpy.run_path(str(tmp_path / "train.py")).values()
        if isinstance(value, DAG)
    )
    sensor = dag.get_task("image")
    assert sensor.deferrable
    assert read_subscription(sensor.subscription)[1] == ()


@pytest.mark.parametrize("block", EXAMPLES, ids=str)
def test_an_example_makes_a_warehouse_without_a_problem(block: Block, tmp_path: Path) -> None:
    subscriptions = yaml.safe_load(block.text)
    (tmp_path / "shop").mkdir()
    manifest = {**WAREHOUSE, "spec": {"subscriptions": subscriptions}}
    (tmp_path / "shop" / "all.yaml").write_text(yaml.safe_dump(manifest))
    project = load_project(tmp_path, "shop", step_registry())
    assert [str(problem) for problem in project.problems] == []
    assert project.disabled == {}


@pytest.mark.parametrize("name", MODELS)
def test_every_field_stands_with_its_default(name: str) -> None:
    rows = {
        row[0]: row
        for line in re.findall(r"^\| `(.*) \|$", section("docs/subscriptions.md", name), re.M)
        if (row := [cell.strip("` ") for cell in line.split(" | ")])
    }
    fields = {info.alias or field: info for field, info in MODELS[name].model_fields.items()}
    assert set(rows) == set(fields)
    for field, info in fields.items():
        default = rows[field][2]
        if info.is_required():
            assert default == "required"
        elif isinstance(info.default, bool):
            assert default == str(info.default).lower()
        elif isinstance(info.default, str | int) and info.default:
            assert default == str(info.default)
        else:
            assert default not in ("", "required")


def test_the_limit_of_generic_subscriptions_is_that_of_the_model() -> None:
    limit = GenericSubscription.model_fields["discovery_limit"].default
    assert f"(1 to 100, `{limit}` unless set)" in read("docs/subscriptions.md")


def test_the_kind_is_as_long_as_the_page_says() -> None:
    lines = [line for line in KIND.splitlines() if line.strip()]
    assert "is 20 lines" in read("docs/subscriptions.md")
    assert 15 < len(lines) <= 20


def run(folder: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'plugins'}:{folder}"}
    done = subprocess.run(
        [sys.executable, *words], env=environment, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


LOADED = """
import sys
from pathlib import Path
from airfreight.manifests.project import load_project
from airfreight.manifests.warehouses import read_subscription
from airfreight.steps.installed import step_registry

project = load_project(Path(sys.argv[1]), "shop", step_registry())
print(*project.problems, *project.disabled, sep="|")
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a folder with the page's package, as `pip install --target` would leave it."""
    metadata: Any = tomllib.loads(PYPROJECT)["project"]["entry-points"][GROUP]
    lines = [f"[{GROUP}]", *(f"{name} = {target}" for name, target in metadata.items())]
    (tmp_path / "acme_kinds").mkdir()
    (tmp_path / "acme_kinds" / "__init__.py").touch()
    (tmp_path / "acme_kinds" / "release.py").write_text(KIND)
    (tmp_path / "acme_kinds.dist-info").mkdir()
    (tmp_path / "acme_kinds.dist-info" / "entry_points.txt").write_text("\n".join(lines))
    return tmp_path


def test_the_test_of_the_page_passes(package: Path) -> None:
    (package / "test_release.py").write_text(TEST)
    assert "1 passed" in run(
        package, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_release.py"
    )


def test_a_manifest_may_name_the_kind_of_the_package(package: Path) -> None:
    shop = package / "pipelines" / "shop"
    shop.mkdir(parents=True)
    for page, told in (("https://example.com/page.json", ""), ("nowhere", "pageURL")):
        entry = {"name": "acme", "release": {"config": {"pageURL": page}}}
        manifest = {**WAREHOUSE, "spec": {"subscriptions": [entry]}}
        (shop / "all.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
        said = run(package, "-c", LOADED, str(shop.parent)).strip()
        assert said == told or (
            told and said.startswith("shop/all.yaml:") and ".release.config.pageURL: " in said
        )


def test_what_a_manifest_says_wrongly_is_told_with_its_place(tmp_path: Path) -> None:
    """Golden lines: the manifest's own words, its kind as the key."""
    (tmp_path / "shop").mkdir()
    entries = [
        {"chart": {"repoURL": "https://charts.example.com", "semverConstraint": "^1 || x.y"}},
        {"name": "models", "pypi": {"config": {"package": "a", "constrain": ">1"}}},
    ]
    manifest = {**WAREHOUSE, "spec": {"subscriptions": entries}}
    (tmp_path / "shop" / "all.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    problems = [str(one) for one in load_project(tmp_path, "shop", step_registry()).problems]
    assert problems == [
        "shop/all.yaml:8:7: spec.subscriptions[0].chart.name: "
        "required: a repository of http(s) holds many charts",
        "shop/all.yaml:9:32: spec.subscriptions[0].chart.semverConstraint: 'x.y' is not a version constraint; "
        "expected one such as ^1.2, >=1.0.0 <2.0.0 or 1.x",
        "shop/all.yaml:14:20: spec.subscriptions[1].pypi.config.constrain: "
        "subscription kind 'pypi' has no such field (did you mean 'constraint'?)",
    ]
