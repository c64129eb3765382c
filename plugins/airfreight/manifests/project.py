"""A project's folder → its model, with every problem of every file.

A file that is no YAML raises; all else disables only what needs it.
"""

from __future__ import annotations

import errno
import hashlib
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from airfreight.errors import Location, ManifestError, Problem
from airfreight.manifests.kinds import Manifest, read_manifest
from airfreight.manifests.nodes import LARGEST_FILE, Document, read_documents
from airfreight.manifests.pipelines import Pipeline, connect, find_edges
from airfreight.manifests.references import Declared, check_pipelines, check_references
from airfreight.model.channel import MessageChannel
from airfreight.model.connections import ConnectionIds
from airfreight.model.project import ConfigMap, Project, ProjectConfig, RepositoryCredential
from airfreight.model.stage import PromotionTask, Stage, TaskReference
from airfreight.model.warehouse import Warehouse
from airfreight.steps.registry import StepRegistry

__all__ = ["CLUSTER", "LoadedProject", "Pipeline", "load_project", "project_names"]

CLUSTER = "_cluster"
_SUFFIXES = (".yaml", ".yml")

MeaningT = TypeVar("MeaningT")


@dataclass(frozen=True)
class LoadedProject:
    """All that a project's manifests say.

    `disabled` maps ``Stage <name>`` and ``Warehouse <name>`` to the errors that take them out of service. A disabled
    Stage stays in `stages`, in the shape of its tasks, wherever that shape could be read; a disabled Warehouse
    watches nothing. `digest` is the SHA-256 of all bytes read, file names included. `argocd_connection` is the id of
    the Connection to its Argo CD, or empty; `connections` are those that the project may use.
    """

    name: str
    config: ProjectConfig
    warehouses: tuple[Warehouse, ...]
    stages: tuple[Stage, ...]
    tasks: tuple[PromotionTask, ...]
    cluster_tasks: tuple[PromotionTask, ...]
    credentials: tuple[RepositoryCredential, ...]
    config_maps: tuple[ConfigMap, ...]
    channels: tuple[MessageChannel, ...]
    problems: tuple[Problem, ...]
    disabled: Mapping[str, tuple[Problem, ...]]
    digest: str
    pipelines: tuple[Pipeline, ...]
    argocd_connection: str
    connections: ConnectionIds

    def find_task(self, reference: TaskReference) -> PromotionTask | None:
        """Return the task that a step refers to."""
        cluster = reference.kind == "ClusterPromotionTask"
        tasks = self.cluster_tasks if cluster else self.tasks
        return next((task for task in tasks if task.name == reference.name), None)


@dataclass(frozen=True)
class _Folder:
    """The documents of a folder; `unreadable` holds the problems of files that are no YAML."""

    documents: tuple[Document, ...]
    unreadable: tuple[Problem, ...]
    digest: bytes


def project_names(pipelines: Path) -> list[str]:
    """Return the names of all projects."""
    return sorted(
        folder.name
        for folder in pipelines.iterdir()
        if folder.is_dir() and folder.name != CLUSTER and not folder.name.startswith(".")
    )


def load_project(pipelines: Path, name: str, registry: StepRegistry) -> LoadedProject:
    """Read `<pipelines>/<name>/` and `<pipelines>/_cluster/`.

    Raises ManifestError, with the problems of all files of the project, where one of them is no YAML, where there is
    no such folder, and where its name would give it Connections of others.
    """
    _check_folder(pipelines, name)
    projects = frozenset(project_names(pipelines))
    ids = _connections(name, projects)
    own = _read_folder(pipelines, name, recursive=True)
    if own.unreadable:
        raise ManifestError(own.unreadable)
    cluster = _read_folder(pipelines, CLUSTER, recursive=False)
    problems = list(cluster.unreadable)
    manifests = [
        *_read_manifests(cluster.documents, ConnectionIds(None, projects), registry, problems),
        *_read_manifests(own.documents, ids, registry, problems),
    ]
    declared = Declared(name, manifests, cluster_readable=not cluster.unreadable)
    digest = hashlib.sha256(own.digest + cluster.digest).hexdigest()
    return _assemble(declared, problems, digest, ids)


