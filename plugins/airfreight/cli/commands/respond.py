"""`airfreight respond`: the answer to a request of a Stage's gate, or of a step of its promotion."""

from __future__ import annotations

import argparse
import json
from typing import Any

from airfreight.cli.api import AirflowApi
from airfreight.cli.directory import read_directory
from airfreight.cli.requests import (
    OpenRequest,
    Option,
    Reply,
    find_request,
    open_requests,
    settle,
)
from airfreight.cli.step_requests import settle_step
from airfreight.cli.tables import as_json, as_table, moment
from airfreight.cli.world import Exit, World
from airfreight.errors import SettingsError

_DONE = {Option.APPROVE: "approved", Option.REJECT: "rejected", Option.SUBMIT: "answered"}


def run(args: argparse.Namespace, world: World, api: AirflowApi) -> Exit:
    """Answer one request, or list them all."""
    if not args.list and args.request is None:
        raise SettingsError("which request? give <stage>/<run id>, or --list")
    requests = open_requests(api, read_directory(api.assets()).within(args.project))
    if args.list:
        _list(requests, args.output, world)
        return Exit.OK
    request = find_request(requests, args.request)
    reply = _reply(args, request)
    if request.is_gates:
        settle(api, request, reply, world)
        world.say(f"{_DONE[reply.option]} {request.name}")
    else:
        message = settle_step(api, request, reply, world)
        world.say(f"{_DONE[reply.option]} {request.name}: {message}")
    return Exit.OK


def _reply(args: argparse.Namespace, request: OpenRequest) -> Reply:
    """Return what is answered; raises SettingsError where the request cannot be answered so."""
    if args.values is not None:
        reply = Reply(Option.SUBMIT, _values(args.values))
    else:
        reply = Reply(Option.APPROVE if args.approve else Option.REJECT, {"message": args.message})
    options = request.info.options
    if options and reply.option not in options:
        wanted = "--values" if Option.SUBMIT in options else "--approve or --reject"
        raise SettingsError(f"{request.name} is answered with {wanted}: {request.info.subject}")
    return reply


def _values(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise SettingsError('--values: expected a JSON object, such as {"version": "1.2.3"}')
    return values


def _list(requests: list[OpenRequest], output: str, world: World) -> None:
    if output == "json":
        rows = [
            {
                "request": request.name,
                "project": request.stage.project,
                "stage": request.stage.name,
                "run": request.run_id,
                "subject": request.info.subject,
                "options": list(request.info.options),
                "fields": {name: _schema(param) for name, param in request.info.params.items()},
                "createdAt": request.info.created_at.isoformat(),
            }
            for request in requests
        ]
        world.say(as_json(rows))
        return
    cells = [(r.name, r.stage.project, r.info.subject, moment(r.info.created_at)) for r in requests]
    world.say(as_table(("request", "project", "subject", "since"), cells))


def _schema(param: Any) -> Any:
    return param.get("schema") if isinstance(param, dict) else None
