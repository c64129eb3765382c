"""How fast and how wide a registry is asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Pace:
    """Lets `per_second` requests begin, and `at_once` be open (None: any number); shared within one event loop."""

    def __init__(self, per_second: float, at_once: int | None = None) -> None:
        self._interval = 1 / per_second
        self._next_slot = 0.0
        self._open = asyncio.Semaphore(at_once) if at_once else None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until one more request may be sent; it is open until the block ends."""
        if self._open is None:
            await self._wait()
            yield
            return
        async with self._open:
            await self._wait()
            yield

    async def _wait(self) -> None:
        now = time.monotonic()
        slot = max(now, self._next_slot)
        self._next_slot = slot + self._interval
        if slot > now:
            await asyncio.sleep(slot - now)
