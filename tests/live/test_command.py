"""The command `airfreight` against a live Airflow."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.live.manifests import PASSES, auto, project, stage, warehouse
from tests.live.terminal import airfreight, call, rows
from tests.live.world import World, run_id_of

PROJECT = "command"
PIPELINE = f"{PROJECT}.pipeline.app"


def test_the_command_shows_approves_promotes_and_answers(world: World) -> None:
    world.registry.push_image("command/app", "1.0.0", created=datetime.now(UTC))
    manifests = project(PROJECT, auto("dev")) + warehouse("app", "command/app")
    manifests += stage("dev", ["app"], "direct: true", PASSES)
    manifests += stage("prod", ["app"], "stages: [dev]", PASSES)
    manifests += stage("lab", ["app"], "stages: [prod]", PASSES)
    world.add_project(PROJECT, manifests)
    world.unpause(PIPELINE)
    world.unpause(f"{PROJECT}.warehouse.app")
    alias = world.wait_for_freight(PROJECT, 1)["alias"]
    run = run_id_of(world.freight(PROJECT)[0])
    world.wait_for_state(PIPELINE, run, "prod.gate", "awaiting_input")

    (freight,) = rows(world, PROJECT, "get", "freight")
    assert freight["alias"] == alias
    assert freight["currentIn"] == freight["verifiedIn"] == ["dev"]
    stages = {row["stage"]: row for row in rows(world, PROJECT, "get", "stages")}
    assert [held["alias"] for held in stages["dev"]["freight"]] == [alias]
    assert stages["prod"]["requests"] == [f"prod/{run}"]
    assert [row["phase"] for row in rows(world, PROJECT, "get", "promotions")] == ["Succeeded"]
    assert alias in airfreight(world, PROJECT, "get", "freight")[1]

    code, _, err = airfreight(
        world, PROJECT, "promote", "--freight-alias", alias, "--stage", "lab", "--wait"
    )
    assert code == 1
    assert "not verified in prod" in err
    code, out, err = airfreight(
        world, PROJECT, "approve", "--freight-alias", alias, "--stage", "lab"
    )
    assert (code, err) == (0, ""), out
    assert f"approved/{freight['name']}" in world.register(
        f"airfreight://{PROJECT}/stages/lab/register"
    )

    folder = str(world.folder / "include" / "pipelines")
    code, out, err = call(
        world, "plan", PROJECT, "--freight", alias, "--stage", "lab", "--pipelines", folder
    )
    assert code == 0, err
    assert f"Plan: Freight {alias} " in out
    assert "Available: approved by admin" in out
    assert "Comes to its end" in out

    assert (
        airfreight(world, PROJECT, "respond", f"prod/{alias}", "--approve", "--message", "go")[0]
        == 0
    )
    world.wait_for_state(PIPELINE, run, "prod.promote", "success")
    assert airfreight(world, PROJECT, "respond", "prod/no-such", "--approve")[0] == 1
    assert airfreight(world, PROJECT, "refresh", "warehouse", "app", "--wait")[0] == 0
