"""A Warehouse's register: every kept Freight, its alias, its run (design, "The register").

Keys: ``index`` (every kept Freight: the store cannot list), ``freight/<name>``, ``run/<name>``, ``aliases``.
Writers: the sensor (one at a time) for the first two, the triggering task (one at a time) for the third, promotions for
the last, which holds the aliases that were changed later: the index has one writer, so that no Freight is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from airfreight.errors import RefusedError
from airfreight.model.alias import freight_alias
from airfreight.model.freight import Freight, FreightContent
from airfreight.runtime.records import IndexEntry
from airfreight.runtime.store import ReadOnce, StateStore

# Kargo's garbage collection: kargo.md §4.10.
RETAINED_FREIGHT = 20
RETAINED_AGE = timedelta(hours=336)


class WarehouseRegister:
    """Reads and writes one Warehouse's keys."""

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._known_aliases: dict[str, str] | None = None

    def at_once(self) -> WarehouseRegister:
        """Return this register for a decision that takes a moment: it reads each key once."""
        return WarehouseRegister(ReadOnce(self._store))

    def index(self) -> tuple[IndexEntry, ...]:
        """Return every kept Freight, newest first; of two found at once the greater name comes first."""
        aliases = self._aliases()
        entries = [
            IndexEntry.model_validate({**row, "alias": aliases.get(row["name"], row["alias"])})
            for row in self._store.get("index") or ()
        ]
        return tuple(sorted(entries, key=lambda e: (e.discovered_at, e.name), reverse=True))

    def freight(self, name: str) -> Freight | None:
        """Return the Freight of this name; raises RefusedError where its content does not hash to the name."""
        stored = self._store.get(f"freight/{name}")
        if stored is None:
            return None
        freight = Freight.from_json(stored)
        if freight.name != name:
            raise RefusedError(f"the register holds {freight.name} as Freight {name}")
        alias = self._aliases().get(name, freight.alias)
        return freight.model_copy(update={"alias": alias})

    def rename(self, name: str, alias: str) -> None:
        """Give the Freight of this name another alias; raises RefusedError where another one has it."""
        self._known_aliases = None
        for entry in self.index():
            if entry.alias == alias and entry.name != name:
                raise RefusedError(f"Freight {entry.name[:12]} has the alias {alias!r} already")
        self._set_aliases({**self._aliases(), name: alias})

    def _aliases(self) -> dict[str, str]:
        # Once a task: each look at the index or a Freight would read it again, and nothing hangs on it but a name.
        if self._known_aliases is None:
            self._known_aliases = dict(self._store.get("aliases") or {})
        return self._known_aliases

    def _set_aliases(self, aliases: dict[str, str]) -> None:
        self._store.set("aliases", aliases)
        self._known_aliases = aliases

    def find(self, reference: str) -> tuple[IndexEntry, ...]:
        """Return what a name, an alias or, where these fit nothing, a prefix (4 characters or more) of a name fits."""
        index = self.index()
        return tuple(e for e in index if reference in (e.name, e.alias)) or tuple(
            e for e in index if len(reference) >= 4 and e.name.startswith(reference)
        )

    def resolve(self, reference: str) -> Freight:
        """Return the Freight that a name, an alias or a unique prefix of a name means.

        Raises RefusedError where nothing or more than one fits.
        """
        fitting = self.find(reference)
        check_unique(reference, fitting)
        freight = self.freight(fitting[0].name)
        if freight is None:
            raise RefusedError(f"Freight {reference!r} is in the index but its content is gone")
        return freight

    def register(
        self,
        content: FreightContent,
        discovered_at: datetime,
        *,
        by_hand: bool = False,
        registered_at: datetime | None = None,
    ) -> tuple[Freight, bool]:
        """Return the Freight with this content and whether it is new; one that is known is left as it is.

        Known is what the index lists: content without it is left of a task that died here or in `trim`. What was put
        together by hand and is found later is from then on as any other.
        """
        index = self.index()
        known = self.freight(content.name)
        listed = next((entry for entry in index if entry.name == content.name), None)
        if known is not None and listed is not None:
            if listed.by_hand and not by_hand:
                found = listed.model_copy(update={"by_hand": False})
                self._write_index(found if entry is listed else entry for entry in index)
            return known, False
        freight = Freight(
            name=content.name,
            alias=self._free_alias(content.name, index),
            content=content,
            discovered_at=discovered_at,
        )
        self._store.set(f"freight/{freight.name}", freight.to_json())
        entry = IndexEntry(
            name=freight.name,
            alias=freight.alias,
            discovered_at=discovered_at,
            by_hand=by_hand,
            registered_at=registered_at,
        )
        self._write_index([*(e for e in index if e.name != entry.name), entry])
        return freight, True

    def is_by_hand(self, name: str) -> bool:
        """Say whether a person put this Freight together and no Stage takes it by itself."""
        return any(entry.by_hand for entry in self.index() if entry.name == name)

    def run_of(self, name: str) -> str | None:
        """Return the id of the Freight's own pipeline run, or None while it has none."""
        run = self._store.get(f"run/{name}")
        return run if isinstance(run, str) else None

    def record_run(self, name: str, run_id: str) -> None:
        """Write down the Freight's own pipeline run."""
        self._store.set(f"run/{name}", run_id)

    def trim(self, in_use: Iterable[str], now: datetime) -> tuple[str, ...]:
        """Forget Freight that is old and unused by Kargo's rule, and return the forgotten names.

        Kept are the 20 next older than the oldest Freight in use (than the newest where none is), and all younger than
        14 days.
        """
        index = self.index()
        used = set(in_use)
        oldest_used = max((i for i, e in enumerate(index) if e.name in used), default=0)
        old = index[oldest_used + RETAINED_FREIGHT + 1 :]
        forgotten = [e for e in old if now - (e.registered_at or e.discovered_at) > RETAINED_AGE]
        if not forgotten:
            return ()
        gone = {e.name for e in forgotten}
        self._write_index(e for e in index if e.name not in gone)
        for entry in forgotten:
            self._store.delete(f"freight/{entry.name}")
            self._store.delete(f"run/{entry.name}")
        self._known_aliases = None
        aliases = self._aliases()
        kept = {name: alias for name, alias in aliases.items() if name not in gone}
        if kept != aliases:
            self._set_aliases(kept)
        return tuple(e.name for e in forgotten)

    def _free_alias(self, name: str, index: Iterable[IndexEntry]) -> str:
        taken = {entry.alias for entry in index}
        attempt = 0
        while (alias := freight_alias(name, attempt)) in taken:
            attempt += 1
        return alias

    def _write_index(self, entries: Iterable[IndexEntry]) -> None:
        self._store.set("index", [e.model_dump(mode="json", by_alias=True) for e in entries])


def check_unique(reference: str, fitting: Sequence[IndexEntry]) -> None:
    """Raise RefusedError where nothing or more than one fits `reference`."""
    if not fitting:
        raise unknown_freight(reference)
    if len(fitting) > 1:
        names = ", ".join(f"{e.alias} ({e.name[:12]})" for e in fitting)
        raise RefusedError(f"Freight {reference!r} could be {names}; give more of the name")


def unknown_freight(reference: str) -> RefusedError:
    """Return the refusal of a reference that fits no Freight."""
    return RefusedError(f"no Freight is named {reference!r}; see `airfreight get freight`")
