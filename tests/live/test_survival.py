"""Kill of the triggerer and of the scheduler in the middle of the whole path: it arrives."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.live.scenarios import add_guestbook
from tests.live.world import World, run_id_of

PIPELINE = "survival.pipeline.guestbook"


def test_the_path_survives_a_killed_triggerer_and_a_killed_scheduler(world: World) -> None:
    add_guestbook(world, "survival")
    world.unpause(PIPELINE)
    world.unpause("survival.warehouse.guestbook")

    world.stack.kill("triggerer")
    world.registry.push_image("survival/guestbook", "1.0.0", created=datetime.now(UTC))
    world.stack.restart("triggerer")
    run = run_id_of(world.wait_for_freight("survival", 1))
    world.wait_for_state(PIPELINE, run, "dev.promote", "running")
    world.stack.restart("scheduler")
    world.wait_for_state(PIPELINE, run, "prod.gate", "awaiting_input")
    world.stack.restart("scheduler")
    world.stack.restart("triggerer")
    assert world.answer(PIPELINE, run, "prod.gate", "Approve").status_code == 200
    assert world.wait_for_run(PIPELINE, run) == "success"
    messages = [message for _, message in world.git.log("survival")]
    assert messages.count("Update image tag to 1.0.0") == 3
    assert len(world.runs(PIPELINE)) == 1
