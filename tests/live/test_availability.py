"""What becomes available outside a Freight's own run is promoted by the Warehouse's next run, once."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.live.manifests import auto, fails, marks, project, stage, warehouse
from tests.live.world import RegisterStore, World, eventually, run_id_of

PROJECT = "avail"
PIPELINE = f"{PROJECT}.pipeline.app"
WAREHOUSE = f"{PROJECT}.warehouse.app"


def manifests(*later: str) -> str:
    text = project(PROJECT, auto("dev", "broken", "late", *later)) + warehouse("app", "avail/app")
    text += stage("dev", ["app"], "direct: true", marks("avail-dev"))
    text += stage("broken", ["app"], "direct: true", fails("no luck"))
    text += stage("late", ["app"], "stages: [broken]", marks("avail-late"))
    for name in later:
        text += stage(name, ["app"], "direct: true", marks(f"avail-{name}"))
    return text


def refresh(world: World) -> list[str]:
    """Refresh the Warehouse, wait for all that follows, and return the ids of the runs that it made."""
    before = {run["dag_run_id"] for run in world.runs(PIPELINE)}
    run = world.trigger(WAREHOUSE)
    assert world.wait_for_run(WAREHOUSE, run) == "success"
    made = [r["dag_run_id"] for r in world.runs(PIPELINE) if r["dag_run_id"] not in before]
    assert {world.wait_for_run(PIPELINE, run) for run in made} <= {"success"}
    return made


def test_an_approved_freight_and_a_new_stage_are_promoted_by_the_next_refresh_once(
    world: World,
) -> None:
    """Guard: `PromoteAvailableOperator`; for the second refresh `_is_on_its_way` and what the Stages hold."""
    world.registry.push_image("avail/app", "1.0.0", created=datetime.now(UTC))
    world.add_project(PROJECT, manifests())
    world.unpause(PIPELINE)
    world.unpause(WAREHOUSE)
    freight = world.wait_for_freight(PROJECT, 1)
    assert world.wait_for_run(PIPELINE, run_id_of(freight)) == "failed"
    assert refresh(world) == []

    conf = {"freight": freight["alias"], "stages": ["late"], "approve": True}
    assert world.wait_for_run(PIPELINE, world.trigger(PIPELINE, conf)) == "success"
    world.write_manifests(PROJECT, manifests("extra"))
    eventually(lambda: "extra.gate" in world.task_ids(PIPELINE))
    assert len(refresh(world)) == 2
    assert refresh(world) == []
    alias = freight["alias"]
    assert world.barrier.names("avail-late") == [f"avail-late-{alias}"]
    assert world.barrier.names("avail-extra") == [f"avail-extra-{alias}"]
    assert world.holds(PROJECT, "late") == world.holds(PROJECT, "extra") == alias


def test_a_lifted_hold_lets_the_next_refresh_promote_the_candidate_once(world: World) -> None:
    """Guard: the hold that `refuse_automatic` asks for, and `PromoteAvailableOperator` once it is gone."""
    first = world.freight(PROJECT)[0]
    world.registry.push_image("avail/app", "1.0.1", created=datetime.now(UTC))
    second = world.wait_for_freight(PROJECT, 2)
    world.wait_for_run(PIPELINE, run_id_of(second))
    back = world.trigger(PIPELINE, {"freight": first["alias"], "stages": ["dev"]})
    assert world.wait_for_run(PIPELINE, back) == "success"
    assert refresh(world) == []
    assert world.holds(PROJECT, "dev") == first["alias"]

    RegisterStore(world, f"airfreight://{PROJECT}/stages/dev/register").delete("hold/Warehouse/app")
    assert len(refresh(world)) == 1
    assert refresh(world) == []
    assert world.holds(PROJECT, "dev") == second["alias"]
    aliases = [first["alias"], second["alias"], first["alias"], second["alias"]]
    assert world.barrier.names("avail-dev") == [f"avail-dev-{alias}" for alias in aliases]
