"""Watches a Warehouse's repository from the triggerer while no run is open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Hashable
from typing import Any, TypedDict

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airfreight.artifacts.images import select_of
from airfreight.artifacts.oci.protocol import parse_reference
from airfreight.errors import AirfreightError
from airfreight.hooks.configuration import read_settings
from airfreight.hooks.repository import RepositoryHook
from airfreight.model.urls import normalize_image
from airfreight.model.warehouse import ImageSubscription
from airfreight.runtime.discovery import registry_client
from airfreight.runtime.watch import HANDLED, Watch


class WarehouseEvent(TypedDict):
    """What a watcher fires: which Warehouse, and the best tag that it saw."""

    warehouse: str
    seen: str


class WarehouseTrigger(BaseEventTrigger):
    """Fires when the best tag of a repository is not the one that was handled last.

    Warehouses with the same repository, Connection and interval share one poll. A poll that fails (registry down, login
    refused) is logged by each Warehouse and tried again at the next interval: it is never the end of the watcher.

    :param warehouse: ``<project>/<warehouse>``; makes the kwargs of two Warehouses differ, for equal ones share a row.
    :param subscription: the image subscription as in its manifest, plain JSON.
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
        repository = normalize_image(self.subscription["repoURL"])
        verify_tls = _verifies_tls(self.subscription)
        return (repository, self.repository_conn_id, self.poke_interval, verify_tls)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Yield ``{"tags": […]}`` or ``{"error": "…"}`` at every poll, for ever."""
        while True:
            yield await _poll(kwargs["subscription"], kwargs.get("repository_conn_id", ""))
            await asyncio.sleep(kwargs["poke_interval"])

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Any]
    ) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each poll that shows something which was not handled."""
        subscription = ImageSubscription.model_validate(self.subscription)
        watch = Watch()
        async for poll in shared_stream:
            seen = self._best_tag(poll, subscription)
            now = self.clock()
            if not watch.is_due(seen, now):
                continue
            watch = Watch(seen, now, was_handled=seen == await self._handled())
            if not watch.was_handled:
                yield TriggerEvent(WarehouseEvent(warehouse=self.warehouse, seen=seen))

    def clock(self) -> float:
        """Return the monotonic time in seconds."""
        return time.monotonic()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch alone, where the triggerer does not share streams."""
        async for event in self.filter_shared_stream(self.open_shared_stream(self.serialize()[1])):
            yield event

    def _best_tag(self, poll: dict[str, Any], subscription: ImageSubscription) -> str:
        if "error" in poll:
            self.log.warning("Warehouse %s: %s", self.warehouse, poll["error"])
            return ""
        try:
            selected = select_of(poll["tags"], subscription)
        except AirfreightError as error:
            # The stream is shared: whoever's subscription is at fault waits for its manifest to be mended.
            self.log.warning("Warehouse %s: %s", self.warehouse, error)
            return ""
        return selected[0] if selected else ""

    async def _handled(self) -> str | None:
        if self.asset_state_store is None:
            return None
        handled = await self.asset_state_store.aget(HANDLED, None)
        tags = handled if isinstance(handled, dict) else {}
        tag = tags.get(self.subscription["repoURL"])
        return tag if isinstance(tag, str) else None


def _verifies_tls(subscription: dict[str, Any]) -> bool:
    return not subscription.get("insecureSkipTLSVerify", False)


async def _poll(subscription: dict[str, Any], connection_id: str) -> dict[str, Any]:
    repository = subscription["repoURL"]
    try:
        credential = await RepositoryHook(connection_id).aget_conn()
        settings = await asyncio.to_thread(read_settings)
        async with registry_client(
            repository,
            credential=credential,
            allow_credentials_over_http=settings.allow_credentials_over_http,
            verify_tls=_verifies_tls(subscription),
        ) as client:
            return {"tags": await client.list_tags(parse_reference(repository).repository)}
    except AirfreightError as error:
        return {"error": str(error)}
