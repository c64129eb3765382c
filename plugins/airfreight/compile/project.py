"""One project → all its DAGs; and the errors of every project, for Airflow's list of import errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import airflow.timetables.base  # noqa: F401 else each fork imports it for its first DAG
from airflow.sdk import DAG, get_parsing_context

from airfreight.compile.assets import pipeline_assets
from airfreight.compile.pipeline import pipeline_dag
from airfreight.compile.warehouse import warehouse_dag
from airfreight.errors import Location, ManifestError, Problem
from airfreight.manifests.project import LoadedProject, Pipeline, load_project, project_names
from airfreight.model.naming import pipeline_dag_id, warehouse_dag_id
from airfreight.operators.pipeline import PipelineRuntime
from airfreight.sources.custom import GROUP as SUBSCRIPTIONS
from airfreight.sources.custom import subscription_registry
from airfreight.steps.custom import GROUP as STEPS
from airfreight.steps.installed import step_registry


def pipelines_folder(dag_file: str) -> Path:
    """Return `include/pipelines` of the folder or DAG bundle that a DAG file lies in."""
    return Path(dag_file).resolve().parent.parent / "include" / "pipelines"


def project_dags(pipelines: Path, name: str) -> list[DAG]:
    """Return the DAGs of a project; in the process of a task just the DAG of that task.

    Raises ManifestError where a file cannot be read at all.
    """
    project = load_project(pipelines, name, step_registry())
    only = get_parsing_context().dag_id
    return [
        make()
        for pipeline in project.pipelines
        for dag_id, make in _dags_of(project, pipeline)
        if only in (None, dag_id)
    ]


def _dags_of(project: LoadedProject, pipeline: Pipeline) -> Iterator[tuple[str, Callable[[], DAG]]]:
    """Yield the id of each DAG of a pipeline, and what makes it."""
    runtime = PipelineRuntime(project, pipeline, pipeline_assets(project.name, pipeline))
    yield pipeline_dag_id(project.name, pipeline.name), partial(pipeline_dag, runtime)
    for warehouse in pipeline.warehouses:
        make = partial(warehouse_dag, runtime, warehouse)
        yield warehouse_dag_id(project.name, warehouse.name), make


def project_problems(pipelines: Path, name: str) -> tuple[Problem, ...]:
    """Return what is wrong with a project, warnings and clashes of other packages' kinds included."""
    clashes = tuple(_clashes())
    try:
        return (*clashes, *load_project(pipelines, name, step_registry()).problems)
    except ManifestError as error:
        return (*clashes, *error.problems)


def _clashes() -> Iterator[Problem]:
    for group, registry in (
        (STEPS, step_registry()),
        (SUBSCRIPTIONS, subscription_registry()),
    ):
        yield from (Problem(Location(group), "", clash) for clash in registry.clashes)


def raise_all_errors(pipelines: Path) -> None:
    """Raise every located error of every project together, where there is one."""
    problems = {
        problem
        for name in project_names(pipelines)
        for problem in project_problems(pipelines, name)
        if problem.severity == "error"
    }
    if problems:
        raise ManifestError(problems)
