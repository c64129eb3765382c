"""Backfill of a Warehouse DAG: Freight of the past, in the register and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.live.scenarios import add_guestbook
from tests.live.world import World, eventually, run_id_of

PROJECT = "past"
WAREHOUSE = f"{PROJECT}.warehouse.guestbook"
PIPELINE = f"{PROJECT}.pipeline.guestbook"
NOW = datetime.now(UTC).replace(microsecond=0)


def backfill(world: World, days_ago: int, until_days_ago: int) -> None:
    body = {
        "dag_id": WAREHOUSE,
        "from_date": (NOW - timedelta(days=days_ago)).isoformat(),
        "to_date": (NOW - timedelta(days=until_days_ago)).isoformat(),
        "max_active_runs": 1,
        "reprocess_behavior": "completed",
    }
    answer = world.rest.post("/api/v2/backfills", json=body)
    assert answer.status_code == 200, answer.text
    number = answer.json()["id"]
    eventually(
        lambda: world.get(f"/backfills/{number}")["completed_at"] is not None,
        explain=lambda: str(world.runs(WAREHOUSE)),
    )


def test_a_backfill_registers_what_the_warehouse_would_have_produced_then(world: World) -> None:
    for tag, age in (("1.0.0", 10), ("1.1.0", 3), ("1.2.0", 1)):
        world.registry.push_image("past/guestbook", tag, created=NOW - timedelta(days=age))
    add_guestbook(world, PROJECT)
    world.unpause(PIPELINE)
    world.unpause(WAREHOUSE)
    live = world.wait_for_freight(PROJECT, 1)
    world.wait_for_state(PIPELINE, run_id_of(live), "dev.verify", "success")

    # The Warehouse runs once a day: once before there was 1.1.0, and once after.
    backfill(world, 4, 2)
    found = world.freight(PROJECT)
    assert len(found) == 3
    dates = [datetime.fromisoformat(entry["discoveredAt"]) for entry in found]
    assert NOW - timedelta(days=10) < dates[0] < NOW - timedelta(days=3)
    assert NOW - timedelta(days=3) < dates[1] < NOW - timedelta(days=1)
    assert found[2] == live
    assert len(world.runs(PIPELINE)) == 1

    backfill(world, 4, 2)
    assert world.freight(PROJECT) == found
    assert len(world.runs(PIPELINE)) == 1

    run = world.trigger(PIPELINE, {"freight": found[0]["alias"], "stages": ["dev"]})
    assert world.wait_for_run(PIPELINE, run) == "success"
    assert "tag: 1.0.0" in world.git.read("past", "main", "overlays/dev/image.yaml")
