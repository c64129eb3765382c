"""The command `airfreight` against a live Airflow."""

from __future__ import annotations

import io
import json
import time
from datetime import UTC, datetime
from typing import Any

from airfreight.cli.main import main
from airfreight.cli.world import World as Terminal
from tests.live.manifests import PASSES, auto, project, stage, warehouse
from tests.live.world import World, run_id_of

PROJECT = "command"
PIPELINE = f"{PROJECT}.pipeline.app"


def airfreight(world: World, *words: str) -> tuple[int, str, str]:
    environ = {
        "AIRFREIGHT_API_URL": world.stack.url,
        "AIRFREIGHT_USERNAME": "admin",
        "AIRFREIGHT_PASSWORD": "admin",
    }
    out, err = io.StringIO(), io.StringIO()
    code = main([*words, "--project", PROJECT], Terminal(out, err, environ, time.sleep))
    return code, out.getvalue(), err.getvalue()


def rows(world: World, *words: str) -> list[dict[str, Any]]:
    code, out, err = airfreight(world, *words, "-o", "json")
    assert code == 0, err
    return list(json.loads(out))


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

    (freight,) = rows(world, "get", "freight")
    assert freight["alias"] == alias
    assert freight["currentIn"] == freight["verifiedIn"] == ["dev"]
    stages = {row["stage"]: row for row in rows(world, "get", "stages")}
    assert [held["alias"] for held in stages["dev"]["freight"]] == [alias]
    assert stages["prod"]["requests"] == [f"prod/{run}"]
    assert [row["phase"] for row in rows(world, "get", "promotions")] == ["Succeeded"]
    assert alias in airfreight(world, "get", "freight")[1]

    code, _, err = airfreight(
        world, "promote", "--freight-alias", alias, "--stage", "lab", "--wait"
    )
    assert code == 1
    assert "not verified in prod" in err
    code, out, err = airfreight(world, "approve", "--freight-alias", alias, "--stage", "lab")
    assert (code, err) == (0, ""), out
    assert f"approved/{freight['name']}" in world.register(f"airfreight://{PROJECT}/stages/lab")

    assert airfreight(world, "respond", f"prod/{alias}", "--approve", "--message", "go")[0] == 0
    world.wait_for_state(PIPELINE, run, "prod.promote", "success")
    assert airfreight(world, "respond", "prod/no-such", "--approve")[0] == 1
    assert airfreight(world, "refresh", "warehouse", "app", "--wait")[0] == 0
