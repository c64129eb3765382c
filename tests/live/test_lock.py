"""One promotion at a time in a Stage, in the order of the decisions."""

from __future__ import annotations

from tests.live.scenarios import promote_one_at_a_time
from tests.live.world import World


def test_promotions_of_one_stage_never_overlap_and_keep_the_order_of_their_decisions(
    world: World,
) -> None:
    """Guards: the Stage's claim, and `goes_first`."""
    promote_one_at_a_time(world, "lock", 8)
