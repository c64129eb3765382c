"""What many Warehouses cost the triggerer, beside as many plain watchers that share nothing.

    uv run python -m benchmarks.watchers [--warehouses 200] [--repositories 20] [--seconds 180] [--plain-seconds 60]

Each kind gets an Airflow of its own. Polls are counted and timed at the registry's own log, CPU and memory at the
triggerer's processes. Every Warehouse has handled what its repository shows, as on any quiet day.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import re
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from airfreight.runtime.watch import HANDLED
from tests.live.airflow import running_world
from tests.live.manifests import project, warehouse
from tests.live.world import REPO, World, eventually

_PER_PROJECT = 50
# The repository, and who asks where the query says so.
_POLL = re.compile(r'"GET /v2/(\S+)/tags/list(\S*)')
_WATCHING = re.compile(r"(\d+) watchers currently running")

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


@dataclass
class Sample:
    """What one stretch of time showed; CPU and length in seconds, memory in bytes, moments on the monotonic clock.

    `polls` are by repository and who polls it, where the query says so.
    """

    length: float = 0.0
    cpu: float = 0.0
    peak_rss: int = 0
    polls: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))


def tree(pid: int) -> list[psutil.Process]:
    leader = psutil.Process(pid)
    return [leader, *leader.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in tree(pid))


def rss(pid: int) -> int:
    total = 0
    for process in tree(pid):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total


@contextmanager
def polls_of(log: Path, into: Mapping[tuple[str, str], list[float]]) -> Iterator[None]:
    """Add the moment of every poll that the registry logs meanwhile; good to 20 ms."""
    stopped = threading.Event()

    def follow() -> None:
        with log.open(errors="replace") as lines:
            lines.seek(0, os.SEEK_END)
            rest = ""
            while not stopped.wait(0.02):
                *whole, rest = (rest + lines.read()).split("\n")
                for line in whole:
                    if found := _POLL.search(line):
                        into[found.group(1), found.group(2)].append(time.monotonic())

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def measure(world: World, seconds: float) -> Sample:
    """Look at the triggerer and the registry for so long."""
    sample, pid = Sample(), world.stack.pid("triggerer")
    start, before = time.monotonic(), cpu_seconds(pid)
    with polls_of(world.registry.log, sample.polls):
        while time.monotonic() < start + seconds:
            sample.peak_rss = max(sample.peak_rss, rss(pid))
            time.sleep(1)
    sample.length = time.monotonic() - start
    sample.cpu = cpu_seconds(pid) - before
    return sample


def watching(world: World) -> int:
    """Return how many watchers the triggerer says it runs; it does so once a minute."""
    counts = _WATCHING.findall((world.stack.home / "logs" / "triggerer.log").read_text())
    return int(counts[-1]) if counts else 0


def push_tags(world: World, scale: Scale) -> None:
    for number in range(scale.warehouses):
        tag = f"{scale.major(number)}.0.0"
        world.registry.push_image(scale.repository(number), tag, created=datetime.now(UTC))


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


def add_warehouses(world: World, scale: Scale) -> None:
    """Add the projects; all that the repositories show is handled before a watcher starts."""
    owners = dict.fromkeys(scale.owner(number) for number in range(scale.warehouses))
    for owner in owners:
        world.add_project(owner, manifests(scale, owner))
    wait_for_dags(world, "warehouse", scale.warehouses)
    ids = watch_ids(world)
    for number in range(scale.warehouses):
        repository = f"{world.registry.host}/{scale.repository(number)}"
        handled = {repository: f"{scale.major(number)}.0.0"}
        key = ids[f"airfreight://{scale.owner(number)}/warehouses/w{number}/watch"]
        path = f"/api/v2/assets/{key}/state-store/{HANDLED}"
        world.rest.put(path, json={"value": handled}).raise_for_status()


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
    world.add_dag_file("plain", text)
    wait_for_dags(world, "plain", scale.warehouses)


def wait_for_dags(world: World, pattern: str, count: int) -> None:
    def parsed() -> bool:
        found = world.get("/dags", dag_id_pattern=f"%{pattern}%", limit=1)
        return bool(found["total_entries"] >= count)

    eventually(parsed, 300)


def unpause_all(world: World) -> None:
    """Switch every DAG on, a page at a time, and have the files parsed again: only then Airflow starts watchers."""
    query = {"dag_id_pattern": "%", "paused": "true", "limit": "100"}
    body = {"is_paused": False}
    while (
        world.rest.patch("/api/v2/dags", params=query, json=body).raise_for_status().json()["dags"]
    ):
        pass
    for file in (world.folder / "dags").glob("*.py"):
        file.touch()


def print_sample(title: str, scale: Scale, sample: Sample) -> None:
    lateness = sorted(
        later - earlier - scale.interval
        for moments in sample.polls.values()
        for earlier, later in itertools.pairwise(moments)
    )
    by_repository: Counter[str] = Counter()
    for (repository, _), moments in sample.polls.items():
        by_repository[repository] += len(moments)
    counts = sorted(by_repository.values())
    p99 = lateness[math.ceil(0.99 * len(lateness)) - 1]
    print(
        f"{title}, {scale.warehouses} on {scale.repositories} repositories, {sample.length:.0f} s"
    )
    print(
        f"  triggerer CPU            {sample.cpu:.1f} s, {sample.cpu / sample.length:.1%} of a core"
    )
    print(f"  triggerer peak RSS       {sample.peak_rss / 2**20:.0f} MiB")
    print(f"  polls of a repository    {counts[0]} to {counts[-1]}, of {len(counts)} repositories")
    print(
        f"  polls late, p50 and p99  {statistics.median(lateness):.2f} s, {p99:.2f} s", flush=True
    )


def run(scale: Scale, seconds: float, *, plain: bool) -> None:
    env = {
        "AIRFLOW__TRIGGERER__CAPACITY": str(2 * scale.warehouses),
        # A thousand DAGs parsed every 5 s would be what is measured.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
        "PYTHONPATH": os.pathsep.join([str(REPO / "plugins"), str(REPO)]),
    }
    with running_world(env) as world:
        push_tags(world, scale)
        idle = rss(world.stack.pid("triggerer")) / 2**20
        (add_plain if plain else add_warehouses)(world, scale)
        unpause_all(world)
        eventually(
            lambda: watching(world) >= scale.warehouses, 300, lambda: f"{watching(world)} watch"
        )
        sample = measure(world, seconds)
        print_sample("plain watchers" if plain else "Warehouses", scale, sample)
        print(f"  triggerer RSS before     {idle:.0f} MiB")
        runs = world.get("/dags/~/dagRuns", limit=1)["total_entries"]
        print(f"  runs woken               {runs}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--warehouses", type=int, default=200)
    parser.add_argument("--repositories", type=int, default=20)
    parser.add_argument("--interval", type=int, default=10, help="seconds")
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--plain-seconds", type=float, default=60)
    options = parser.parse_args()
    scale = Scale(options.warehouses, options.repositories, options.interval)
    run(scale, options.seconds, plain=False)
    if options.plain_seconds:
        run(scale, options.plain_seconds, plain=True)


if __name__ == "__main__":
    main()
