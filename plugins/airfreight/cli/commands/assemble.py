"""`airfreight assemble`: Freight of artifacts that a person chooses among what a Warehouse discovers."""

from __future__ import annotations

import argparse

from airfreight.cli.api import AirflowApi
from airfreight.cli.directory import read_directory
from airfreight.cli.runs import await_success, start_run
from airfreight.cli.world import Exit, World
from airfreight.errors import SettingsError
from airfreight.model.naming import warehouse_dag_id
from airfreight.runtime.assembly import ARTIFACTS, PROMOTE


def run(args: argparse.Namespace, world: World, api: AirflowApi) -> Exit:
    """Trigger the Warehouse's DAG with the chosen artifacts and follow it until it has ended."""
    versions = _versions(args.artifact)
    warehouse = read_directory(api.assets()).within(args.project).warehouse(args.name)
    conf = {ARTIFACTS: versions, PROMOTE: args.promote}
    made = start_run(api, warehouse_dag_id(warehouse.project, warehouse.name), None, conf)
    world.say(f"run {made.dag_run_id} of {made.dag_id}")
    await_success(api, made, world)
    world.say(f"Warehouse {warehouse.name} has registered the Freight")
    return Exit.OK


def _versions(texts: list[str]) -> dict[str, str]:
    versions: dict[str, str] = {}
    for subscription, version in map(_pair, texts):
        if subscription in versions:
            raise SettingsError(f"--artifact names {subscription} twice")
        versions[subscription] = version
    return versions


def _pair(text: str) -> tuple[str, str]:
    subscription, equals, version = text.rpartition("=")
    if not (subscription and equals and version):
        raise SettingsError(
            f"--artifact {text!r}: expected SUBSCRIPTION=VERSION, such as registry.example/web=1.2.3"
        )
    return subscription, version
