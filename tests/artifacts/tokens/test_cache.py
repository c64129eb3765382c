"""One fetch for many, renewal before the end, and what a refused token leads to."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from airfreight.artifacts.tokens.cache import MARGIN, TokenCache
from airfreight.artifacts.tokens.token import Token
from airfreight.errors import TransientError

HOUR = 3600.0


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(eq=False)
class Counting:
    """Gives token-1, token-2, … that live `lifetime`; `before` is called within each fetch."""

    clock: Clock
    lifetime: float = HOUR
    before: Callable[[], object] = lambda: None
    fetches: int = 0
    whose: str = "Connection 'a'"

    def fetch(self) -> Token:
        self.fetches += 1
        number = self.fetches
        self.before()
        return Token("robot", f"token-{number}", self.clock.now + self.lifetime)


@dataclass
class World:
    clock: Clock = field(default_factory=Clock)
    concealed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cache = TokenCache(self.concealed.append, self.clock)
        self.provider = Counting(self.clock)

    def after(self, seconds: float, refused: str = "") -> str:
        self.clock.now += seconds
        return self.cache.get(self.provider, refused).password


@pytest.fixture
def world() -> World:
    return World()


def test_a_token_is_kept_until_a_quarter_of_an_hour_before_its_end(world: World) -> None:
    assert world.after(0) == "token-1"
    assert world.after(HOUR - MARGIN - 1) == "token-1"
    assert world.after(2) == "token-2"


def test_a_token_that_lives_shorter_is_kept_for_three_quarters_of_its_life(world: World) -> None:
    world.provider.lifetime = 100.0
    assert [world.after(0), world.after(74), world.after(2)] == ["token-1", "token-1", "token-2"]


def test_every_token_is_concealed_once_and_before_it_is_given(world: World) -> None:
    assert world.after(0) in world.concealed
    world.after(1)
    assert world.concealed == ["token-1"]


def test_each_identity_has_a_token_of_its_own(world: World) -> None:
    other = Counting(world.clock)
    world.after(0)
    world.cache.get(other)
    assert (world.provider.fetches, other.fetches) == (1, 1)


def test_a_refused_token_is_fetched_once_more_and_not_again_for_a_minute(world: World) -> None:
    assert world.after(0) == "token-1"
    assert world.after(5, refused="token-1") == "token-2"
    assert world.after(5, refused="token-2") == "token-2"
    assert world.after(60, refused="token-2") == "token-3"


def test_who_comes_late_with_a_refused_token_gets_the_one_that_others_fetched(world: World) -> None:
    world.after(0)
    world.after(0, refused="token-1")
    assert world.after(0, refused="token-1") == "token-2"
    assert world.provider.fetches == 2


def test_fifty_threads_that_ask_at_once_make_one_fetch(world: World) -> None:
    world.provider.before = lambda: time.sleep(0.2)
    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(world.cache.get, [world.provider] * 50))
    assert {token.password for token in found} == {"token-1"}
    assert world.provider.fetches == 1


async def test_a_thousand_tasks_that_ask_at_once_make_one_fetch_and_the_loop_goes_on(
    world: World,
) -> None:
    turned = threading.Event()
    world.provider.before = lambda: turned.wait(20)
    waiting = asyncio.gather(*(world.cache.aget(world.provider) for _ in range(1000)))
    turns = 0
    while not waiting.done():
        await asyncio.sleep(0.01)
        turns += 1
        if turns > 10:
            turned.set()
    assert {token.password for token in await waiting} == {"token-1"}
    assert world.provider.fetches == 1
    assert turned.is_set()  # not, were the loop to wait for the fetch


async def test_a_task_that_is_cancelled_takes_the_token_from_nobody(world: World) -> None:
    go_on = threading.Event()
    world.provider.before = go_on.wait
    first = asyncio.create_task(world.cache.aget(world.provider))
    second = asyncio.create_task(world.cache.aget(world.provider))
    await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go_on.set()
    assert (await second).password == "token-1"
    assert world.provider.fetches == 1


def test_a_failed_fetch_is_told_to_all_who_wait_and_tried_again_by_the_next(world: World) -> None:
    def fail() -> None:
        time.sleep(0.2)
        raise TransientError("down")

    world.provider.before = fail

    def ask(_: int) -> str:
        with pytest.raises(TransientError, match="down") as caught:
            world.cache.get(world.provider)
        return str(caught.value)

    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(ask, range(5))) == ["down"] * 5
    assert world.provider.fetches == 1
    world.provider.before = lambda: None
    assert world.after(0) == "token-2"


def test_no_token_shows_in_a_repr() -> None:
    assert "s3cret" not in repr(Token("robot", "s3cret", 0.0))
