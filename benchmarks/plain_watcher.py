"""The watcher that one would write by hand: each lists the tags of its repository by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
from airflow.triggers.base import BaseEventTrigger, TriggerEvent


class PlainWatcher(BaseEventTrigger):
    """Fires when the tags of a repository are not those of the last look.

    :param url: address of the repository's list of tags.
    :param watcher: makes the kwargs of two watchers differ, for equal ones share a row.
    :param interval: seconds between two looks.
    """

    def __init__(self, *, url: str, watcher: str, interval: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.url = url
        self.watcher = watcher
        self.interval = interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class's path and every argument."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {"url": self.url, "watcher": self.watcher, "interval": self.interval},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look for ever."""
        known: list[str] | None = None
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            while True:
                tags = (await client.get(self.url)).raise_for_status().json()["tags"]
                if known is not None and tags != known:
                    yield TriggerEvent({"url": self.url, "tags": tags})
                known = tags
                await asyncio.sleep(self.interval)
