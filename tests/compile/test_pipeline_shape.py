"""Which tasks a pipeline has, when each starts, and what closes with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.param import process_params
from airflow.sdk.exceptions import ParamValidationError

from airfreight.compile.project import project_dags

PROJECT = """\
apiVersion: kargo.akuity.io/v1alpha1
kind: Project
metadata: {name: shop}
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Warehouse
metadata: {name: web}
spec: {subscriptions: [{image: {repoURL: registry.example/web}}]}
"""

STAGE = """\
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Stage
metadata: {{name: {name}}}
spec:
  requestedFreight:
  - origin: {{kind: Warehouse, name: web}}
    sources: {{{sources}}}
{template}"""

TEMPLATE = "  promotionTemplate: {spec: {steps: [{uses: fail}]}}\n"


def stage(name: str, sources: str, template: str = TEMPLATE) -> str:
    return STAGE.format(name=name, sources=sources, template=template)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> DAG:
    """dev → (east, west) → any, all; dev → flow (control-flow) → eu.prod."""
    folder = Path(tmp_path_factory.mktemp("pipelines")) / "shop"
    folder.mkdir()
    manifests = [
        PROJECT,
        stage("dev", "direct: true"),
        stage("east", "stages: [dev]"),
        stage("west", "stages: [dev]"),
        stage("any", "stages: [east, west]"),
        stage("all", "stages: [east, west], availabilityStrategy: All"),
        stage("flow", "stages: [dev]", ""),
        stage("eu.prod", "stages: [flow]"),
    ]
    (folder / "project.yaml").write_text("".join(manifests))
    dags = {dag.dag_id: dag for dag in project_dags(folder.parent, "shop")}
    return dags["shop.pipeline.web"]


STARTS = {
    "straight from the Warehouse: after the Freight": ("dev.gate", "all_success", {"freight"}),
    "one upstream: once it has ended, however": ("east.gate", "all_done", {"dev.verify"}),
    "one of several is enough: it looks from the start on": (
        "any.gate",
        "always",
        {"east.verify", "west.verify"},
    ),
    "all are needed: once all have ended": (
        "all.gate",
        "all_done",
        {"east.verify", "west.verify"},
    ),
    "a control-flow Stage has one task": ("flow.forward", "all_done", {"dev.verify"}),
    "a name with a dot is mapped": ("eu_prod.gate", "all_done", {"flow.forward"}),
    "promote follows its gate": ("east.promote", "all_success", {"east.gate"}),
    "verify follows its promote": ("east.verify", "all_success", {"east.promote"}),
}


@pytest.mark.parametrize(("task", "rule", "upstreams"), STARTS.values(), ids=STARTS)
def test_a_task_starts_when_its_upstreams_let_it(pipeline, task, rule, upstreams):
    found = pipeline.get_task(task)
    assert found.trigger_rule == rule
    assert found.upstream_task_ids == upstreams


def closed_with(pipeline: DAG, task: str) -> set[str]:
    return {behind.split(".")[0] for behind in pipeline.get_task(task).behind}


CLOSES = {
    "the first Stage closes all": (
        "dev.gate",
        {"dev", "east", "west", "any", "all", "flow", "eu_prod"},
    ),
    "one of two upstreams closes nothing that the other reaches": ("east.gate", {"east"}),
    "a control-flow Stage closes what it leads to": ("flow.forward", {"eu_prod"}),
    "the last closes itself": ("eu_prod.gate", {"eu_prod"}),
}


@pytest.mark.parametrize(("task", "stages"), CLOSES.values(), ids=CLOSES)
def test_a_gate_closes_only_what_is_reached_through_it(pipeline, task, stages):
    assert closed_with(pipeline, task) == stages


def test_the_outcome_stands_behind_every_stage(pipeline):
    outcome = pipeline.get_task("outcome")
    assert outcome.trigger_rule == "all_done"
    assert outcome.upstream_task_ids == {
        "freight",
        "flow.forward",
        *(f"{name}.verify" for name in ("dev", "east", "west", "any", "all", "eu_prod")),
    }


def test_only_promote_is_alone_in_its_stage(pipeline):
    alone = {task.task_id for task in pipeline.tasks if task.max_active_tis_per_dag == 1}
    assert alone == {f"{name}.promote" for name in ("dev", "east", "west", "any", "all", "eu_prod")}


def test_the_dag_has_its_params_and_no_task_a_copy_of_them(pipeline):
    assert set(pipeline.params) == {"freight", "stages", "approve", "abort", "reason"}
    assert {name for task in pipeline.tasks for name in task.params} == {"message"}


def test_what_a_run_asks_for_is_checked_against_the_params_of_the_dag(pipeline):
    task = pipeline.get_task("freight")
    asked = process_params(pipeline, task, {"stages": ["dev"]}, suppress_exception=False)
    assert asked == {
        "freight": None,
        "stages": ["dev"],
        "approve": False,
        "abort": None,
        "reason": None,
    }
    with pytest.raises(ParamValidationError):
        process_params(pipeline, task, {"stages": "dev"}, suppress_exception=False)
