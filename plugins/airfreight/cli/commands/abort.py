"""`airfreight abort`: a promotion ends, whether it runs, is deferred or waits for its turn."""

from __future__ import annotations

import argparse

from ulid import ULID

from airfreight.cli.api import AirflowApi, TaskInfo
from airfreight.cli.directory import Place, read_directory
from airfreight.cli.register import reading, stage_register
from airfreight.cli.runs import await_acceptance, start_run
from airfreight.cli.world import Exit, World
from airfreight.errors import NotFoundError, RefusedError
from airfreight.model.naming import PROMOTE, stage_task_id

# States of a promote that may still do something. In those of _WAITING it has no process that would notice the abort.
_WAITING = (
    "deferred",
    "awaiting_input",
    "up_for_reschedule",
    "up_for_retry",
    "scheduled",
    "queued",
)
_OPEN = (*_WAITING, "running")


def run(args: argparse.Namespace, world: World, api: AirflowApi) -> Exit:
    """Trigger the pipeline so that it aborts the promotion, wait until it has, and wake who waits."""
    directory = read_directory(api.assets()).within(args.project)
    stage = directory.stage(args.stage)
    running = _running(api, stage) if args.run is None else None
    promote = _chosen(_open_promotes(api, stage), args.run, running, stage)
    run_id = f"abort-{str(ULID()).lower()}"
    conf = {"abort": promote.dag_run_id, "stages": [stage.name], "reason": args.reason}
    await_acceptance(api, start_run(api, stage.pipeline, run_id, conf), world)
    if api.task(promote).state in _WAITING:
        api.mark_failed(promote)
    world.say(f"aborted the promotion of run {promote.dag_run_id} to Stage {stage.name}")
    return Exit.OK


def _open_promotes(api: AirflowApi, stage: Place) -> list[TaskInfo]:
    task_id = stage_task_id(stage.name, PROMOTE)
    return [task for task in api.tasks(stage.pipeline, "~", _OPEN) if task.task_id == task_id]


def _running(api: AirflowApi, stage: Place) -> str | None:
    """Return the run that has the Stage's claim."""
    with reading(f"Stage {stage.name}"):
        claim = stage_register(api, stage).claim()
    return claim.run_id if claim is not None else None


def _chosen(
    promotes: list[TaskInfo], asked: str | None, running: str | None, stage: Place
) -> TaskInfo:
    """Return the asked one, else that which runs, else the only one."""
    by_run = {task.dag_run_id: task for task in promotes}
    wanted = asked if asked is not None else running
    if wanted is not None and wanted in by_run:
        return by_run[wanted]
    if asked is not None:
        raise NotFoundError(f"run {asked!r} promotes nothing to Stage {stage.name}")
    if not promotes:
        raise NotFoundError(f"nothing is being promoted to Stage {stage.name}")
    if len(promotes) > 1:
        raise RefusedError(f"several wait, give --run with one of {', '.join(sorted(by_run))}")
    return promotes[0]
