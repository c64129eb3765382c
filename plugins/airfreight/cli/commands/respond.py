"""`airfreight respond`: the answer to a Stage's request."""

from __future__ import annotations

import argparse

from airfreight.cli.api import AirflowApi
from airfreight.cli.directory import read_directory
from airfreight.cli.requests import OpenRequest, Option, find_request, open_requests, settle
from airfreight.cli.tables import as_json, as_table, moment
from airfreight.cli.world import Exit, World
from airfreight.errors import SettingsError


def run(args: argparse.Namespace, world: World, api: AirflowApi) -> Exit:
    """Answer one request, or list them all."""
    if not args.list and args.request is None:
        raise SettingsError("which request? give <stage>/<run id>, or --list")
    requests = open_requests(api, read_directory(api.assets()).within(args.project))
    if args.list:
        _list(requests, args.output, world)
        return Exit.OK
    request = find_request(requests, args.request)
    option = Option.APPROVE if args.approve else Option.REJECT
    settle(api, request, option, args.message, world)
    world.say(f"{'approved' if args.approve else 'rejected'} {request.name}")
    return Exit.OK


def _list(requests: list[OpenRequest], output: str, world: World) -> None:
    if output == "json":
        rows = [
            {
                "request": request.name,
                "project": request.stage.project,
                "stage": request.stage.name,
                "run": request.run_id,
                "subject": request.info.subject,
                "createdAt": request.info.created_at.isoformat(),
            }
            for request in requests
        ]
        world.say(as_json(rows))
        return
    cells = [(r.name, r.stage.project, r.info.subject, moment(r.info.created_at)) for r in requests]
    world.say(as_table(("request", "project", "subject", "since"), cells))
