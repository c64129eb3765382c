"""The register over REST, to read: key by key, or all of a Warehouse or Stage where every Freight is wanted.

A register grows with the Freight that passed. Read by key, a question costs as many calls whatever has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from airfreight.cli.api import AirflowApi, AssetInfo
from airfreight.cli.directory import Directory, Place
from airfreight.errors import NotFoundError, RefusedError
from airfreight.model.freight import Freight, FreightOrigin
from airfreight.model.naming import metadata_asset
from airfreight.model.suggestions import suggest
from airfreight.runtime.availability import Registers
from airfreight.runtime.records import Hold
from airfreight.runtime.stage_register import StageRegister
from airfreight.runtime.store import ReadOnce, StateStore
from airfreight.runtime.warehouse_register import WarehouseRegister


class _ReadOnly:
    def set(self, key: str, value: Any) -> None:  # noqa: ARG002 the protocol's shape
        """Raise RefusedError."""
        raise RefusedError(f"the command only reads the register; {key} is written by tasks")

    def delete(self, key: str) -> None:
        """Raise RefusedError."""
        raise RefusedError(f"the command only reads the register; {key} is written by tasks")


class SnapshotStore(_ReadOnly):
    """A StateStore of what an asset's keys were at one moment."""

    def __init__(self, entries: dict[str, Any]) -> None:
        self._entries = entries

    def get(self, key: str) -> Any:
        """Return the value of `key`, or None where there is none."""
        return self._entries.get(key)


class _KeyStore(_ReadOnly):
    """A StateStore that fetches a key whenever it is asked for."""

    def __init__(self, fetch: Callable[[str], Any]) -> None:
        self._fetch = fetch

    def get(self, key: str) -> Any:
        """Return the value of `key`, or None where there is none."""
        return self._fetch(key)


@dataclass(frozen=True)
class StageView:
    """A Stage's register; `origins` are the keys of the Warehouses of its pipeline."""

    place: Place
    register: StageRegister
    origins: tuple[str, ...]

    def holds(self) -> dict[str, Hold]:
        """Return origin → hold."""
        holds = {origin: self.register.hold(origin) for origin in self.origins}
        return {origin: hold for origin, hold in holds.items() if hold is not None}


@dataclass(frozen=True)
class WarehouseView:
    """A Warehouse's register."""

    place: Place
    register: WarehouseRegister


def read_stage(api: AirflowApi, directory: Directory, place: Place) -> StageView:
    """Return a Stage with its register, to be read key by key."""
    return StageView(place, stage_register(api, place), _origins(directory, place))


def stage_register(api: AirflowApi, place: Place) -> StageRegister:
    """Return a Stage's register, to be read key by key."""
    return StageRegister(_keys(api, place.asset_id))


def list_stage(api: AirflowApi, directory: Directory, place: Place) -> StageView:
    """Fetch all of a Stage's register."""
    store = SnapshotStore(api.state(place.asset_id))
    return StageView(place, StageRegister(store), _origins(directory, place))


def read_warehouse(api: AirflowApi, place: Place) -> WarehouseView:
    """Return a Warehouse's register, to be read key by key."""
    return WarehouseView(place, WarehouseRegister(_keys(api, place.asset_id)))


def list_warehouse(api: AirflowApi, place: Place) -> WarehouseView:
    """Fetch all of a Warehouse's register."""
    return WarehouseView(place, WarehouseRegister(SnapshotStore(api.state(place.asset_id))))


def metadata_store(api: AirflowApi, assets: Iterable[AssetInfo], project: str) -> StateStore:
    """Return the metadata of a project's Stages and Freight; empty where Airflow has no asset for them yet."""
    uri = metadata_asset(project)
    found = next((asset for asset in assets if asset.uri == uri), None)
    return _keys(api, found.id) if found is not None else SnapshotStore({})


def _keys(api: AirflowApi, asset_id: int) -> StateStore:
    return ReadOnce(_KeyStore(partial(api.stored, asset_id)))


def _origins(directory: Directory, place: Place) -> tuple[str, ...]:
    return tuple(
        FreightOrigin(name=warehouse.name).key
        for warehouse in directory.pipeline_of(place).warehouses
    )


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Raise RefusedError where the register holds something of another shape."""
    try:
        yield
    except (ValueError, TypeError, AttributeError, LookupError):
        raise RefusedError(
            f"the register of {what} holds what this version of airfreight cannot read"
        ) from None


def resolve_freight(
    api: AirflowApi, pipeline: Directory, name: str | None, alias: str | None
) -> Freight:
    """Return the Freight of a pipeline that `name`, a unique prefix of it, or else `alias` means.

    Raises RefusedError or NotFoundError where none fits or several do.
    """
    views = {place.name: read_warehouse(api, place) for place in pipeline.warehouses}
    if not views:
        raise NotFoundError("the pipeline has no Warehouse")
    reference = name or alias or ""
    with reading(", ".join(views)):
        registers = Registers({key: view.register for key, view in views.items()}, {})
        _check_near(reference, registers)
        freight = registers.resolve(reference)
    if name is None and freight.alias != alias:
        raise NotFoundError(f"no Freight has the alias {alias!r}; see `airfreight get freight`")
    return freight


def _check_near(reference: str, registers: Registers) -> None:
    """Raise NotFoundError where nothing fits `reference` but an alias is near it."""
    warehouses = registers.warehouses.values()
    if any(register.find(reference) for register in warehouses):
        return
    aliases = (entry.alias for register in warehouses for entry in register.index())
    hint = suggest(reference, aliases)
    if hint:
        raise NotFoundError(f"no Freight is named {reference!r}; {hint}")
