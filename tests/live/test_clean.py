"""`airflow db clean` deletes runs, tasks, XComs and events; what is true is in the register."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.live.connections import SECRETS
from tests.live.leaks import leaks
from tests.live.manifests import auto, marks, project, stage, warehouse
from tests.live.terminal import rows
from tests.live.world import World, run_id_of

PROJECT = "clean"
PIPELINE = f"{PROJECT}.pipeline.app"
WAREHOUSE = f"{PROJECT}.warehouse.app"
# All that grows by age. Left out: `dag` and `job`, whose rows of living DAGs and components are never old.
TABLES = (
    "asset_event,callback,dag_run,dag_version,deadline,import_error,log,task_instance,"
    "task_instance_history,task_reschedule,task_state_store,trigger,xcom"
)


def held(stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave the open requests out: Airflow deletes them with their runs."""
    return [{k: v for k, v in row.items() if k not in ("requests", "waiting")} for row in stages]


def run_ids(world: World) -> list[str]:
    return [run["dag_run_id"] for run in world.runs(PIPELINE)]


def test_after_everything_was_cleaned_nothing_is_forgotten_and_nothing_repeated(
    world: World,
) -> None:
    """Guards: the register names a Freight's run (`WarehouseRegister.run_of`), else the refresh makes a second; a
    claimant whose tasks are gone has ended (`promotion_has_ended`), else the rollback waits for ever.
    """
    manifests = project(PROJECT, auto("dev")) + warehouse("app", "clean/app")
    manifests += stage("dev", ["app"], "direct: true", marks("clean-dev"))
    manifests += stage("prod", ["app"], "stages: [dev]", marks("clean-prod"))
    world.registry.push_image("clean/app", "1.0.0", created=datetime.now(UTC))
    world.add_project(PROJECT, manifests)
    world.unpause(PIPELINE)
    world.unpause(WAREHOUSE)
    first = world.wait_for_freight(PROJECT, 1)
    world.answer(PIPELINE, run_id_of(first), "prod.gate", "Approve")
    assert world.wait_for_run(PIPELINE, run_id_of(first)) == "success"
    world.registry.push_image("clean/app", "1.0.1", created=datetime.now(UTC))
    second = world.wait_for_freight(PROJECT, 2)
    world.wait_for_state(PIPELINE, run_id_of(second), "prod.gate", "awaiting_input")
    stages, freight = rows(world, PROJECT, "get", "stages"), world.freight(PROJECT)

    # What is deleted here the search at the end of the suite will not see.
    assert leaks(world, SECRETS) == []
    now = datetime.now(UTC).isoformat()
    words = ("--clean-before-timestamp", now, "--yes", "--skip-archive", "--tables", TABLES)
    world.stack.run("db", "clean", *words, "--error-on-cleanup-failure")
    left = run_ids(world)
    assert run_id_of(first) not in left

    refresh = world.trigger(WAREHOUSE)
    assert world.wait_for_run(WAREHOUSE, refresh) == "success"
    assert run_ids(world) == left
    assert held(rows(world, PROJECT, "get", "stages")) == held(stages)
    assert world.freight(PROJECT) == freight

    back = world.trigger(PIPELINE, {"freight": first["alias"], "stages": ["dev"]})
    assert world.wait_for_run(PIPELINE, back) == "success"
    assert world.holds(PROJECT, "dev") == first["alias"]
    marks_of_dev = [entry["alias"] for entry in (first, second, first)]
    assert world.barrier.names("clean-dev") == [f"clean-dev-{alias}" for alias in marks_of_dev]
    # The request went with its task; the Freight can still be asked for by name.
    again = world.trigger(PIPELINE, {"freight": second["alias"], "stages": ["prod"]})
    world.wait_for_state(PIPELINE, again, "prod.gate", "awaiting_input")
    # The watcher goes on as well.
    world.registry.push_image("clean/app", "1.0.2", created=datetime.now(UTC))
    world.wait_for_freight(PROJECT, 3)
