"""What the DAG of a Warehouse watches, and what its tasks share."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.param import process_params
from airflow.sdk.exceptions import ParamValidationError

from airfreight.compile.project import project_dags

MANIFESTS = """\
apiVersion: kargo.akuity.io/v1alpha1
kind: Project
metadata: {name: shop}
---
apiVersion: v1
kind: Secret
metadata:
  name: git
  labels: {kargo.akuity.io/cred-type: git}
  annotations: {airfreight/connection: airfreight_shop_git}
stringData: {repoURL: https://git.example/app.git}
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Warehouse
metadata:
  name: web
  annotations: {airfreight/pool: looks}
spec:
  interval: 90s
  subscriptions:
  - image: {repoURL: registry.example/web, constraint: ^1.0.0}
  - git: {repoURL: https://git.example/app.git, includePaths: [services/web]}
  - chart: {repoURL: https://charts.example, name: web}
  - name: lib
    pypi: {config: {package: requests}}
"""


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> DAG:
    folder = Path(tmp_path_factory.mktemp("pipelines")) / "shop"
    folder.mkdir()
    (folder / "project.yaml").write_text(MANIFESTS)
    dags = {dag.dag_id: dag for dag in project_dags(folder.parent, "shop")}
    return dags["shop.warehouse.web"]


def test_each_subscription_has_a_watcher_with_its_own_rule_and_login(warehouse):
    (watch,) = warehouse.timetable.asset_condition.objects
    kwargs = [watcher.trigger.serialize()[1] for watcher in watch.watchers]
    assert [k["subscription"] for k in kwargs] == [
        {"image": {"repoURL": "registry.example/web", "constraint": "^1.0.0"}},
        {"git": {"repoURL": "https://git.example/app.git", "includePaths": ["services/web"]}},
        {"chart": {"repoURL": "https://charts.example", "name": "web"}},
        {"name": "lib", "generic": {"kind": "pypi", "config": {"package": "requests"}}},
    ]
    assert [k["repository_conn_id"] for k in kwargs] == ["", "airfreight_shop_git", "", ""]
    assert {k["poke_interval"] for k in kwargs} == {90.0}


def test_all_tasks_of_a_warehouse_are_in_the_pool_that_it_names(warehouse):
    assert {task.pool for task in warehouse.tasks} == {"looks"}


def test_a_task_writes_the_register_alone(warehouse):
    assert {task.max_active_tis_per_dag for task in warehouse.tasks} == {1}


@pytest.mark.parametrize(
    ("conf", "is_taken"),
    [({}, True), ({"artifacts": {"lib": "1.0"}, "promote": True}, True), ({"artifacts": 1}, False)],
)
def test_the_form_takes_artifacts_by_subscription(warehouse, conf, is_taken):
    try:
        process_params(warehouse, warehouse.tasks[0], conf, suppress_exception=False)
    except ParamValidationError:
        assert not is_taken
    else:
        assert is_taken
