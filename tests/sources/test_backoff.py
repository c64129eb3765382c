from __future__ import annotations

import pytest

from airfreight.errors import ArtifactError, AuthenticationError, TransientError
from airfreight.sources.backoff import Backoff

MOST = 900.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Tried(Exception):
    """What was attempted ends here, neither well nor with an error of an artifact."""


async def fail(backoff: Backoff, error: ArtifactError, key: str = "a") -> bool:
    """Try and fail; say whether it was tried at all."""
    tried = False
    try:
        async with backoff.attempt(key, most=MOST):
            tried = True
            raise error
    except ArtifactError:
        return tried


async def waits(backoff: Backoff, clock: Clock, error: ArtifactError, count: int) -> list[float]:
    """Return after how many seconds each of so many failures is tried again."""
    found = []
    for _ in range(count):
        assert await fail(backoff, error)
        began = clock.now
        while not await succeed_if_tried(backoff):
            clock.now += 5
        found.append(clock.now - began)
    return found


async def succeed_if_tried(backoff: Backoff) -> bool:
    """Say whether an attempt would be made, without making it count."""
    try:
        async with backoff.attempt("a", most=MOST):
            raise Tried
    except Tried:
        return True
    except ArtifactError:
        return False


async def test_a_wait_doubles_up_to_its_bound():
    clock = Clock()
    backoff = Backoff(clock, lambda: 1.0)
    found = await waits(backoff, clock, TransientError("down"), 9)
    assert found == [10, 20, 40, 80, 160, 320, 640, 900, 900]


async def test_half_of_a_wait_is_drawn_by_lot():
    for lot, expected in [(0.0, 5), (1.0, 10)]:
        clock = Clock()
        assert await waits(Backoff(clock, lambda lot=lot: lot), clock, ArtifactError(""), 1) == [
            expected
        ]


@pytest.mark.parametrize(("asked_for", "wait"), [(60.0, 60), (1.0, 10), (10**9, 900)])
async def test_the_servers_own_word_counts_within_the_bound(asked_for, wait):
    clock = Clock()
    error = TransientError("busy", asked_for)
    assert await waits(Backoff(clock, lambda: 1.0), clock, error, 1) == [wait]


async def test_success_ends_the_row_of_failures():
    clock = Clock()
    backoff = Backoff(clock, lambda: 1.0)
    await waits(backoff, clock, TransientError("down"), 3)
    async with backoff.attempt("a", most=MOST):
        pass
    assert await waits(backoff, clock, TransientError("down"), 1) == [10]


async def test_what_fails_is_nobody_elses_matter():
    backoff = Backoff(Clock(), lambda: 1.0)
    assert await fail(backoff, ArtifactError("bad"))
    assert not await fail(backoff, ArtifactError("bad"))
    assert await fail(backoff, ArtifactError("bad"), key="b")


async def test_the_last_error_is_said_again_with_the_time_that_is_left():
    clock = Clock()
    backoff = Backoff(clock, lambda: 1.0)
    await fail(backoff, AuthenticationError("r refused the login"))
    clock.now = 4
    with pytest.raises(AuthenticationError) as caught:
        async with backoff.attempt("a", most=MOST):
            raise AssertionError("not to be tried")
    assert str(caught.value) == "r refused the login; it is asked again in 6 s"
