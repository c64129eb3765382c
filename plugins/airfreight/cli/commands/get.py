"""`airfreight get`: Freight, Stages, Promotions, events, out of the register."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass

from airfreight.cli.api import AirflowApi, TaskInfo
from airfreight.cli.directory import Directory, Place, read_directory
from airfreight.cli.listing import (
    Listing,
    event_listing,
    freight_listing,
    promotion_listing,
    stage_listing,
)
from airfreight.cli.register import (
    StageView,
    WarehouseView,
    list_stage,
    list_warehouse,
    read_stage,
    read_warehouse,
    reading,
)
from airfreight.cli.requests import open_requests
from airfreight.cli.tables import as_json, as_table
from airfreight.cli.world import Exit, World
from airfreight.errors import NotFoundError
from airfreight.model.naming import GATE, PROMOTE, VERIFY, stage_task_id

# States in which a task of a Stage has begun and not ended; a request has a column of its own.
_UNDER_WAY = [
    "scheduled",
    "queued",
    "running",
    "deferred",
    "up_for_retry",
    "up_for_reschedule",
    "restarting",
]


@dataclass(frozen=True)
class _Reader:
    """Finds the registers of a directory, and reads them key by key or, with `whole`, all of each."""

    api: AirflowApi
    directory: Directory
    whole: bool

    def stages(self, name: str | None) -> list[StageView]:
        """Return one Stage's register, or all."""
        places = self.directory.stages if name is None else (self.directory.stage(name),)
        read = list_stage if self.whole else read_stage
        return [read(self.api, self.directory, place) for place in places]

    def warehouses(self, name: str | None, project: str | None = None) -> list[WarehouseView]:
        """Return one Warehouse's register, or all, or all of a project."""
        places = self.directory.warehouses if name is None else (self.directory.warehouse(name),)
        read = list_warehouse if self.whole else read_warehouse
        return [read(self.api, place) for place in places if project in (None, place.project)]


def run(args: argparse.Namespace, world: World, api: AirflowApi) -> Exit:
    """Print what was asked for."""
    directory = read_directory(api.assets()).within(args.project)
    reader = _Reader(api, directory, whole=args.kind == "freight")
    with reading("this Airflow"):
        if args.kind == "freight":
            listing = _freight(args, reader)
        elif args.kind == "stages":
            listing = _stages(args, reader)
        elif args.kind == "events":
            listing = _events(args, reader)
        else:
            listing = _promotions(args, reader)
    if args.output == "json":
        world.say(as_json(listing.rows))
    else:
        world.say(as_table(listing.headings, listing.cells))
    return Exit.OK


def _freight(args: argparse.Namespace, reader: _Reader) -> Listing:
    stages = reader.stages(args.stage)
    project = stages[0].place.project if args.stage else None
    listing = freight_listing(reader.warehouses(args.warehouse, project), stages)
    if args.stage:
        listing = listing.where(lambda row: bool(row["currentIn"] or row["verifiedIn"]))
    if args.name:
        listing = listing.where(lambda row: row["name"].startswith(args.name))
    if args.alias:
        listing = listing.where(lambda row: row["alias"] == args.alias)
    if (args.name or args.alias) and not listing.rows:
        raise NotFoundError(f"there is no Freight {args.name or args.alias!r}")
    return listing


def _stages(args: argparse.Namespace, reader: _Reader) -> Listing:
    stages = reader.stages(args.stage)
    asked = [
        (request.stage, request.name) for request in open_requests(reader.api, reader.directory)
    ]
    waiting = _waiting([view.place for view in stages], reader.api)
    return stage_listing(stages, reader.warehouses(None), asked, waiting)


def _waiting(stages: Iterable[Place], api: AirflowApi) -> list[tuple[Place, str]]:
    """Return Stage → ``<task> of <run>`` for every task that is under way."""
    places = list(stages)
    tasks: list[TaskInfo] = []
    for dag_id in sorted({place.pipeline for place in places}):
        tasks += api.tasks(dag_id, "~", _UNDER_WAY)
    owners = {
        (place.pipeline, stage_task_id(place.name, task)): (place, task)
        for place in places
        for task in (GATE, PROMOTE, VERIFY)
    }
    found = [(owners.get((task.dag_id, task.task_id)), task.dag_run_id) for task in tasks]
    return [(owner[0], f"{owner[1]} of {run}") for owner, run in found if owner is not None]


def _promotions(args: argparse.Namespace, reader: _Reader) -> Listing:
    listing = promotion_listing(reader.stages(args.stage), reader.warehouses(None))
    if args.name:
        listing = listing.where(lambda row: row["name"] == args.name)
        if not listing.rows:
            raise NotFoundError(f"there is no Promotion {args.name!r} among the last of any Stage")
    return listing


def _events(args: argparse.Namespace, reader: _Reader) -> Listing:
    listing = event_listing(reader.stages(args.stage))
    return listing.where(lambda row: args.type in (None, row["type"]))
