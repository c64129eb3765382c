"""What fails is red, says why, and takes nothing behind it along."""

from __future__ import annotations

from datetime import UTC, datetime

from airfreight.model.alias import freight_alias
from airfreight.model.freight import FreightContent, FreightOrigin, ImageArtifact
from tests.live.manifests import PASSES, auto, fails, project, stage, warehouse
from tests.live.world import World, eventually, run_id_of


def test_a_run_whose_dev_promotion_failed_is_red_and_names_the_cause(world: World) -> None:
    world.registry.push_image("fails/app", "1.0.0", created=datetime.now(UTC))
    manifests = project("fails", auto("dev", "staging")) + warehouse("app", "fails/app")
    manifests += stage("dev", ["app"], "direct: true", fails("the disk is full"))
    manifests += stage("staging", ["app"], "stages: [dev]", PASSES)
    world.add_project("fails", manifests)
    pipeline = "fails.pipeline.app"
    world.unpause(pipeline)
    world.unpause("fails.warehouse.app")
    run = run_id_of(world.wait_for_freight("fails", 1))
    assert world.wait_for_run(pipeline, run) == "failed"
    assert "dev.promote: failed: the disk is full" in world.log(pipeline, run, "outcome")
    states = world.states(pipeline, run)
    assert states["dev.promote"] == states["outcome"] == "failed"
    assert states["staging.gate"] == states["staging.promote"] == "skipped"
    promotions = world.register("airfreight://fails/stages/dev/register")["promotions"]
    assert [row["phase"] for row in promotions] == ["Failed"]
    # A refresh does not try again what failed last.
    refresh = world.trigger("fails.warehouse.app")
    assert world.wait_for_run("fails.warehouse.app", refresh) == "success"
    assert len(world.runs(pipeline)) == 1


def test_freight_gets_its_run_though_triggering_it_fails_at_first(world: World) -> None:
    manifests = project("again", auto("dev")) + warehouse("app", "again/app")
    manifests += stage("dev", ["app"], "direct: true", PASSES)
    world.add_project("again", manifests)
    pipeline = "again.pipeline.app"
    world.unpause(pipeline)
    world.unpause("again.warehouse.app")
    # Airflow refuses the run while it does not know the DAG; a parse brings it back.
    world.rest.delete(f"/api/v2/dags/{pipeline}").raise_for_status()
    world.registry.push_image("again/app", "1.0.0", created=datetime.now(UTC))
    run = run_id_of(world.wait_for_freight("again", 1))
    world.parse_soon("again")
    world.unpause(pipeline)
    eventually(lambda: world.runs(pipeline))
    assert world.wait_for_run(pipeline, run) == "success"
    assert len(world.runs(pipeline)) == 1


def test_a_run_that_somebody_made_under_the_freights_id_is_passed_by(world: World) -> None:
    manifests = project("squat", auto("dev")) + warehouse("app", "squat/app")
    manifests += stage("dev", ["app"], "direct: true", PASSES)
    world.add_project("squat", manifests)
    pipeline = "squat.pipeline.app"
    world.unpause(pipeline)
    # Whoever knows the image knows the Freight's id: take it before the Warehouse has looked.
    digest = world.registry.push_image("squat/app", "1.0.0", created=datetime.now(UTC))
    image = ImageArtifact(repoURL=f"{world.registry.host}/squat/app", tag="1.0.0", digest=digest)
    name = FreightContent(origin=FreightOrigin(name="app"), images=(image,)).name
    taken = f"{freight_alias(name)}-{name[:12]}"
    body = {"dag_run_id": taken, "logical_date": None, "conf": {}}
    world.rest.post(f"/api/v2/dags/{pipeline}/dagRuns", json=body).raise_for_status()
    assert world.wait_for_run(pipeline, taken) == "failed"
    world.unpause("squat.warehouse.app")
    freight = world.wait_for_freight("squat", 1)
    assert freight["name"] == name
    own = f"{taken}-2"
    eventually(lambda: own in [r["dag_run_id"] for r in world.runs(pipeline)])
    assert world.wait_for_run(pipeline, own) == "success"
    assert run_id_of(freight) == taken
