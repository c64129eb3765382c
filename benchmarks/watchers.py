"""What many Warehouses cost the triggerer, beside as many plain watchers that share nothing.

    uv run python -m benchmarks.watchers [--warehouses 200] [--repositories 20] [--interval 60]
        [--seconds 180] [--plain-seconds 150]

Each kind gets an Airflow of its own. Requests are counted and timed at the registry's own log, CPU and memory at the
triggerer's processes. Every Warehouse has handled what its repository shows, and the cache on disk knows it, as after
a restart on any quiet day. What the start costs is printed apart from the quiet time that follows. At its end one tag
is pushed, which concerns one Warehouse.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from airfreight.manifests.project import load_project
from airfreight.model.naming import warehouse_dag_id, watch_asset
from airfreight.model.warehouse import Warehouse
from airfreight.runtime.discovery import discover
from airfreight.runtime.watch import HANDLED, Handled
from airfreight.sources.base import Access, SourceSettings
from airfreight.sources.catalogue import source_of
from airfreight.steps.installed import step_registry
from benchmarks.triggerer_sample import print_lateness, print_sample, rss, sampling
from tests.live.airflow import running_world
from tests.live.manifests import project, warehouse
from tests.live.world import REPO, World, eventually, timed

_PER_PROJECT = 50
# Seconds; for a slow machine, and thousands of DAGs.
_PATIENCE = 1800.0
# Seconds after the run that is expected, in which another one would have followed.
_AFTERMATH = 15.0

PLAIN_DAGS = '''"""Airflow DAGs that plain watchers wake."""

from airflow.sdk import DAG, Asset, AssetWatcher
from airflow.providers.standard.operators.empty import EmptyOperator

from benchmarks.plain_watcher import PlainWatcher

for number in range({count}):
    name = f"plain{{number}}"
    url = f"http://{host}/v2/watch/app{{number % {repositories}}}/tags/list?by={{name}}"
    trigger = PlainWatcher(url=url, watcher=name, interval={interval})
    asset = Asset(name, watchers=[AssetWatcher(name=name, trigger=trigger)])
    with DAG(dag_id=name, schedule=[asset]) as globals()[name]:
        EmptyOperator(task_id="woken")
'''


@dataclass(frozen=True)
class Scale:
    """How many Warehouses on how many repositories, and seconds between two polls of one."""

    warehouses: int
    repositories: int
    interval: int

    def repository(self, number: int) -> str:
        return f"watch/app{number % self.repositories}"

    def major(self, number: int) -> int:
        return number // self.repositories + 1

    def owner(self, number: int) -> str:
        return f"watch{number // _PER_PROJECT}"

    @property
    def owners(self) -> list[str]:
        return list(dict.fromkeys(self.owner(number) for number in range(self.warehouses)))

    def dag_id(self, number: int) -> str:
        return warehouse_dag_id(self.owner(number), f"w{number}")


def push_images(world: World, scale: Scale) -> None:
    """Push one set of blobs to each repository, and a manifest of its own for each tag."""
    registry, first = world.registry, {}
    for number in range(scale.warehouses):
        repository, tag = scale.repository(number), f"{scale.major(number)}.0.0"
        if repository not in first:
            registry.push_image(repository, tag, created=datetime.now(UTC))
            first[repository] = json.loads(registry.manifest(repository, tag))
        else:
            annotations = {"org.opencontainers.image.version": tag}
            manifest = first[repository] | {"annotations": annotations}
            registry.push_manifest(repository, tag, manifest)


def manifests(scale: Scale, owner: str) -> str:
    """Return the Warehouses of one project, each with a major version of its own of its repository."""
    text = project(owner)
    for number in range(scale.warehouses):
        if scale.owner(number) == owner:
            name = f"w{number}"
            plain = warehouse(name, scale.repository(number), f"^{scale.major(number)}.0.0")
            annotated = f"{{name: {name}, annotations: {{airfreight/schedule: none}}}}"
            text += plain.replace("2s", f"{scale.interval}s").replace(
                f"{{name: {name}}}", annotated
            )
    return text


def warehouses_of(world: World, owner: str) -> Iterator[Warehouse]:
    """Yield a project's Warehouses as its DAG file reads them."""
    loaded = load_project(world.folder / "include" / "pipelines", owner, step_registry())
    for pipeline in loaded.pipelines:
        yield from pipeline.warehouses


async def look(one: Warehouse, access: Access) -> Handled:
    """Return what a Warehouse has handled once it looked."""
    sources = [source_of(subscription) for subscription in one.subscriptions]
    found = await discover(sources, lambda _: access, limit=1)
    return Handled(spec=one.digest, marks=dict(found.seen))


async def look_all(warehouses: list[Warehouse], cache: Path) -> list[Handled]:
    settings = SourceSettings(allow_loopback=True, image_registry_rate_limit=10_000)
    access = Access(None, settings, cache)
    return await asyncio.gather(*(look(one, access) for one in warehouses))


def add_warehouses(world: World, scale: Scale, cache: Path) -> None:
    """Add the projects; all that the repositories show is handled before a watcher starts."""
    with timed("parsed"):
        for owner in scale.owners:
            world.add_project(owner, manifests(scale, owner))
        wait_for_dags(world, ".warehouse.", scale.warehouses)
    with timed("marked as handled"):
        ids = watch_ids(world)
        for owner in scale.owners:
            warehouses = list(warehouses_of(world, owner))
            for one, handled in zip(
                warehouses, asyncio.run(look_all(warehouses, cache)), strict=True
            ):
                path = f"/api/v2/assets/{ids[watch_asset(owner, one.name)]}/state-store/{HANDLED}"
                world.rest.put(path, json={"value": handled.to_json()}).raise_for_status()


