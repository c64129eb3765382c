"""What all kinds share: apiVersion, kind and metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airfreight.manifests.findings import Findings
from airfreight.manifests.nodes import Document, Path
from airfreight.model.suggestions import suggest

KARGO = "kargo.akuity.io/v1alpha1"
KARGO_ENTERPRISE = f"ee.{KARGO}"
API_VERSIONS: Mapping[str, str] = {
    "Project": KARGO,
    "ProjectConfig": KARGO,
    "Warehouse": KARGO,
    "Stage": KARGO,
    "PromotionTask": KARGO,
    "ClusterPromotionTask": KARGO,
    "Secret": "v1",
    "ConfigMap": "v1",
    "MessageChannel": KARGO_ENTERPRISE,
    "ClusterMessageChannel": KARGO_ENTERPRISE,
}
# What a Secret in `_cluster/` is called: a project's own may have its name.
SHARED_KIND = "shared Secret"
_CLUSTER = ("ClusterPromotionTask", "ClusterMessageChannel")
_NOT_YET = ("ClusterConfig", "Freight", "Promotion", "PromotionRequest", "Target")
_METADATA = {
    "name",
    "namespace",
    "labels",
    "annotations",
    "creationTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "uid",
}


@dataclass(frozen=True)
class Resource:
    """One manifest of a kind that this version reads; its content is still plain data."""

    kind: str
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    found: Findings

    @property
    def body(self) -> Mapping[str, Any]:
        """The whole manifest."""
        body: Mapping[str, Any] = self.found.document.data
        return body

    def section(self, key: str) -> dict[str, Any]:
        """Return a top-level mapping such as ``spec``; empty, with an error, where it is none."""
        value = self.body.get(key)
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        self.found.error((key,), "expected a mapping")
        return {}


def read_resource(document: Document, project: str | None) -> tuple[Resource | None, Findings]:
    """Return the document as a Resource, or None where it is of no kind that this version reads.

    `project` is the folder's name; None stands for `_cluster/`.
    """
    found = Findings(document)
    if not isinstance(document.data, dict):
        found.error((), "expected a mapping with apiVersion, kind, metadata and spec")
        return None, found
    kind = _kind(document.data, found)
    if kind is None:
        return None, found
    metadata = _mapping(document.data.get("metadata"), ("metadata",), found)
    name = metadata.get("name")
    if kind == "Secret" and project is None:
        kind = SHARED_KIND
    found.subject = f"{kind} {name}" if isinstance(name, str) else kind
    if not isinstance(name, str):
        said = "required field is missing" if name is None else "expected a string"
        found.error(("metadata", "name"), said, "" if name is None else "put it in quotes")
        return None, found
    _check_metadata(metadata, kind, project, found)
    labels = _texts(metadata.get("labels"), ("metadata", "labels"), found)
    annotations = _texts(metadata.get("annotations"), ("metadata", "annotations"), found)
    return Resource(kind, name, labels, annotations, found), found


def _kind(data: Mapping[str, Any], found: Findings) -> str | None:
    kind, version = data.get("kind"), data.get("apiVersion")
    for key, value in (("apiVersion", version), ("kind", kind)):
        if not isinstance(value, str):
            found.error(
                (key,), "required field is missing" if value is None else "expected a string"
            )
    if not isinstance(kind, str) or not isinstance(version, str):
        return None
    expected = API_VERSIONS.get(kind)
    if expected == version:
        return kind
    if expected is not None:
        found.error(("apiVersion",), f"expected {expected} for a {kind}, found {version!r}")
    elif kind in _NOT_YET or not version.startswith("kargo.akuity.io/"):
        found.warn(("kind",), f"kind {kind!r} of {version} is not in this version; it is ignored")
    else:
        found.error(("kind",), f"unknown kind {kind!r}", suggest(kind, API_VERSIONS))
    return None


def _check_metadata(
    metadata: Mapping[str, Any], kind: str, project: str | None, found: Findings
) -> None:
    for key in metadata:
        if key not in _METADATA:
            hint = suggest(key, _METADATA)
            found.warn_key(("metadata", key), "unknown field; it is ignored", hint)
    cluster = kind in _CLUSTER or kind == SHARED_KIND
    if cluster != (project is None):
        place = "in _cluster/" if cluster else "in its project's folder"
        found.error(("kind",), f"a {kind} belongs {place}", "move the manifest there")
        return
    namespace = metadata.get("namespace")
    if cluster or namespace is None:
        return
    if namespace != project:
        hint = f"write {project!r} or leave it out"
        found.error(("metadata", "namespace"), "differs from the project's folder", hint)


def _mapping(value: Any, path: Path, found: Findings) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if value is not None:
        found.error(path, "expected a mapping")
    return {}


def _texts(value: Any, path: Path, found: Findings) -> dict[str, str]:
    kept = {}
    for key, text in _mapping(value, path, found).items():
        if isinstance(text, str):
            kept[key] = text
        else:
            found.error((*path, key), "expected a string", "put it in quotes")
    return kept
