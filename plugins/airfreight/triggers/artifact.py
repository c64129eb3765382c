"""Waits in the triggerer for a task of a hand-written DAG."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airfreight.errors import AirfreightError, AuthenticationError, SettingsError
from airfreight.hooks.repository import source_access
from airfreight.runtime.discovery import find_news
from airfreight.sources.catalogue import read_source

# Seconds. A deferral that is answered before the worker has reported its exit fails the task (AF#72716).
_SHORTEST_WAIT = 3.0


class ArtifactTrigger(BaseTrigger):
    """Yields ``{"artifact": …}`` once a subscription takes another version than `after`, or ``{"error": "…"}``.

    :param subscription: the entry of `spec.subscriptions`, plain JSON.
    :param repository_conn_id: id of the Connection that opens the repository; empty for an anonymous visit.
    :param after: the version that is known already.
    :param poke_interval: seconds between two looks.
    """

    def __init__(
        self,
        *,
        subscription: dict[str, Any],
        repository_conn_id: str = "",
        after: str = "",
        poke_interval: float = 300.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.subscription = subscription
        self.repository_conn_id = repository_conn_id
        self.after = after
        self.poke_interval = poke_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class's path and every argument."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "subscription": self.subscription,
                "repository_conn_id": self.repository_conn_id,
                "after": self.after,
                "poke_interval": self.poke_interval,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until there is news; a repository that is down is looked at again."""
        while True:
            await asyncio.sleep(max(self.poke_interval, _SHORTEST_WAIT))
            try:
                artifact = await self._look()
            except (AuthenticationError, SettingsError) as error:
                yield TriggerEvent({"error": str(error)})
                return
            except AirfreightError as error:
                self.log.warning("%s; asked again in %g s", error, self.poke_interval)
                continue
            if artifact is not None:
                yield TriggerEvent({"artifact": artifact})
                return

    async def _look(self) -> dict[str, Any] | None:
        source = read_source(self.subscription)
        access = await source_access(self.repository_conn_id, source)
        return await find_news(source, access, self.after)