def watch_ids(world: World) -> dict[str, int]:
    """Return URI → id of every asset of a Warehouse, read a page at a time."""
    found: dict[str, int] = {}
    for offset in itertools.count(0, 100):
        page = world.get("/assets", uri_pattern="/warehouses/", limit=100, offset=offset)["assets"]
        if not page:
            break
        found |= {asset["uri"]: asset["id"] for asset in page}
    return found


def add_plain(world: World, scale: Scale) -> None:
    text = PLAIN_DAGS.format(
        count=scale.warehouses,
        repositories=scale.repositories,
        interval=scale.interval,
        host=world.registry.host,
    )
    with timed("parsed"):
        world.add_dag_file("plain", text)
        wait_for_dags(world, "plain", scale.warehouses)


def wait_for_dags(world: World, pattern: str, count: int) -> None:
    def parsed() -> int:
        found = world.get("/dags", dag_id_pattern=f"%{pattern}%", limit=1)
        return int(found["total_entries"])

    eventually(lambda: parsed() >= count, _PATIENCE, lambda: f"{parsed()} of {count} are parsed")


def unpause_all(world: World, pattern: str) -> None:
    """Switch the DAGs on, a page at a time, and have the files parsed again: only then Airflow starts watchers."""
    query = {"dag_id_pattern": f"%{pattern}%", "paused": "true", "limit": "100"}
    body = {"is_paused": False}
    while (
        world.rest.patch("/api/v2/dags", params=query, json=body).raise_for_status().json()["dags"]
    ):
        pass
    for file in (world.folder / "dags").glob("*.py"):
        file.touch()


def start_watchers(world: World, scale: Scale, *, plain: bool) -> None:
    """Return when each has looked once, and had another interval to come to rest."""
    with timed("unpaused"):
        unpause_all(world, "plain" if plain else ".warehouse.")
    with sampling(world) as sample:

        def looked() -> int:
            return sum(asked.is_list if plain else asked.is_head for asked in list(sample.asked))

        eventually(
            lambda: looked() >= scale.warehouses, _PATIENCE, lambda: f"{looked()} have looked"
        )
    print_sample("until each has looked", sample)
    time.sleep(scale.interval)


def woken(world: World) -> list[str]:
    """Return the DAGs that watchers woke, one entry a run."""
    runs = world.get("/dags/~/dagRuns", limit=100)["dag_runs"]
    return sorted(run["dag_id"] for run in runs if run["run_type"] == "asset_triggered")


def push_one(world: World, scale: Scale) -> None:
    """Push what one Warehouse takes, and print how soon it runs; no other may."""
    number = scale.warehouses // 2
    tag = f"{scale.major(number)}.0.1"
    world.registry.push_image(scale.repository(number), tag, created=datetime.now(UTC))
    with timed("from the tag pushed to its run"):
        eventually(lambda: woken(world), _PATIENCE)
    time.sleep(_AFTERMATH)
    assert woken(world) == [scale.dag_id(number)], woken(world)


def run(scale: Scale, seconds: float, *, plain: bool) -> None:
    with tempfile.TemporaryDirectory() as cache, running_world(_env(scale, cache)) as world:
        with timed("images pushed"):
            push_images(world, scale)
        idle = rss(world.stack.pid("triggerer")) / 2**20
        if plain:
            add_plain(world, scale)
        else:
            add_warehouses(world, scale, Path(cache))
        start_watchers(world, scale, plain=plain)
        with sampling(world) as sample:
            time.sleep(seconds)
        print_sample("quiet", sample)
        print_lateness(sample, scale.interval)
        print(f"triggerer RSS without watchers: {idle:.0f} MiB")
        print(f"runs woken while quiet: {len(woken(world))}", flush=True)
        assert not woken(world)
        if not plain:
            push_one(world, scale)


def _env(scale: Scale, cache: str) -> dict[str, str]:
    return {
        "AIRFLOW__AIRFREIGHT__CACHE_FOLDER": cache,
        "AIRFLOW__TRIGGERER__CAPACITY": str(2 * scale.warehouses),
        # Thousands of DAGs parsed every 5 s, and looked through for what is stale, would be what is measured.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
        "AIRFLOW__SCHEDULER__PARSING_CLEANUP_INTERVAL": "60",
        "PYTHONPATH": os.pathsep.join([str(REPO / "plugins"), str(REPO)]),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--warehouses", type=int, default=200)
    parser.add_argument("--repositories", type=int, default=20)
    parser.add_argument("--interval", type=int, default=60, help="seconds")
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--plain-seconds", type=float, default=150)
    options = parser.parse_args()
    scale = Scale(options.warehouses, options.repositories, options.interval)
    for title, seconds, plain in (
        ("Warehouses", options.seconds, False),
        ("plain watchers", options.plain_seconds, True),
    ):
        if seconds:
            print(
                f"--- {scale.warehouses} {title} on {scale.repositories} repositories", flush=True
            )
            run(scale, seconds, plain=plain)


if __name__ == "__main__":
    main()
