"""The register over REST, to read: each Warehouse's or Stage's keys are fetched in one listing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from airfreight.cli.api import AirflowApi
from airfreight.cli.directory import Directory, Place
from airfreight.errors import NotFoundError, RefusedError
from airfreight.model.freight import Freight
from airfreight.runtime.availability import Registers
from airfreight.runtime.records import Hold
from airfreight.runtime.stage_register import StageRegister
from airfreight.runtime.warehouse_register import WarehouseRegister

_HOLD = "hold/"


class SnapshotStore:
    """A StateStore of what an asset's keys were at one moment; writing is refused."""

    def __init__(self, entries: dict[str, Any]) -> None:
        self._entries = entries

    def get(self, key: str) -> Any:
        """Return the value of `key`, or None where there is none."""
        return self._entries.get(key)

    def set(self, key: str, value: Any) -> None:  # noqa: ARG002 the protocol's shape
        """Raise RefusedError."""
        raise RefusedError(f"the command only reads the register; {key} is written by tasks")

    def delete(self, key: str) -> None:
        """Raise RefusedError."""
        raise RefusedError(f"the command only reads the register; {key} is written by tasks")

    def keys(self, prefix: str) -> list[str]:
        """Return what follows `prefix` in the keys that begin with it, sorted."""
        return sorted(key.removeprefix(prefix) for key in self._entries if key.startswith(prefix))


@dataclass(frozen=True)
class StageView:
    """A Stage's register and the origins that have a hold."""

    place: Place
    register: StageRegister
    held_origins: tuple[str, ...]

    def holds(self) -> dict[str, Hold]:
        """Return origin → hold."""
        holds = {origin: self.register.hold(origin) for origin in self.held_origins}
        return {origin: hold for origin, hold in holds.items() if hold is not None}


@dataclass(frozen=True)
class WarehouseView:
    """A Warehouse's register."""

    place: Place
    register: WarehouseRegister


def read_stage(api: AirflowApi, place: Place) -> StageView:
    """Fetch a Stage's register."""
    store = SnapshotStore(api.state(place.asset_id))
    return StageView(place, StageRegister(store), tuple(store.keys(_HOLD)))


def read_warehouse(api: AirflowApi, place: Place) -> WarehouseView:
    """Fetch a Warehouse's register."""
    return WarehouseView(place, WarehouseRegister(SnapshotStore(api.state(place.asset_id))))


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
        freight = registers.resolve(reference)
    if name is None and freight.alias != alias:
        raise NotFoundError(f"no Freight has the alias {alias!r}; see `airfreight get freight`")
    return freight
