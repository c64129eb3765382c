"""Which projects, Warehouses and Stages an Airflow has, and the pipeline DAG of each: read off the assets.

A pipeline's first task has every Warehouse and Stage of the pipeline as its inlet.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from airfreight.cli.api import AssetInfo
from airfreight.errors import NotFoundError, SettingsError
from airfreight.model.naming import (
    FREIGHT,
    GATE,
    PROMOTE,
    pipeline_dag_id,
    stage_register_asset,
    stage_task_id,
    warehouse_asset,
)


@dataclass(frozen=True)
class Place:
    """A Warehouse or a Stage; `pipeline` is the id of its DAG."""

    project: str
    name: str
    asset_id: int
    pipeline: str


@dataclass(frozen=True)
class Directory:
    """All Warehouses and Stages, by project and name."""

    warehouses: tuple[Place, ...]
    stages: tuple[Place, ...]

    def within(self, project: str | None) -> Directory:
        """Return what belongs to `project`, or all where that is None; raises NotFoundError where there is none."""
        if project is None:
            return self
        names = sorted({place.project for place in (*self.warehouses, *self.stages)})
        if project not in names:
            raise NotFoundError(f"there is no project {project!r}{_hint(project, names)}")
        return Directory(
            tuple(place for place in self.warehouses if place.project == project),
            tuple(place for place in self.stages if place.project == project),
        )

    def warehouse(self, name: str) -> Place:
        """Return the Warehouse; raises NotFoundError, or SettingsError where several projects have it."""
        return _only("Warehouse", name, self.warehouses)

    def stage(self, name: str) -> Place:
        """Return the Stage; raises NotFoundError, or SettingsError where several projects have it."""
        return _only("Stage", name, self.stages)

    def stage_that_asks(self, dag_id: str, task_id: str) -> Place | None:
        """Return the Stage whose gate or promotion a task is."""
        for place in self.stages:
            asking = [stage_task_id(place.name, task) for task in (GATE, PROMOTE)]
            if place.pipeline == dag_id and task_id in asking:
                return place
        return None

    def pipeline_of(self, stage: Place) -> Directory:
        """Return all that is in the Stage's pipeline."""
        return Directory(
            tuple(place for place in self.warehouses if place.pipeline == stage.pipeline),
            tuple(place for place in self.stages if place.pipeline == stage.pipeline),
        )


def read_directory(assets: Iterable[AssetInfo]) -> Directory:
    """Return the directory that these assets make; those of other kinds are passed by."""
    listed = list(assets)
    return Directory(_places(listed, warehouse_asset), _places(listed, stage_register_asset))


def _places(assets: list[AssetInfo], uri_of: Callable[[str, str], str]) -> tuple[Place, ...]:
    places = [place for asset in assets if (place := _place(asset, uri_of)) is not None]
    return tuple(sorted(places, key=lambda place: (place.project, place.name)))


def _place(asset: AssetInfo, uri_of: Callable[[str, str], str]) -> Place | None:
    try:
        parts = urlsplit(asset.uri)
    except ValueError:
        return None
    project, name = parts.netloc, "".join(parts.path.split("/")[2:3])
    if uri_of(project, name) != asset.uri:
        return None
    prefix = pipeline_dag_id(project, "")
    dags = [
        task.dag_id
        for task in asset.consuming_tasks
        if task.task_id == FREIGHT and task.dag_id.startswith(prefix)
    ]
    return Place(project, name, asset.id, dags[0]) if dags else None


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(known)}" if known else "; Airflow has loaded none"


def _only(kind: str, name: str, places: tuple[Place, ...]) -> Place:
    found = [place for place in places if place.name == name]
    if not found:
        known = sorted({place.name for place in places})
        raise NotFoundError(f"there is no {kind} {name!r}{_hint(name, known)}")
    if len(found) > 1:
        projects = ", ".join(place.project for place in found)
        raise SettingsError(f"{kind} {name} is in {projects}; choose with --project")
    return found[0]
