"""Seconds from a tag pushed to dev's commit while runs wait at prod's gate, beside plain Airflow.

    uv run python -m benchmarks.waiting_runs [--waiting 0,40,300] [--settings 20:1,20:0.1,100:1,100:0.1] [--pushes 3]

A setting is `max_dagruns_per_loop_to_schedule:scheduler_idle_sleep_time`. The first, Airflow's own, is measured with
every number of waiting runs, the others with the greatest. Plain Airflow is a DAG of as many tasks in a row as the way
to dev has, five, whose runs wait in an `ApprovalOperator`; from triggered to the last task's end, so without a poll.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airfreight.model.freight import FreightContent, FreightOrigin, ImageArtifact
from airfreight.runtime.warehouse_register import WarehouseRegister
from tests.live.airflow import running_world
from tests.live.manifests import OVERLAY, auto, marks, project, promote_image, stage, warehouse
from tests.live.world import RegisterStore, World, eventually, timed
from tests.runtime.memory import MemoryStore

PROJECT = "bench"
PIPELINE = f"{PROJECT}.pipeline.app"
WAREHOUSE = f"{PROJECT}.warehouse.app"
PLAIN = "plain"

_LOOP = re.compile(r"Ran scheduling loop in ([\d.]+) ms")

PLAIN_DAG = '''"""Five Airflow tasks in a row, and an approval that keeps the run open."""

import httpx
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException


@dag(dag_id="plain", schedule=None, max_active_runs=10_000)
def plain():
    @task
    def begin():
        if (get_current_context()["dag_run"].conf or {{}}).get("only_wait"):
            raise AirflowSkipException("waits for its approval")

    @task
    def go_on():
        pass

    @task
    def mark():
        httpx.get("{barrier}/mark/plain").raise_for_status()

    begin() >> go_on() >> go_on() >> go_on() >> mark()
    ApprovalOperator(task_id="approve", subject="Promote?")


plain()
'''


@dataclass(frozen=True)
class Settings:
    """The scheduler's: how many runs it looks at in a loop, and how many seconds it sleeps after an idle one.

    `places` are those of its executor: so many tasks run at once.
    """

    runs: int
    sleep: float
    places: int = 8

    @classmethod
    def parse(cls, text: str) -> Settings:
        runs, sleep = text.split(":")
        return cls(int(runs), float(sleep))

    def env(self) -> dict[str, str]:
        return {
            "AIRFLOW__SCHEDULER__MAX_DAGRUNS_PER_LOOP_TO_SCHEDULE": str(self.runs),
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": str(self.sleep),
            "AIRFLOW__CORE__PARALLELISM": str(self.places),
        }


@dataclass(frozen=True)
class Row:
    """What some pushes took, and the scheduler's loops meanwhile, its sleep left out; all in seconds."""

    pushes: list[float]
    loops: list[float]


# Nothing is measured under it. A loop fills the executor's places once: many places, and not so many runs in a loop
# that the places are empty long before its end.
_SEEDING = Settings(30, 0.1, places=16)


class SchedulerLog:
    """The scheduler's own measure of its loops, which it writes to its log."""

    def __init__(self, world: World) -> None:
        self._path = world.stack.home / "logs" / "scheduler.log"
        self._seen = self._path.stat().st_size

    def loops(self) -> list[float]:
        """Return the seconds of each loop since this was made."""
        with self._path.open("rb") as log:
            log.seek(self._seen)
            text = log.read().decode(errors="replace")
        return [float(found) / 1000 for found in _LOOP.findall(text)]


def use(world: World, settings: Settings) -> None:
    """Restart the scheduler with these settings and wait until it has begun to work."""
    log = SchedulerLog(world)
    world.stack.restart("scheduler", settings.env())
    eventually(lambda: len(log.loops()) >= 5, 120)


def count_tasks(world: World, dag_id: str, *states: str) -> int:
    path = f"/dags/{dag_id}/dagRuns/~/taskInstances"
    return int(world.get(path, state=list(states), limit=1)["total_entries"])


def settle(world: World, dag_id: str, waiting: int) -> None:
    """Wait until so many runs wait for a person, or more, and nothing else goes on."""

    def settled() -> bool:
        busy = count_tasks(
            world, dag_id, "scheduled", "queued", "running", "up_for_reschedule", "up_for_retry"
        )
        return busy == 0 and count_tasks(world, dag_id, "awaiting_input") >= waiting

    def explain() -> str:
        return f"{count_tasks(world, dag_id, 'awaiting_input')} of {waiting} wait"

    eventually(settled, 1500, explain)


def seconds_until(probe: Callable[[], bool], timeout: float = 600) -> float:
    start = time.monotonic()
    while not probe():
        if time.monotonic() > start + timeout:
            raise AssertionError(f"not within {timeout:g} s")
        time.sleep(0.1)
    return time.monotonic() - start


