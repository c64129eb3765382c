"""Making runs and following them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from airfreight.cli.api import AirflowApi, RunInfo, TaskInfo
from airfreight.cli.world import World
from airfreight.errors import AirfreightError, RefusedError
from airfreight.model.naming import FREIGHT

ENDED_RUN = ("success", "failed")
ENDED_TASK = ("success", "failed", "skipped", "upstream_failed", "removed")

_LOOK_SECONDS = 1.0
# A scheduler under load needs some time to start a run; without one it never does.
_MOST_LOOKS_FOR_START = 120


def start_run(api: AirflowApi, dag_id: str, run_id: str | None, conf: Mapping[str, Any]) -> RunInfo:
    """Make a run; raises RefusedError where it would not start since the DAG is paused."""
    if api.dag(dag_id).is_paused:
        raise RefusedError(f"DAG {dag_id} is paused; `airflow dags unpause {dag_id}` first")
    return api.trigger(dag_id, run_id, conf)


def looks(world: World) -> Iterator[int]:
    """Count looks, one a second, without end."""
    for number in count():
        if number:
            world.sleep(_LOOK_SECONDS)
        yield number


def why(api: AirflowApi, task: TaskInfo) -> str:
    """Return why a task failed, as far as its log can be had."""
    try:
        cause = api.cause(task)
    except AirfreightError:
        cause = ""
    return cause or f"see the log of {task.task_id} in run {task.dag_run_id}"


def await_acceptance(api: AirflowApi, run: RunInfo, world: World) -> None:
    """Wait until the run's first task has accepted the request; raises RefusedError with the reason if it did not."""
    for look in looks(world):
        tasks = api.tasks(run.dag_id, run.dag_run_id)
        first = next((task for task in tasks if task.task_id == FREIGHT), None)
        if first is not None and first.state in ENDED_TASK:
            if first.state == "success":
                return
            raise RefusedError(why(api, first))
        if look >= _MOST_LOOKS_FOR_START:
            raise RefusedError(
                f"run {run.dag_run_id} of {run.dag_id} was made but has not started yet; it may still"
            )


def await_end(api: AirflowApi, run: RunInfo, world: World) -> RunInfo:
    """Wait until the run has ended."""
    for _ in looks(world):
        run = api.run(run.dag_id, run.dag_run_id)
        if run.state in ENDED_RUN:
            break
    return run


def await_success(api: AirflowApi, run: RunInfo, world: World) -> None:
    """Wait until the run has ended; raises RefusedError with what its tasks failed of where it failed."""
    if await_end(api, run, world).state == "success":
        return
    failed = api.tasks(run.dag_id, run.dag_run_id, ["failed"])
    raise RefusedError("; ".join(f"{t.task_id}: {why(api, t)}" for t in failed) or "the run failed")