def _check_folder(pipelines: Path, name: str) -> None:
    try:
        Project(name=name)
    except ValueError:
        message = f"{name!r} is no name for a project"
        hint = "lower-case letters, digits, '-' and '.'"
        raise ManifestError([Problem(Location(ascii(name)), "", message, hint)]) from None
    if not (pipelines / name).is_dir():
        message = "there is no such folder of manifests"
        raise ManifestError([Problem(Location(name), "", message)])


def _connections(name: str, projects: frozenset[str]) -> ConnectionIds:
    ids = ConnectionIds(name, projects - {name})
    if clash := ids.clash():
        raise ManifestError([Problem(Location(name), "", clash, "rename the project's folder")])
    return ids


def _read_folder(pipelines: Path, folder: str, *, recursive: bool) -> _Folder:
    found = (pipelines / folder).rglob("*") if recursive else (pipelines / folder).glob("*")
    paths = sorted(path for path in found if path.suffix in _SUFFIXES and not path.is_dir())
    documents: list[Document] = []
    unreadable: list[Problem] = []
    digest = hashlib.sha256()
    for path in paths:
        file = _shown(path.relative_to(pipelines))
        try:
            content = _read_file(path)
            digest.update(f"{file}\0{len(content)}\0".encode())
            digest.update(content)
            documents += read_documents(content, file)
        except OSError as error:
            unreadable.append(Problem(Location(file), "", f"cannot be read: {error.strerror}"))
        except ManifestError as error:
            unreadable += error.problems
    return _Folder(tuple(documents), tuple(unreadable), digest.digest())


def _shown(path: Path) -> str:
    """Return a path as messages and logs can hold it: a file's name may be no text at all."""
    text = path.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _read_file(path: Path) -> bytes:
    """Return a file's content, at most one byte more than is allowed; raises OSError where it is no regular file."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    with path.open("rb") as file:
        return file.read(LARGEST_FILE + 1)


def _read_manifests(
    documents: Sequence[Document],
    ids: ConnectionIds,
    registry: StepRegistry,
    problems: list[Problem],
) -> Iterator[Manifest]:
    for document in documents:
        reading = read_manifest(document, ids, registry)
        if reading.manifest is None:
            problems += reading.problems
        else:
            yield reading.manifest


def _assemble(
    declared: Declared, problems: list[Problem], digest: str, connections: ConnectionIds
) -> LoadedProject:
    check_references(declared)
    warehouses = _meanings(declared, Warehouse)
    stages = _meanings(declared, Stage)
    edges, _ = find_edges(stages)
    pipelines = connect(warehouses, stages, edges)
    check_pipelines(pipelines, declared)
    distinct = {pipeline.name: pipeline for pipeline in reversed(pipelines)}
    for manifest in declared.manifests:
        problems += manifest.resource.found.problems
    configs = _meanings(declared, ProjectConfig)
    named = [project.argocd_connection for project in _meanings(declared, Project)]
    return LoadedProject(
        name=declared.project,
        config=configs[0] if configs else ProjectConfig(name=declared.project),
        warehouses=warehouses,
        stages=stages,
        tasks=tuple(t for t in _meanings(declared, PromotionTask) if not t.cluster),
        cluster_tasks=tuple(t for t in _meanings(declared, PromotionTask) if t.cluster),
        credentials=_meanings(declared, RepositoryCredential),
        config_maps=_meanings(declared, ConfigMap),
        channels=_meanings(declared, MessageChannel),
        problems=tuple(sorted(problems, key=lambda problem: (problem.location, str(problem)))),
        disabled=_disabled(declared),
        digest=digest,
        pipelines=tuple(pipeline for pipeline in pipelines if distinct[pipeline.name] is pipeline),
        argocd_connection=named[0] if named else "",
        connections=connections,
    )


def _meanings(declared: Declared, model: type[MeaningT]) -> tuple[MeaningT, ...]:
    """Return the meanings of one model in file order, of each name the first."""
    first: dict[tuple[str, str], Manifest] = {}
    for manifest in declared.manifests:
        first.setdefault((manifest.resource.kind, manifest.resource.name), manifest)
    return tuple(m.meaning for m in first.values() if isinstance(m.meaning, model))


def _disabled(declared: Declared) -> dict[str, tuple[Problem, ...]]:
    disabled: dict[str, tuple[Problem, ...]] = {}
    for manifest in declared.manifests:
        errors = manifest.resource.found.errors
        if manifest.resource.kind in ("Stage", "Warehouse") and errors:
            disabled[manifest.subject] = (*disabled.get(manifest.subject, ()), *errors)
    return disabled
