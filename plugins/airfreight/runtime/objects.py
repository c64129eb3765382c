"""What Kargo keeps in its objects and steps may change: metadata of Stages and Freight, aliases of Freight.

Metadata lie in one store of the project, keys ``stage/<name>`` and ``freight/<name>``: a step may read and write those
of any Stage. A Stage's promotions are the only writers of what is theirs, so that the last one to write wins.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from airfreight.errors import RefusedError, TerminalStepError
from airfreight.runtime.store import StateStore
from airfreight.runtime.warehouse_register import WarehouseRegister

MetadataKind = Literal["Stage", "Freight"]


class ProjectObjects:
    """The objects within reach of one promotion.

    :param store: the project's metadata.
    :param stages: the names of the project's Stages.
    :param warehouses: the registers of the Warehouses whose Freight the promoting Stage requests.
    """

    def __init__(
        self,
        store: StateStore,
        stages: Collection[str],
        warehouses: Mapping[str, WarehouseRegister],
    ) -> None:
        self._store = store
        self._stages = stages
        self._warehouses = warehouses

    def metadata(self, kind: MetadataKind, name: str) -> Mapping[str, Any] | None:
        """Return the metadata of an object, or None where it has none or is not there."""
        found = self._store.get(_key(kind, name))
        return found if isinstance(found, dict) else None

    def merge_metadata(self, kind: MetadataKind, name: str, values: Mapping[str, Any]) -> None:
        """Set these keys, leave the others; raises TerminalStepError where there is no such object."""
        if kind == "Freight":
            self._owner(name)
        elif name not in self._stages:
            known = ", ".join(sorted(self._stages))
            raise TerminalStepError(
                f"there is no Stage {name!r} in this project; there are {known}"
            )
        self._store.set(_key(kind, name), {**(self.metadata(kind, name) or {}), **values})

    def rename_freight(self, name: str, alias: str) -> None:
        """Give a Freight another alias.

        Raises TerminalStepError where there is no such Freight or another one has the alias.
        """
        try:
            self._owner(name).rename(name, alias)
        except RefusedError as error:
            raise TerminalStepError(str(error)) from error

    def _owner(self, name: str) -> WarehouseRegister:
        for register in self._warehouses.values():
            if any(entry.name == name for entry in register.index()):
                return register
        known = ", ".join(sorted(self._warehouses))
        raise TerminalStepError(f"no Freight has the name {name!r} in Warehouse {known}")


def _key(kind: MetadataKind, name: str) -> str:
    return f"{kind.lower()}/{name}"
