"""Pipelines of other shapes than a chain: a control-flow Stage, and a Stage that one of two upstreams feeds."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.live.manifests import PASSES, auto, fails, project, stage, warehouse
from tests.live.world import World, run_id_of

PIPELINE = "shapes.pipeline.app"


def control_flow(name: str, sources: str) -> str:
    return stage(name, ["app"], sources, "").split("  promotionTemplate:")[0]


def test_freight_is_forwarded_and_one_of_two_upstreams_is_enough(world: World) -> None:
    world.registry.push_image("shapes/app", "1.0.0", created=datetime.now(UTC))
    manifests = project("shapes", auto("east", "west", "any", "prod"))
    manifests += warehouse("app", "shapes/app")
    manifests += stage("east", ["app"], "direct: true", PASSES)
    manifests += stage("west", ["app"], "direct: true", fails("west is down"))
    manifests += stage("any", ["app"], "stages: [east, west]", PASSES)
    manifests += control_flow("flow", "stages: [any]")
    manifests += stage("prod", ["app"], "stages: [flow]", PASSES)
    world.add_project("shapes", manifests)
    world.unpause(PIPELINE)
    world.unpause("shapes.warehouse.app")
    freight = world.wait_for_freight("shapes", 1)
    run = run_id_of(freight)
    assert world.wait_for_run(PIPELINE, run) == "failed"
    states = world.states(PIPELINE, run)
    assert states["any.verify"] == states["flow.forward"] == states["prod.verify"] == "success"
    assert "west.promote: failed: west is down" in world.log(PIPELINE, run, "outcome")
    assert f"verified/{freight['name']}" in world.register(
        "airfreight://shapes/stages/flow/register"
    )
    refused = world.trigger(PIPELINE, {"freight": freight["alias"], "stages": ["flow"]})
    assert world.wait_for_run(PIPELINE, refused) == "failed"
    assert "only forwards Freight" in world.log(PIPELINE, refused, "freight")
