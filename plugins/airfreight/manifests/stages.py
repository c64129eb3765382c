"""Stages and tasks: shape, sources of Freight, steps (`kargo.md` §1.6, §1.8)."""

from __future__ import annotations

from typing import Any

from airfreight.manifests.findings import Findings
from airfreight.manifests.nodes import Path
from airfreight.manifests.resources import Resource
from airfreight.manifests.shapes import read_model
from airfreight.manifests.steps import check_steps, check_variables
from airfreight.model.stage import (
    FreightRequest,
    FreightSources,
    PromotionTask,
    PromotionTemplate,
    Stage,
    Step,
)
from airfreight.steps.registry import StepRegistry

_TEMPLATE: Path = ("spec", "promotionTemplate", "spec")


def _where(path: Path) -> Path:
    if path[:1] in (("name",), ("labels",), ("annotations",)):
        return ("metadata", *path)
    if path[:1] == ("promotionTemplate",):
        return (*_TEMPLATE, *path[1:])
    return ("spec", *path)


def read_stage(resource: Resource, registry: StepRegistry) -> Stage | None:
    """Return the Stage.

    One with errors keeps its name, its place in the pipeline and the shape of its tasks, and any promotion to it
    fails; None where not even its requestedFreight can be read.
    """
    found = resource.found
    spec = dict(resource.section("spec"))
    for key in ("verification", "targets"):
        if spec.pop(key, None) is not None:
            message = f"{key} is not in this version; the Stage would promote without it"
            found.error(("spec", key), message, "remove it")
    template = _template(spec, found)
    data = {**spec, **_identity(resource)}
    stage = read_model(Stage, data, _where, found)
    if stage is not None:
        _check_stage(stage, found, registry)
    if found.errors:
        return _shape(resource, spec, has_template=template)
    return stage


def _identity(resource: Resource) -> dict[str, Any]:
    return {
        "name": resource.name,
        "labels": dict(resource.labels),
        "annotations": dict(resource.annotations),
    }


def _template(spec: dict[str, Any], found: Findings) -> bool:
    """Put the template's inner spec in its place, as the model has it; say whether there is a template."""
    template = spec.get("promotionTemplate")
    if template is None:
        return False
    inner = template.get("spec") if isinstance(template, dict) else None
    if not isinstance(inner, dict):
        found.error(_TEMPLATE, "expected a mapping with steps")
        del spec["promotionTemplate"]
        return True
    spec["promotionTemplate"] = inner
    return True


def _shape(resource: Resource, spec: dict[str, Any], *, has_template: bool) -> Stage | None:
    requests = spec.get("requestedFreight")
    bare = [_bare_request(request) for request in requests] if isinstance(requests, list) else []
    data = {**_identity(resource), "requestedFreight": bare}
    stage = read_model(Stage, data, _where, Findings(resource.found.document))
    if stage is None or not has_template:
        return stage
    failing = Step(uses="fail", config={"message": f"{resource.found.subject} has errors"})
    return stage.model_copy(update={"promotion_template": PromotionTemplate(steps=(failing,))})


def _bare_request(request: Any) -> Any:
    """Keep only what the pipeline's shape is made of."""
    if not isinstance(request, dict) or not isinstance(request.get("sources"), dict):
        return request
    sources = {key: request["sources"].get(key) for key in ("direct", "stages")}
    return {"origin": request.get("origin"), "sources": sources}


def _check_stage(stage: Stage, found: Findings, registry: StepRegistry) -> None:
    seen: dict[str, int] = {}
    for index, request in enumerate(stage.requested_freight):
        path: Path = ("spec", "requestedFreight", index)
        first = seen.setdefault(request.origin.key, index)
        if first != index:
            message = f"{request.origin.key} is requested twice; first at requestedFreight[{first}]"
            found.error((*path, "origin"), message, "an origin may appear once")
        _check_sources(request, (*path, "sources"), found)
    check_variables(stage.vars, ("spec", "vars"), found)
    if stage.promotion_template is not None:
        check_variables(stage.promotion_template.vars, (*_TEMPLATE, "vars"), found)
        steps = stage.promotion_template.steps
        check_steps(steps, (*_TEMPLATE, "steps"), found, registry, in_task=False)


def _check_sources(request: FreightRequest, path: Path, found: Findings) -> None:
    sources = request.sources
    if not sources.direct and not sources.stages:
        found.error(path, "expected direct: true or at least one entry in stages")
    if sources.availability_strategy == "All" and not sources.stages:
        message = "All with no upstream Stages would make every Freight available"
        found.error((*path, "availabilityStrategy"), message, "list stages or remove All")
    seen: dict[str, int] = {}
    for index, name in enumerate(sources.stages):
        if seen.setdefault(name, index) != index:
            found.error((*path, "stages", index), f"Stage {name!r} is listed twice")
    if sources.auto_promotion_options.selection_policy == "MatchUpstream":
        _check_match_upstream(sources, (*path, "autoPromotionOptions", "selectionPolicy"), found)


def _check_match_upstream(sources: FreightSources, path: Path, found: Findings) -> None:
    if sources.direct or len(sources.stages) != 1:
        found.error(path, "MatchUpstream needs exactly one upstream Stage and no direct")


def read_task(resource: Resource, registry: StepRegistry) -> PromotionTask | None:
    """Return the PromotionTask or ClusterPromotionTask, or None where it is at fault."""
    found = resource.found
    spec = {key: value for key, value in resource.section("spec").items() if key != "cluster"}
    cluster = resource.kind == "ClusterPromotionTask"
    data = {**spec, "name": resource.name, "cluster": cluster}
    task = read_model(PromotionTask, data, _where, found)
    if task is not None:
        check_variables(task.vars, ("spec", "vars"), found)
        check_steps(task.steps, ("spec", "steps"), found, registry, in_task=True)
    return None if found.errors else task
