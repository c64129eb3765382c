"""`airfreight promote`: Freight goes to a Stage, through the Stage's gate."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ulid import ULID

from airfreight.cli.api import AirflowApi, RunInfo
from airfreight.cli.directory import Directory, Place, read_directory
from airfreight.cli.register import reading, resolve_freight, stage_register
from airfreight.cli.requests import open_requests
from airfreight.cli.runs import ENDED_RUN, await_acceptance, looks, start_run
from airfreight.cli.world import Exit, World
from airfreight.errors import RefusedError
from airfreight.model.freight import Freight
from airfreight.model.naming import PROMOTE, freight_run_id, next_run_id, stage_task_id


@dataclass(frozen=True)
class Asked:
    """A run that was asked to do something with a Freight and a Stage."""

    stage: Place
    freight: Freight
    run: RunInfo
    pipeline: Directory


def ask_pipeline(args: argparse.Namespace, api: AirflowApi, conf: Mapping[str, Any]) -> Asked:
    """Make a run of the Stage's pipeline for the Freight and the Stage that `args` name."""
    directory = read_directory(api.assets()).within(args.project)
    stage = directory.stage(args.stage)
    pipeline = directory.pipeline_of(stage)
    freight = resolve_freight(api, pipeline, args.freight, args.freight_alias)
    run_id = next_run_id(freight_run_id(freight.alias, freight.name), str(ULID()).lower())
    full = {"freight": freight.name, "stages": [stage.name], **conf}
    return Asked(stage, freight, start_run(api, stage.pipeline, run_id, full), pipeline)


def run(args: argparse.Namespace, world: World, api: AirflowApi) -> Exit:
    """Trigger the pipeline, wait until it has accepted the Freight, and follow it where that is asked for."""
    asked = ask_pipeline(args, api, {})
    world.say(f"run {asked.run.dag_run_id} of {asked.run.dag_id}")
    await_acceptance(api, asked.run, world)
    if not args.wait:
        world.say(f"Freight {asked.freight.alias} is on its way to Stage {asked.stage.name}")
        return Exit.OK
    _follow(asked, api, world)
    _check_promoted(asked, api)
    world.say(f"Freight {asked.freight.alias} is promoted to Stage {asked.stage.name}")
    return Exit.OK


def _follow(asked: Asked, api: AirflowApi, world: World) -> None:
    told = False
    for _ in looks(world):
        if api.run(asked.run.dag_id, asked.run.dag_run_id).state in ENDED_RUN:
            return
        if not told:
            told = _tell_request(asked, api, world)


def _tell_request(asked: Asked, api: AirflowApi, world: World) -> bool:
    for request in open_requests(api, asked.pipeline):
        if request.run_id == asked.run.dag_run_id:
            world.say(f"waits for an answer: {request.usual_answer}")
            return True
    return False


def _check_promoted(asked: Asked, api: AirflowApi) -> None:
    """Raise RefusedError where the run ended and the Stage did not get the Freight, or did not verify it."""
    run = api.run(asked.run.dag_id, asked.run.dag_run_id)
    tasks = {t.task_id: t.state for t in api.tasks(run.dag_id, run.dag_run_id)}
    promoted = tasks.get(stage_task_id(asked.stage.name, PROMOTE)) == "success"
    if promoted and run.state == "success":
        return
    failed = sorted(task for task, state in tasks.items() if state == "failed")
    what = f"failed: {', '.join(failed)}" if failed else "its gate closed"
    raise RefusedError(f"not promoted: {_reason(asked, api) or what}")


def _reason(asked: Asked, api: AirflowApi) -> str:
    run_id = asked.run.dag_run_id
    with reading(f"Stage {asked.stage.name}"):
        register = stage_register(api, asked.stage)
        closed, record = register.closed(run_id), register.promotion_of(run_id)
    if record is not None and record.status.message:
        return record.status.message
    return closed.reason if closed is not None else ""
