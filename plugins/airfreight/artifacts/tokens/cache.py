"""Keeps tokens in the process: one fetch for all that ask at the same time, renewed before they end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from airfreight.artifacts.tokens.token import Token, TokenProvider

# Seconds: whoever is given a token has this long to use it, a clone of a large repository included.
MARGIN = 15 * 60.0
# Seconds between two tokens that were refused: what refuses each (a missing right) is not asked again and again.
_REFUSAL_PAUSE = 60.0


@dataclass(frozen=True)
class _Kept:
    token: Token
    fetched_at: float
    after_refusal: bool

    def is_fresh(self, now: float) -> bool:
        # Of a token that lives shorter than usual a quarter: else it would never count as fresh.
        margin = min(MARGIN, (self.token.expires_at - self.fetched_at) / 4)
        return now < self.token.expires_at - margin


class TokenCache:
    """Safe to share among threads and event loops; `clock` gives seconds since 1970.

    `conceal` is told every token before anybody gets it, never in an event loop: no log may show one.

    `refused` is the password of a token that the repository did not take: another one is fetched in its place, unless
    that happened within the last minute. A failed fetch is raised to all that wait for it, and kept for nobody else.
    """

    def __init__(
        self, conceal: Callable[[str], object], clock: Callable[[], float] = time.time
    ) -> None:
        self._conceal = conceal
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[TokenProvider, _Kept] = {}
        self._fetches: dict[TokenProvider, Future[Token]] = {}

    def get(self, provider: TokenProvider, refused: str = "") -> Token:
        """Return a token; blocks while it is fetched."""
        found, is_mine = self._find(provider, refused)
        if is_mine:
            self._fetch(provider, found, bool(refused))
        return found.result()

    async def aget(self, provider: TokenProvider, refused: str = "") -> Token:
        """Return a token without blocking the event loop; many that wait for one hold one thread."""
        found, is_mine = self._find(provider, refused)
        if is_mine:
            # Not the loop's pool: a task that is cancelled may take its work out of there, and others wait for this.
            work = (provider, found, bool(refused))
            threading.Thread(target=self._fetch, args=work, daemon=True).start()
        return await asyncio.wrap_future(found)

    def _find(self, provider: TokenProvider, refused: str) -> tuple[Future[Token], bool]:
        """Return what has or will have the token, and whether the caller is the one to fetch it."""
        found: Future[Token] = Future()
        # Running, so that nobody who waits can cancel it for the others.
        found.set_running_or_notify_cancel()
        with self._lock:
            now = self._clock()
            kept = self._kept.get(provider)
            if kept and kept.is_fresh(now) and not _is_refused(kept, refused, now):
                found.set_result(kept.token)
                return found, False
            if provider in self._fetches:
                return self._fetches[provider], False
            self._fetches[provider] = found
        return found, True

    def _fetch(self, provider: TokenProvider, found: Future[Token], after_refusal: bool) -> None:
        try:
            token = provider.fetch()
            self._conceal(token.password)
        except BaseException as error:
            with self._lock:
                del self._fetches[provider]
            found.set_exception(error)
            return
        with self._lock:
            del self._fetches[provider]
            now = self._clock()
            ended = [key for key, kept in self._kept.items() if kept.token.expires_at <= now]
            for key in ended:
                del self._kept[key]
            self._kept[provider] = _Kept(token, now, after_refusal)
        found.set_result(token)


def _is_refused(kept: _Kept, refused: str, now: float) -> bool:
    if kept.token.password != refused:
        return False
    return not kept.after_refusal or now - kept.fetched_at >= _REFUSAL_PAUSE
