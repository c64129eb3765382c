"""How long what failed is left alone."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cachetools import FIFOCache

from airfreight.errors import ArtifactError, TransientError

_FIRST = 10.0
_MOST_DOUBLINGS = 20
_MOST_KEPT = 4096


@dataclass(frozen=True)
class _Failure:
    error: ArtifactError
    times: int
    until: float


class Backoff:
    """Waits after errors, each for its own key: 10 s after the first, twice as long after each that follows.

    Half of a wait is drawn by lot, so that what failed together is not tried together.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        lot: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._lot = lot
        self._failures: FIFOCache[Hashable, _Failure] = FIFOCache(_MOST_KEPT)

    @asynccontextmanager
    async def attempt(self, key: Hashable, *, most: float) -> AsyncIterator[None]:
        """Try what may raise ArtifactError; while its wait lasts, its last error is raised instead.

        No wait is longer than `most` seconds. The server's own word is kept within that.
        """
        failure = self._failures.get(key)
        if failure and self._clock() < failure.until:
            left = failure.until - self._clock()
            again = f"{failure.error}; it is asked again in {left:.0f} s"
            raise failure.error.reworded(again) from failure.error
        try:
            yield
        except ArtifactError as error:
            self._note(key, error, most)
            raise
        self._failures.pop(key, None)

    def _note(self, key: Hashable, error: ArtifactError, most: float) -> None:
        before = self._failures.get(key)
        times = before.times + 1 if before else 1
        wait = _FIRST * 2 ** min(times - 1, _MOST_DOUBLINGS) * (0.5 + self._lot() / 2)
        asked_for = (error.retry_after or 0) if isinstance(error, TransientError) else 0
        until = self._clock() + min(most, max(wait, asked_for))
        self._failures[key] = _Failure(error, times, until)
