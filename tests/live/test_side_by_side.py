"""Two schedulers and two triggerers on one database give the same counts as one of each."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.live.scenarios import discover_ten_times, promote_one_at_a_time, travel_to_prod
from tests.live.world import World


@pytest.fixture(scope="module")
def doubled(world: World) -> Iterator[World]:
    others = [world.stack.start_another(name) for name in ("scheduler", "triggerer")]
    yield world
    for name in others:
        world.stack.retire(name, grace=120)


def test_the_path_and_ten_discoveries_give_one_run_a_freight(doubled: World) -> None:
    """Guards: the register's `run/<freight>` and, behind it, the run id that follows from the Freight; the shared
    stream: no repository is polled more than once by each triggerer."""
    start = time.monotonic()
    travel_to_prod(doubled, "double")
    discover_ten_times(doubled, "double")
    # Beside the watchers each run of the Warehouse lists the tags once, and one more as its retry at most.
    listed_by_runs = 2 * len(doubled.runs("double.warehouse.guestbook"))
    allowed = 2 * ((time.monotonic() - start) / 2 + 1) + listed_by_runs
    assert doubled.registry.polls("double/guestbook") <= allowed


def test_promotions_of_one_stage_keep_their_order(doubled: World) -> None:
    """Guards: the Stage's claim, and `goes_first`."""
    promote_one_at_a_time(doubled, "doublelock", 5)
