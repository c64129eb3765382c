"""Many Freight wait at one gate, and new ones still run."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.live.manifests import auto, marks, project, stage, warehouse
from tests.live.scenarios import register_images
from tests.live.world import World, eventually, timed

PROJECT = "waiting"
PIPELINE = f"{PROJECT}.pipeline.app"
COUNT = 40


def open_requests(world: World) -> int:
    query = {"response_received": False, "state": "awaiting_input", "limit": 100}
    found = world.get("/dags/~/dagRuns/~/hitlDetails", **query)["hitl_details"]
    return sum(detail["task_instance"]["dag_id"] == PIPELINE for detail in found)


def push(world: World, tag: str, count: int) -> None:
    """Push a tag and wait until its Freight, the `count`th one of its kind, has been promoted to dev."""
    world.registry.push_image("waiting/app", tag, created=datetime.now(UTC))
    eventually(lambda: len(world.barrier.names("waiting-dev")) == count)


def test_new_freight_is_promoted_while_forty_wait_at_prod(world: World) -> None:
    """Guard: gates that wait hold no slot (`TaskAwaitingInput`) and their runs no place (`max_active_runs`)."""
    manifests = project(PROJECT, auto("dev")) + warehouse("app", "waiting/app")
    manifests += stage("dev", ["app"], "direct: true", marks("waiting-dev"))
    keep = 'airfreight/keep-requests: "true"'
    manifests += stage("prod", ["app"], "direct: true", marks("waiting-prod"), keep)
    world.add_project(PROJECT, manifests)
    world.unpause(PIPELINE)
    world.unpause(f"{PROJECT}.warehouse.app")
    with timed("pushed → dev, nothing waits"):
        push(world, "1.1.0", 1)

    for freight in register_images(world, PROJECT, COUNT):
        world.trigger(PIPELINE, {"freight": freight.name, "stages": ["prod"]})
    # A gate that looks is awake for a moment, so seldom all of them wait in the same instant.
    most = eventually(lambda: n if (n := open_requests(world)) >= COUNT else None)
    with timed(f"pushed → dev, {most} wait"):
        push(world, "1.1.1", 2)
    eventually(lambda: open_requests(world) >= COUNT)
    assert world.barrier.names("waiting-prod") == []
