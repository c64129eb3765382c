"""Seconds from a tag pushed to its commit pushed, by part, with the poll interval taken out.

    uv run python -m benchmarks.tag_to_commit [COUNT]

Starts an Airflow of its own, pushes COUNT tags (5) one after the other, and prints the median of each part.
"""

from __future__ import annotations

import statistics
import sys
from datetime import UTC, datetime
from typing import Any

from tests.live.airflow import running_world
from tests.live.manifests import OVERLAY, auto, project, promote_image, stage, warehouse
from tests.live.world import World, run_id_of

PROJECT = "bench"
WAREHOUSE = f"{PROJECT}.warehouse.app"
PIPELINE = f"{PROJECT}.pipeline.app"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def woken_run(world: World, pipeline_run: str) -> dict[str, Any]:
    """Return the Warehouse run whose task made this pipeline run."""
    made = moment(world.get(f"/dags/{PIPELINE}/dagRuns/{pipeline_run}")["run_after"])
    earlier = [run for run in world.runs(WAREHOUSE) if moment(run["run_after"]) <= made]
    return earlier[-1]


def parts(world: World, pipeline_run: str) -> dict[str, float]:
    """Return the seconds of each part of one path."""
    woken = woken_run(world, pipeline_run)

    def task(dag: str, run: str, name: str) -> dict[str, Any]:
        return dict(world.get(f"/dags/{dag}/dagRuns/{run}/taskInstances/{name}"))

    discover = task(WAREHOUSE, woken["dag_run_id"], "discover")
    trigger = task(WAREHOUSE, woken["dag_run_id"], "trigger")
    freight = task(PIPELINE, pipeline_run, "freight")
    gate = task(PIPELINE, pipeline_run, "dev.gate")
    promote = task(PIPELINE, pipeline_run, "dev.promote")
    marks = [
        ("run queued → discover starts", woken["queued_at"], discover["start_date"]),
        ("discover", discover["start_date"], discover["end_date"]),
        ("trigger, with its wait", discover["end_date"], trigger["end_date"]),
        ("freight, with its wait", trigger["end_date"], freight["end_date"]),
        ("dev.gate, with its wait", freight["end_date"], gate["end_date"]),
        ("dev.promote waits", gate["end_date"], promote["start_date"]),
        ("dev.promote: four steps", promote["start_date"], promote["end_date"]),
    ]
    found = {name: (moment(end) - moment(start)).total_seconds() for name, start, end in marks}
    return found | {"all": sum(found.values())}


def main(count: int) -> None:
    with running_world() as world:
        world.git.create("bench", {"overlays/dev/image.yaml": OVERLAY})
        manifests = project(PROJECT, auto("dev")) + warehouse("app", "bench/app")
        template = promote_image("dev", "bench/app", "bench")
        world.add_project(PROJECT, manifests + stage("dev", ["app"], "direct: true", template))
        world.unpause(PIPELINE)
        world.unpause(WAREHOUSE)
        rows = []
        for position in range(count):
            world.registry.push_image("bench/app", f"1.0.{position}", created=datetime.now(UTC))
            run = run_id_of(world.wait_for_freight(PROJECT, position + 1))
            world.wait_for_run(PIPELINE, run)
            rows.append(parts(world, run))
    print(f"{'part':36} {'median s':>8} {'worst s':>8}   ({count} tags)")
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f"{name:36} {statistics.median(values):8.2f} {max(values):8.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
