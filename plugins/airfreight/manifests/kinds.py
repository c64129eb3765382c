"""Document → model, kind by kind. The kinds with rules of their own have modules of their own."""

from __future__ import annotations

from dataclasses import dataclass, field

from airfreight.errors import Problem
from airfreight.manifests.channels import read_channel
from airfreight.manifests.nodes import Document, Path
from airfreight.manifests.resources import SHARED_KIND, Resource, read_resource
from airfreight.manifests.secrets import read_secret
from airfreight.manifests.shapes import read_model
from airfreight.manifests.stages import read_stage, read_task
from airfreight.manifests.warehouses import read_warehouse
from airfreight.model.channel import MessageChannel
from airfreight.model.connections import ConnectionIds
from airfreight.model.project import ConfigMap, Project, ProjectConfig, RepositoryCredential
from airfreight.model.stage import PromotionTask, Stage
from airfreight.model.warehouse import Warehouse
from airfreight.steps.registry import StepRegistry

Meaning = (
    Project
    | ProjectConfig
    | Warehouse
    | Stage
    | PromotionTask
    | RepositoryCredential
    | ConfigMap
    | MessageChannel
    | None
)

ARGOCD_CONNECTION = "airfreight/argocd-connection"

_NOT_IN_CONFIG = (
    "freightLinks",
    "promotionWindows",
    "stageLinks",
    "webhookReceivers",
)
_TOP_LEVEL = {"apiVersion", "kind", "metadata", "status"}


@dataclass
class Manifest:
    """One resource: the document's outer form, and what it means; `meaning` None where it could not be read."""

    resource: Resource
    meaning: Meaning

    @property
    def subject(self) -> str:
        """Kind and name, such as ``Stage prod``."""
        return f"{self.resource.kind} {self.resource.name}"


@dataclass
class Reading:
    """What one document gave; `problems` are those of a document that is no resource of ours."""

    manifest: Manifest | None
    problems: list[Problem] = field(default_factory=list)


def read_manifest(document: Document, ids: ConnectionIds, registry: StepRegistry) -> Reading:
    """Return what the document means; what all projects share is the folder `_cluster/`."""
    resource, found = read_resource(document, ids.project)
    if resource is None:
        return Reading(None, found.problems)
    _warn_unknown_sections(resource)
    meaning = _mean(resource, ids, registry)
    return Reading(Manifest(resource, meaning), found.problems)


def _warn_unknown_sections(resource: Resource) -> None:
    sections = {"Secret": {"data", "stringData", "type", "immutable"}}
    sections[SHARED_KIND] = sections["Secret"]
    sections["ConfigMap"] = {"data", "binaryData", "immutable"}
    known = _TOP_LEVEL | sections.get(resource.kind, {"spec"})
    for key in resource.body:
        if key not in known:
            resource.found.warn_key((key,), "unknown field; it is ignored, as Kargo ignores it")


def _mean(resource: Resource, ids: ConnectionIds, registry: StepRegistry) -> Meaning:
    match resource.kind:
        case "Project":
            return _read_project(resource, ids)
        case "ProjectConfig":
            return _read_config(resource, ids.project or "")
        case "Warehouse":
            return read_warehouse(resource)
        case "Stage":
            return read_stage(resource, registry)
        case kind if kind in ("Secret", SHARED_KIND):
            return read_secret(resource, ids)
        case "ConfigMap":
            data = {"name": resource.name, "data": resource.section("data")}
            return read_model(ConfigMap, data, _in_data, resource.found)
        case "MessageChannel" | "ClusterMessageChannel":
            return read_channel(resource, ids)
        case _:
            return read_task(resource, registry)


def _in_data(path: Path) -> Path:
    return ("metadata", *path) if path[:1] == ("name",) else path


def _in_spec(path: Path) -> Path:
    return ("metadata", *path) if path[:1] == ("name",) else ("spec", *path)


def _check_folder(resource: Resource, project: str) -> None:
    if resource.name != project:
        message = f"a {resource.kind} has the name of its project's folder, {project!r}"
        resource.found.error(("metadata", "name"), message, "rename one of them")


def _read_project(resource: Resource, ids: ConnectionIds) -> Project | None:
    _check_folder(resource, ids.project or "")
    for key in resource.section("spec"):
        message = "unknown field; it is ignored, as Kargo ignores it"
        resource.found.warn_key(
            ("spec", key), message, "settings of a Project are in its ProjectConfig"
        )
    data = {"name": resource.name, "argocdConnection": _argocd_connection(resource, ids)}
    return read_model(Project, data, _in_spec, resource.found)


def _argocd_connection(resource: Resource, ids: ConnectionIds) -> str:
    named = resource.annotations.get(ARGOCD_CONNECTION, "")
    refusal = ids.refusal(named) if named else None
    if refusal is None:
        return named
    hint = f"name it {ids.own}argocd, for example"
    resource.found.error(("metadata", "annotations", ARGOCD_CONNECTION), refusal, hint)
    return ""


def _read_config(resource: Resource, project: str) -> ProjectConfig | None:
    found = resource.found
    _check_folder(resource, project)
    spec = dict(resource.section("spec"))
    for key in _NOT_IN_CONFIG:
        if spec.pop(key, None) is not None:
            found.warn_key(("spec", key), f"{key} is not in this version; it is ignored")
    config = read_model(ProjectConfig, {**spec, "name": resource.name}, _in_spec, found)
    seen: dict[str, int] = {}
    for index, policy in enumerate(config.promotion_policies if config else ()):
        exact = policy.stage or (policy.stage_selector.name if policy.stage_selector else "")
        first = seen.setdefault(exact, index) if exact else index
        if first != index:
            message = f"{exact!r} is selected twice; first at promotionPolicies[{first}]"
            found.error(("spec", "promotionPolicies", index), message, "remove one of them")
    return None if found.errors else config
