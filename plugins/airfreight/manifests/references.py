"""Checks that need several manifests: names that have to exist, to be unique, and to make usable ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from airfreight.manifests.findings import Findings
from airfreight.manifests.kinds import Manifest
from airfreight.manifests.nodes import Path
from airfreight.manifests.pipelines import PIPELINE, Pipeline, find_edges
from airfreight.model.channel import MessageChannel
from airfreight.model.naming import (
    LONGEST_ID,
    PROMOTE,
    pipeline_dag_id,
    stage_task_id,
    warehouse_dag_id,
)
from airfreight.model.project import ProjectConfig
from airfreight.model.stage import PromotionTask, Stage, Step
from airfreight.model.suggestions import suggest
from airfreight.model.warehouse import Warehouse

MOST_STAGES = 100

MeaningT = TypeVar("MeaningT")
_CHANNELS = ("MessageChannel", "ClusterMessageChannel")
_STEPS: Path = ("spec", "promotionTemplate", "spec", "steps")


@dataclass(frozen=True)
class Declared:
    """All manifests of a project and of `_cluster/`, in file order.

    `cluster_readable` is False where a file of `_cluster/` could not be read.
    """

    project: str
    manifests: Sequence[Manifest]
    cluster_readable: bool

    @cached_property
    def _by_kind(self) -> dict[str, dict[str, Manifest]]:
        found: dict[str, dict[str, Manifest]] = {}
        for manifest in self.manifests:
            resource = manifest.resource
            found.setdefault(resource.kind, {}).setdefault(resource.name, manifest)
        return found

    def named(self, kind: str) -> Mapping[str, Manifest]:
        """Return the first manifest of each name."""
        return self._by_kind.get(kind, {})

    def meanings(self, model: type[MeaningT], kind: str) -> dict[str, tuple[MeaningT, Findings]]:
        """Return what the manifests of a kind mean, those that mean nothing left out."""
        return {
            name: (manifest.meaning, manifest.resource.found)
            for name, manifest in self.named(kind).items()
            if isinstance(manifest.meaning, model)
        }


def check_references(declared: Declared) -> None:
    """Add to each manifest's findings what is wrong with its relation to others."""
    _check_unique(declared)
    _check_channels(declared)
    stages = declared.meanings(Stage, "Stage")
    for stage, found in stages.values():
        if len(stage_task_id(stage.name, PROMOTE)) > LONGEST_ID:
            found.error(("metadata", "name"), _too_long(stage_task_id(stage.name, PROMOTE)))
        _check_requests(stage, found, declared)
        _check_tasks(stage, found, declared)
        if stage.promotion_template is not None:
            _check_messages(stage.promotion_template.steps, _STEPS, found, declared)
    _check_cycles(stages)
    for warehouse, found in declared.meanings(Warehouse, "Warehouse").values():
        dag_id = warehouse_dag_id(declared.project, warehouse.name)
        if len(dag_id) > LONGEST_ID:
            found.error(("metadata", "name"), _too_long(dag_id))
    _check_policies(declared)


def _too_long(identifier: str) -> str:
    return f"makes an id of {len(identifier)} characters; Airflow takes {LONGEST_ID}"


def _check_unique(declared: Declared) -> None:
    first: dict[tuple[str, str], Manifest] = {}
    for manifest in declared.manifests:
        resource = manifest.resource
        earlier = first.setdefault((resource.kind, resource.name.lower()), manifest).resource
        if earlier is resource:
            continue
        place = earlier.found.document.locate(("metadata", "name"))
        said = f"{manifest.subject} is declared twice; first at {place}"
        if earlier.name != resource.name:
            said = f"differs only by case from {earlier.name!r} at {place}"
        resource.found.error(("metadata", "name"), said, "rename or remove one of them")


def _check_requests(stage: Stage, found: Findings, declared: Declared) -> None:
    warehouses, stages = declared.named("Warehouse"), declared.named("Stage")
    for index, request in enumerate(stage.requested_freight):
        path: Path = ("spec", "requestedFreight", index)
        if request.origin.name not in warehouses:
            message = f"there is no Warehouse {request.origin.name!r}"
            hint = suggest(request.origin.name, warehouses)
            found.error((*path, "origin", "name"), message, hint)
        for place, name in enumerate(request.sources.stages):
            source = (*path, "sources", "stages", place)
            upstream = stages[name].meaning if name in stages else None
            if name not in stages:
                found.error(source, f"there is no Stage {name!r}", suggest(name, stages))
            elif isinstance(upstream, Stage) and upstream.request(request.origin) is None:
                message = f"Stage {name!r} does not request {request.origin.key}"
                found.warn(source, message, "it can never pass this Freight on")


def _check_tasks(stage: Stage, found: Findings, declared: Declared) -> None:
    if stage.promotion_template is None:
        return
    for index, step in enumerate(stage.promotion_template.steps):
        if step.task is None:
            continue
        path: Path = (*_STEPS, index, "task", "name")
        kind, name = step.task.kind, step.task.name
        if kind == "ClusterPromotionTask" and not declared.cluster_readable:
            message = f"{kind} {name!r} cannot be used: a file of _cluster/ cannot be read"
            found.error(path, message, "mend the file")
            continue
        known = declared.named(kind)
        if name not in known:
            found.error(path, f"there is no {kind} {name!r}", suggest(name, known))
            continue
        task = known[name]
        if not isinstance(task.meaning, PromotionTask) or task.resource.found.errors:
            place = task.resource.found.document.location
            found.error(path, f"{kind} {name!r} has errors; it is declared at {place}")
            continue
        _check_values(stage, step, task.meaning, (*_STEPS, index), found)


