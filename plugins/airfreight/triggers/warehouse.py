"""Watches a Warehouse's repositories from the triggerer while no run is open."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Hashable
from typing import Any, TypedDict

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airfreight.errors import AirfreightError
from airfreight.hooks.repository import source_access
from airfreight.model.subscription import Subscription
from airfreight.runtime.ambient import ambient_scope
from airfreight.runtime.token_connections import Repository
from airfreight.runtime.watch import HANDLED, Watch
from airfreight.sources.base import Source
from airfreight.sources.catalogue import source_of

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
    :param subscription: the entry of `spec.subscriptions` as `Subscription` writes it, plain JSON.
    :param repository_conn_id: id of the Connection that opens the repository; empty for an anonymous visit.
    :param poke_interval: seconds between two polls.
    """

    def __init__(
        self,
        *,
        warehouse: str,
        subscription: dict[str, Any],
        repository_conn_id: str = "",
        poke_interval: float = 300.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.warehouse = warehouse
        self.subscription = subscription
        self.repository_conn_id = repository_conn_id
        self.poke_interval = poke_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class's path and every argument."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "warehouse": self.warehouse,
                "subscription": self.subscription,
                "repository_conn_id": self.repository_conn_id,
                "poke_interval": self.poke_interval,
            },
        )

    def shared_stream_key(self) -> Hashable:
        """Return what makes two watchers share one poll."""
        source = self.source()
        # Without a Connection another project may be another visitor: see `ambient_scope`.
        visitor = self.repository_conn_id or ambient_scope(_repository(source, self.warehouse))
        return (source.stream_key(), visitor, self.poke_interval)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Yield ``{"seen": …}`` or ``{"error": "…"}`` at every poll, for ever.

        The first polls come at once, but not all in one moment; the later ones are spread over the interval by name.
        """
        source, interval = _source(kwargs["subscription"]), kwargs["poke_interval"]
        phase = _phase(source.url)
        await asyncio.sleep(phase * min(interval / 2, _FIRST_POLLS))
        yield await _poll(source, kwargs)
        await asyncio.sleep(phase * interval)
        while True:
            yield await _poll(source, kwargs)
            await asyncio.sleep(interval)

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Any]
    ) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each poll that shows something which was not handled."""
        source = self.source()
        watch = Watch(interval=self.poke_interval)
        async for poll in shared_stream:
            seen = await self._mark(poll, source)
            now = self.clock()
            if not watch.is_due(seen, now):
                continue
            watch = watch.compared_with(seen, now, handled=await self._handled(source))
            if not watch.was_handled:
                event = WarehouseEvent(warehouse=self.warehouse, source=source.url, seen=seen)
                yield TriggerEvent(event)

    def source(self) -> Source:
        """Return what looks at the subscription."""
        return _source(self.subscription)

    def clock(self) -> float:
        """Return the monotonic time in seconds."""
        return time.monotonic()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch alone, where the triggerer does not share streams."""
        async for event in self.filter_shared_stream(self.open_shared_stream(self.serialize()[1])):
            yield event

    async def _mark(self, poll: dict[str, Any], source: Source) -> str:
        error = poll.get("error", "")
        if not error:
            try:
                project = _project(self.warehouse)
                access = await source_access(self.repository_conn_id, source, project)
                return await source.mark(poll["seen"], access)
            except AirfreightError as fault:
                # The stream is shared: whoever's subscription is at fault waits for its manifest to be mended.
                error = f"{source.url}: {fault}"
        self.log.warning("Warehouse %s: %s", self.warehouse, error)
        return ""

    async def _handled(self, source: Source) -> str | None:
        if self.asset_state_store is None:
            return None
        handled = await self.asset_state_store.aget(HANDLED, None)
        marks = handled if isinstance(handled, dict) else {}
        mark = marks.get(source.url)
        return mark if isinstance(mark, str) else None


def _source(subscription: dict[str, Any]) -> Source:
    return source_of(Subscription.model_validate(subscription))


def _phase(name: str) -> float:
    """Return a number from 0 to 1 that is the same in every process."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) / 2**32


def _project(warehouse: str) -> str:
    return warehouse.partition("/")[0]


def _repository(source: Source, warehouse: str) -> Repository:
    return Repository(source.credential_kind, source.credential_url, _project(warehouse))


async def _poll(source: Source, kwargs: dict[str, Any]) -> dict[str, Any]:
    connection_id = kwargs.get("repository_conn_id", "")
    try:
        access = await source_access(connection_id, source, _project(kwargs["warehouse"]))
        return {"seen": await source.poll(access)}
    except AirfreightError as error:
        return {"error": f"{source.url}: {error}"}
