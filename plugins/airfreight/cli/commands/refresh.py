"""`airfreight refresh`: a Warehouse looks for new artifacts now."""

from __future__ import annotations

import argparse

from airfreight.cli.api import AirflowApi
from airfreight.cli.directory import read_directory
from airfreight.cli.runs import await_success, start_run
from airfreight.cli.world import Exit, World
from airfreight.model.naming import warehouse_dag_id


def run(args: argparse.Namespace, world: World, api: AirflowApi) -> Exit:
    """Trigger the Warehouse's DAG."""
    warehouse = read_directory(api.assets()).within(args.project).warehouse(args.name)
    made = start_run(api, warehouse_dag_id(warehouse.project, warehouse.name), None, {})
    world.say(f"run {made.dag_run_id} of {made.dag_id}")
    if not args.wait:
        return Exit.OK
    await_success(api, made, world)
    world.say(f"Warehouse {warehouse.name} has looked")
    return Exit.OK
