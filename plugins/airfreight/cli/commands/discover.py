"""`airfreight discover`: what a Warehouse would find now, or would have found then; nothing is started."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airfreight.cli.commands.validate import chosen_projects
from airfreight.cli.declared import find_declared
from airfreight.cli.tables import as_json, as_table, moment, printable
from airfreight.cli.world import Exit, World
from airfreight.errors import SettingsError
from airfreight.hooks.configuration import read_settings
from airfreight.hooks.repository import ConnectionCredentials
from airfreight.manifests.project import LoadedProject, load_project
from airfreight.model.warehouse import Warehouse
from airfreight.runtime.criteria import why_no_freight
from airfreight.runtime.discovery import Discovery, content_of, discover, version_of
from airfreight.sources.base import Discovered
from airfreight.sources.catalogue import source_of
from airfreight.steps.installed import step_registry

# Characters of a version in the table.
_LONGEST = 80


def run(args: argparse.Namespace, world: World, project_names: Callable[[Path], list[str]]) -> Exit:
    """Print what each subscription takes and rejects, and the Freight that comes of it."""
    chosen_projects(args.pipelines, [args.project], project_names)
    project = load_project(args.pipelines, args.project, step_registry())
    warehouse = _warehouse(project, args.warehouse)
    finder = ConnectionCredentials(project.connections, project.credentials)
    sources = [source_of(subscription) for subscription in warehouse.subscriptions]
    found = asyncio.run(discover(sources, finder.access, as_of=_moment(args.as_of)))
    outcome = _outcome(warehouse, found)
    if args.output == "json":
        world.say(as_json([*_rows(found), {"freight": outcome}]))
        return Exit.OK
    world.say(_table(found))
    world.say(printable(outcome))
    return Exit.OK


def _warehouse(project: LoadedProject, name: str) -> Warehouse:
    warehouses = {
        warehouse.name: warehouse
        for pipeline in project.pipelines
        for warehouse in pipeline.warehouses
    }
    return find_declared(project, "Warehouse", name, warehouses)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"--as-of {text!r}: expected a time such as 2026-05-04 or 2026-05-04T12:00:00Z"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _outcome(warehouse: Warehouse, found: Discovery) -> str:
    """Return which Freight a run of the Warehouse would register, or why none."""
    if warehouse.freight_creation_policy == "Manual" and not found.lacking:
        return "no Freight: the Warehouse makes none by itself (freightCreationPolicy: Manual)"
    reason = why_no_freight(warehouse, found, read_settings().expression_limits())
    if reason:
        return f"no Freight: {reason}"
    return f"Freight {content_of(warehouse.origin, [one.artifact for one in found.newest]).name}"


def _rows(found: Discovery) -> list[dict[str, Any]]:
    return [
        {
            "subscription": look.source.url,
            "name": look.source.name,
            "artifacts": [_row(one) for one in look.found.artifacts],
            "rejected": [{"name": one.name, "rule": one.rule} for one in look.found.rejected],
        }
        for look in found.looks
    ]


def _row(found: Discovered) -> dict[str, Any]:
    created = found.created_at.isoformat() if found.created_at is not None else None
    return {"createdAt": created, **found.artifact.model_dump(mode="json", by_alias=True)}


def _table(found: Discovery) -> str:
    cells: list[tuple[str, ...]] = []
    for look in found.looks:
        url = look.source.url
        cells += [
            (url, version_of(one.artifact)[:_LONGEST], moment(one.created_at), _rank(position))
            for position, one in enumerate(look.found.artifacts)
        ]
        cells += [(url, one.name[:_LONGEST], "", one.rule) for one in look.found.rejected]
    return as_table(("subscription", "version", "created", "taken"), cells)


def _rank(position: int) -> str:
    return "newest" if position == 0 else "yes"
