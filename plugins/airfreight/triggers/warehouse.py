"""Watches a Warehouse's repositories from the triggerer while no run is open."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import AsyncIterator, Hashable
from datetime import UTC, datetime
from typing import Any, TypedDict

from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from pydantic import ValidationError

from airfreight.errors import AirfreightError, ArtifactError
from airfreight.hooks.repository import source_access
from airfreight.runtime.ambient import ambient_scope
from airfreight.runtime.token_connections import Repository
from airfreight.runtime.watch import HANDLED, Handled, Watch
from airfreight.sources.base import Source
from airfreight.sources.catalogue import read_source

# Seconds. Streams that a triggerer opens at the same moment poll within this time of each other, at the latest.
_FIRST_POLLS = 10.0


class WarehouseEvent(TypedDict):
    """What a watcher fires: which Warehouse, of which repository, and what it would take of it (`Source.mark`)."""

    warehouse: str
    source: str
    seen: str


class WarehouseTrigger(BaseEventTrigger):
    """Fires when what a subscription would take is not what was handled last.

    Warehouses with the same repository, Connection and interval share one poll. A poll that fails (registry down, login
    refused) is logged by each Warehouse and tried again at the next interval: it is never the end of the watcher.

    :param warehouse: ``<project>/<warehouse>``; makes the kwargs of two Warehouses differ, for equal ones share a row.
    :param spec: digest of the Warehouse's spec: what was handled by another one is looked at again.
    :param subscription: the entry of `spec.subscriptions` as `Subscription` writes it, plain JSON.
    :param repository_conn_id: id of the Connection that opens the repository; empty for an anonymous visit.
    :param poke_interval: seconds between two polls.
    """

    def __init__(
        self,
        *,
        warehouse: str,
        spec: str,
        subscription: dict[str, Any],
        repository_conn_id: str = "",
        poke_interval: float = 300.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.warehouse = warehouse
        self.spec = spec
        self.subscription = subscription
        self.repository_conn_id = repository_conn_id
        self.poke_interval = poke_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class's path and every argument."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "warehouse": self.warehouse,
                "spec": self.spec,
                "subscription": self.subscription,
                "repository_conn_id": self.repository_conn_id,
                "poke_interval": self.poke_interval,
            },
        )

    def shared_stream_key(self) -> Hashable:
        """Return what makes two watchers share one poll.

        A project of its own where there is a Connection: what it opens may depend on the project (`githubTokenScopes`),
        and without one where another project may be another visitor (`ambient_scope`).
        """
        try:
            source = self.source()
        except AirfreightError:
            return ("unusable", self.warehouse, self.poke_interval)
        repository = _repository(source, self.warehouse)
        visitor = repository.project if self.repository_conn_id else ambient_scope(repository)
        return (source.stream_key(), self.repository_conn_id, visitor, self.poke_interval)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Yield ``{"seen": …}`` or ``{"error": "…"}`` at every poll, for ever.

        The first polls come at once, but not all in one moment; for the later ones see `until_next_poll`.
        """
        interval, phase = kwargs["poke_interval"], _phase(kwargs["warehouse"])
        opened = time.monotonic()
        await asyncio.sleep(phase * min(interval / 2, _FIRST_POLLS))
        while True:
            yield await _poll(kwargs)
            await asyncio.sleep(until_next_poll(phase, interval, time.monotonic() - opened))

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Any]
    ) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each poll that shows something which was not handled."""
        watch = Watch(interval=self.poke_interval)
        source: Source | None = None
        async for poll in shared_stream:
            try:
                source = source or self.source()
                seen = await self._mark(poll, source)
                if not watch.is_due(seen, self.clock()):
                    continue
                handled = await self._handled()
            except Exception as error:
                # Nothing ends a watcher: Airflow would start it anew at once, and those that share its stream with it.
                self.log.warning("Warehouse %s: %s", self.warehouse, _told(error))
                continue
            if handled is not None and not handled.covers(self.spec, source.url, seen):
                handled = None
            is_done = handled is not None and handled.looked_at is None
            watch = watch.compared_with(seen, self.clock(), handled=is_done)
            if handled is None or not handled.is_fresh(datetime.now(UTC), self.poke_interval):
                event = WarehouseEvent(warehouse=self.warehouse, source=source.url, seen=seen)
                yield TriggerEvent(event)

    def source(self) -> Source:
        """Return what looks at the subscription."""
        return read_source(self.subscription)

    def clock(self) -> float:
        """Return the monotonic time in seconds."""
        return time.monotonic()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch alone, where the triggerer does not share streams."""
        async for event in self.filter_shared_stream(self.open_shared_stream(self.serialize()[1])):
            yield event

    async def _mark(self, poll: dict[str, Any], source: Source) -> str:
        """Return the mark; raises what the poll has met, too."""
        if "error" in poll:
            raise ArtifactError(poll["error"])
        project = _project(self.warehouse)
        try:
            access = await source_access(self.repository_conn_id, source, project)
            return await source.mark(poll["seen"], access)
        except AirfreightError as fault:
            raise ArtifactError(f"{source.url}: {fault}") from fault

    async def _handled(self) -> Handled | None:
        if self.asset_state_store is None:
            return None
        try:
            return Handled.model_validate(await self.asset_state_store.aget(HANDLED, None))
        except ValidationError:
            return None


def until_next_poll(phase: float, interval: float, age: float) -> float:
    """Return the seconds until a stream's next poll, `age` seconds after it was opened.

    A stream polls at its `phase`, 0 to 1, of every interval, and so many of them spread. A place that comes sooner than
    half an interval after a poll is left out: a thousand that poll twice at their start would use up what a registry
    allows, and those that follow would be late for long.
    """
    place = phase * interval
    passed = max(math.ceil((age + interval / 2 - place) / interval), 0)
    return place + passed * interval - age


def _phase(name: str) -> float:
    """Return a number from 0 to 1 that is the same in every process."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) / 2**32


def _project(warehouse: str) -> str:
    return warehouse.partition("/")[0]


def _repository(source: Source, warehouse: str) -> Repository:
    return Repository(source.credential_kind, source.credential_url, _project(warehouse))


async def _poll(kwargs: dict[str, Any]) -> dict[str, Any]:
    connection_id, project = kwargs.get("repository_conn_id", ""), _project(kwargs["warehouse"])
    try:
        source = read_source(kwargs["subscription"])
        access = await source_access(connection_id, source, project)
        return {"seen": await source.poll(access)}
    except Exception as error:
        return {"error": _told(error)}


def _told(error: Exception) -> str:
    if isinstance(error, AirfreightError):
        return str(error)
    return f"a fault of Airfreight: {type(error).__name__}: {error}"
