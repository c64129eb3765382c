"""`airfreight approve`: Freight becomes available to a Stage."""

from __future__ import annotations

import argparse

from airfreight.cli.api import AirflowApi
from airfreight.cli.commands.promote import ask_pipeline
from airfreight.cli.runs import await_acceptance
from airfreight.cli.world import Exit, World


def run(args: argparse.Namespace, world: World, api: AirflowApi) -> Exit:
    """Trigger the pipeline so that it approves, and wait until it has."""
    asked = ask_pipeline(args, api, {"approve": True})
    await_acceptance(api, asked.run, world)
    world.say(f"Freight {asked.freight.alias} is available to Stage {asked.stage.name}")
    return Exit.OK