class Ours:
    """dev by itself, prod by a person, one Warehouse."""

    dag_id = PIPELINE

    def __init__(self, world: World) -> None:
        self._world = world
        self._pushed = 0
        self._seeded = 0
        world.git.create(PROJECT, {"overlays/dev/image.yaml": OVERLAY})
        manifests = project(PROJECT, auto("dev")) + warehouse("app", "bench/app")
        template = promote_image("dev", "bench/app", PROJECT)
        manifests += stage("dev", ["app"], "direct: true", template)
        keep = 'airfreight/keep-requests: "true"'
        manifests += stage("prod", ["app"], "direct: true", marks("prod"), keep)
        world.add_project(PROJECT, manifests)
        world.unpause(PIPELINE)
        world.unpause(WAREHOUSE)
        self.push()

    def push(self) -> float:
        """Push a tag and return the seconds until its commit is in the Git server; all of its run has parked then."""
        tag = f"1.0.{self._pushed}"
        self._pushed += 1
        self._world.registry.push_image("bench/app", tag, created=datetime.now(UTC))
        message = f"Update image tag to {tag}"
        took = seconds_until(lambda: self._world.git.log(PROJECT)[0][1] == message)
        settle(self._world, self.dag_id, self._seeded)
        return took

    def seed(self, count: int) -> None:
        """Register Freight of earlier hours and have each asked for at prod's gate, until `count` wait."""
        for name in self._register(range(self._seeded, count)):
            self._world.trigger(PIPELINE, {"freight": name, "stages": ["prod"]})
        self._seeded = count

    def _register(self, numbers: range) -> list[str]:
        """Return the Freight's names. One by one over REST, three hundred would read and write the index as often."""
        kept = RegisterStore(self._world, f"airfreight://{PROJECT}/warehouses/app")
        store = MemoryStore()
        for key in ("index", "aliases"):
            if (value := kept.get(key)) is not None:
                store.set(key, value)
        now = datetime.now(UTC)
        names = []
        for number in numbers:
            found = now - timedelta(minutes=numbers.stop - number)
            freight, _ = WarehouseRegister(store).register(self._content(number), found)
            names.append(freight.name)
        for key in dict.fromkeys(store.writes):
            kept.set(key, store.get(key))
        return names

    def _content(self, number: int) -> FreightContent:
        image = ImageArtifact(
            repo_url=f"{self._world.registry.host}/bench/app",
            tag=f"0.{number}.0",
            digest=f"sha256:{number:064}",
        )
        return FreightContent(origin=FreightOrigin(name="app"), images=(image,))


class Plain:
    """As many tasks, and Airflow's own approval."""

    dag_id = PLAIN

    def __init__(self, world: World) -> None:
        self._world = world
        self._seeded = 0
        text = PLAIN_DAG.format(barrier=world.barrier.url)
        world.add_dag_file("plain", text)
        world.unpause(PLAIN)
        self.push()

    def push(self) -> float:
        marked = len(self._world.barrier.names("plain"))
        self._world.trigger(PLAIN)
        took = seconds_until(lambda: len(self._world.barrier.names("plain")) > marked)
        settle(self._world, self.dag_id, self._seeded)
        return took

    def seed(self, count: int) -> None:
        for _ in range(self._seeded, count):
            self._world.trigger(PLAIN, {"only_wait": True})
        self._seeded = count


def measure(world: World, side: Ours | Plain, settings: Settings, pushes: int) -> Row:
    use(world, settings)
    settle(world, side.dag_id, 0)
    log = SchedulerLog(world)
    took = [side.push() for _ in range(pushes)]
    return Row(took, log.loops())


def print_row(title: str, waiting: int, settings: Settings, row: Row) -> None:
    loops = sorted(row.loops)
    print(
        f"{title:10} {waiting:7} {settings.runs:9} {settings.sleep:6}"
        f" {statistics.median(row.pushes):8.1f} {max(row.pushes):8.1f}"
        f" {statistics.median(loops):8.3f} {loops[len(loops) * 95 // 100]:8.3f} {len(loops):6}",
        flush=True,
    )


def measure_all(
    world: World, side: Ours | Plain, waiting: list[int], settings: list[Settings], pushes: int
) -> None:
    """Print a row for each number that waits, then one for each further setting."""
    title = type(side).__name__.lower()
    for count in waiting:
        use(world, _SEEDING)
        with timed(f"# {title}: until {count} wait"):
            side.seed(count)
            settle(world, side.dag_id, count)
        measure_row(world, side, count, settings[0], pushes)
    for other in settings[1:]:
        measure_row(world, side, waiting[-1], other, pushes)


def measure_row(
    world: World, side: Ours | Plain, waiting: int, settings: Settings, pushes: int
) -> None:
    title = type(side).__name__.lower()
    with timed(f"# {title}: {pushes} pushes, each until its run waits too"):
        row = measure(world, side, settings, pushes)
    print_row(title, waiting, settings, row)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--waiting", default="0,40,300")
    parser.add_argument("--settings", default="20:1,20:0.1,100:1,100:0.1")
    parser.add_argument("--pushes", type=int, default=3)
    parser.add_argument("--look", type=int, default=3600, help="gate_look_interval, seconds")
    options = parser.parse_args()
    waiting = [int(count) for count in options.waiting.split(",")]
    settings = [Settings.parse(text) for text in options.settings.split(",")]
    env = _SEEDING.env() | {
        "AIRFLOW__AIRFREIGHT__GATE_LOOK_INTERVAL": str(options.look),
        "AIRFLOW__LOGGING__NAMESPACE_LEVELS": "airflow.jobs.scheduler_job_runner=DEBUG",
    }
    with running_world(env) as world:
        print(
            f"{'':10} {'waiting':>7} {'runs/loop':>9} {'sleep':>6} {'median s':>8} {'worst s':>8}",
            end="",
        )
        print(f" {'loop s':>8} {'95 %':>8} {'loops':>6}", flush=True)
        measure_all(world, Ours(world), waiting, settings, options.pushes)
        # The scheduler leaves the runs of a paused DAG alone.
        world.pause(PIPELINE)
        world.pause(WAREHOUSE)
        measure_all(world, Plain(world), [waiting[0], waiting[-1]], settings, options.pushes)


if __name__ == "__main__":
    main()