def _check_channels(declared: Declared) -> None:
    """Check what message channels refer to, and the project's own tasks that send messages."""
    for channel, found in declared.meanings(MessageChannel, "MessageChannel").values():
        secret = channel.secret_ref
        secrets = declared.named("Secret")
        if secret is not None and secret.name not in secrets:
            hint = suggest(secret.name, secrets)
            found.error(("spec", "secretRef", "name"), f"there is no Secret {secret.name!r}", hint)
    for task, found in declared.meanings(PromotionTask, "PromotionTask").values():
        _check_messages(task.steps, ("spec", "steps"), found, declared)


def _check_messages(steps: Sequence[Step], path: Path, found: Findings, declared: Declared) -> None:
    """Check the channels that send-message steps name; a name with a template is known when the step runs."""
    for index, step in enumerate(steps):
        channel = step.config.get("channel")
        if step.uses != "send-message" or not isinstance(channel, dict):
            continue
        kind, name = channel.get("kind"), channel.get("name")
        here = (*path, index, "config", "channel", "name")
        if kind not in _CHANNELS or not isinstance(name, str) or "${" in name:
            continue
        if kind == "ClusterMessageChannel" and not declared.cluster_readable:
            message = f"{kind} {name!r} cannot be used: a file of _cluster/ cannot be read"
            found.error(here, message, "mend the file")
            continue
        known = declared.named(kind)
        if name not in known:
            found.error(here, f"there is no {kind} {name!r}", suggest(name, known))
        elif known[name].meaning is None or known[name].resource.found.errors:
            place = known[name].resource.found.document.location
            found.error(here, f"{kind} {name!r} has errors; it is declared at {place}")


def _check_values(
    stage: Stage, step: Step, task: PromotionTask, path: Path, found: Findings
) -> None:
    template = stage.promotion_template.vars if stage.promotion_template else ()
    given = {v.name for v in (*stage.vars, *template, *step.vars) if v.value}
    for variable in task.vars:
        if not variable.value and variable.name not in given:
            message = f"missing value for variable {variable.name!r} of task {task.name!r}"
            found.error((*path, "task"), message, "set it in the step's vars or in the Stage's")


def _check_cycles(stages: Mapping[str, tuple[Stage, Findings]]) -> None:
    _, closing = find_edges([stage for stage, _ in stages.values()])
    for edge in closing:
        path: Path = ("spec", "requestedFreight", edge.request, "sources", "stages", edge.source)
        message = f"{edge.upstream} → {edge.stage} closes a cycle; the DAG leaves this edge out"
        if edge.upstream == edge.stage:
            message = "the Stage is its own upstream; the DAG leaves this edge out"
        stages[edge.stage][1].warn(path, message)


def _check_policies(declared: Declared) -> None:
    stages = declared.named("Stage")
    for config, found in declared.meanings(ProjectConfig, "ProjectConfig").values():
        for index, policy in enumerate(config.promotion_policies):
            if policy.stage and policy.stage not in stages:
                path = ("spec", "promotionPolicies", index, "stage")
                found.warn(
                    path, f"there is no Stage {policy.stage!r}", suggest(policy.stage, stages)
                )


def check_pipelines(pipelines: Sequence[Pipeline], declared: Declared) -> None:
    """Check names and sizes; a pipeline whose name is taken disables its Warehouses."""
    warehouses = declared.named("Warehouse")
    taken: set[str] = set()
    for pipeline in pipelines:
        findings = [warehouses[warehouse.name].resource.found for warehouse in pipeline.warehouses]
        if pipeline.name in taken:
            for found in findings:
                message = f"pipeline name {pipeline.name!r} is taken by another pipeline"
                found.error(_annotation(found), message, f"set the annotation {PIPELINE}")
        taken.add(pipeline.name)
        _check_pipeline(pipeline, declared.project, findings[0])


def _check_pipeline(pipeline: Pipeline, project: str, found: Findings) -> None:
    annotated = sorted(
        {w.annotations[PIPELINE] for w in pipeline.warehouses if PIPELINE in w.annotations}
    )
    if len(annotated) > 1:
        message = f"one pipeline is given several names: {', '.join(annotated)}"
        found.warn(_annotation(found), message, f"it is called {pipeline.name!r}")
    elif not annotated and len(pipeline.warehouses) > 1:
        message = f"a pipeline of {len(pipeline.warehouses)} Warehouses is called {pipeline.name!r}"
        found.warn(("metadata", "name"), message, f"the annotation {PIPELINE} names it")
    dag_id = pipeline_dag_id(project, pipeline.name)
    if len(dag_id) > LONGEST_ID:
        found.error(_annotation(found), _too_long(dag_id))
    if len(pipeline.stages) > MOST_STAGES:
        message = f"pipeline {pipeline.name!r} has {len(pipeline.stages)} Stages"
        found.warn(("metadata", "name"), message, f"Airflow schedules up to {MOST_STAGES} well")


def _annotation(found: Findings) -> Path:
    path: Path = ("metadata", "annotations", PIPELINE)
    return path if path in found.document.places else ("metadata", "name")
