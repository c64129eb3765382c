"""Warehouse manifests: shape, interval, schedule, criteria (`kargo.md` §1.4)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from croniter import CroniterError, croniter

from airfreight.errors import ExpressionError, Location, Problem
from airfreight.expr.limits import DEFAULT_LIMITS
from airfreight.expr.program import compile_expression
from airfreight.manifests.findings import Findings
from airfreight.manifests.nodes import Document, Path
from airfreight.manifests.pipelines import PIPELINE
from airfreight.manifests.resources import Resource
from airfreight.manifests.shapes import read_model
from airfreight.manifests.subscriptions import (
    check_subscriptions,
    manifest_path,
    typed_subscriptions,
)
from airfreight.model.subscription import Subscription
from airfreight.model.warehouse import Warehouse
from airfreight.steps.functions import declared

SCHEDULE = "airfreight/schedule"
POOL = "airfreight/pool"
NO_SCHEDULE = "none"
_LONGEST_SCHEDULE = 200
_SHORTEST_INTERVAL = timedelta(seconds=1)
_CRON = re.compile(r"@[a-z]+|[0-9A-Za-z*/,#?-]+( +[0-9A-Za-z*/,#?-]+){4}")
_DRAWN = re.compile(r"\b[hr]\b", re.IGNORECASE)


def read_warehouse(resource: Resource) -> Warehouse:
    """Return the Warehouse; where errors were found it watches nothing and only keeps its place in the pipeline."""
    found = resource.found
    spec = resource.section("spec")
    annotations = _annotations(resource)
    entries = spec.get("subscriptions")
    before = len(found.errors)
    typed = typed_subscriptions(entries, found)
    known = len(found.errors) == before

    def where(path: Path) -> Path:
        if path[:1] in (("name",), ("annotations",)):
            return ("metadata", *path)
        return ("spec", *manifest_path(path, entries))

    data = {**spec, "name": resource.name, "annotations": annotations}
    if "subscriptions" in spec:
        data["subscriptions"] = typed
    warehouse = read_model(Warehouse, data, where, found) if known else None
    if warehouse is not None:
        check_subscriptions(warehouse.subscriptions, entries, found)
        _check_rest(warehouse, found)
    if warehouse is None or found.errors:
        return Warehouse.model_construct(
            name=resource.name, annotations=annotations, subscriptions=()
        )
    return warehouse


def read_subscription(entry: object) -> tuple[Subscription | None, tuple[Problem, ...]]:
    """Return an entry of `spec.subscriptions` that stands alone, as a Warehouse reads it, and what is wrong with it.

    It is None where it has errors; the problems have fields of a Warehouse, and no places.
    """
    nowhere = Location("subscription")
    document = Document(nowhere.file, nowhere, {"spec": {"subscriptions": [entry]}}, {}, {}, "")
    found = Findings(document)
    warehouse = read_warehouse(Resource("Warehouse", "subscription", {}, {}, found))
    return next(iter(warehouse.subscriptions), None), tuple(found.problems)


def _annotations(resource: Resource) -> dict[str, str]:
    annotations = dict(resource.annotations)
    name = annotations.get(PIPELINE)
    if name is not None and not re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name):
        message = "expected lower-case letters, digits, '-' and '.'"
        resource.found.error(("metadata", "annotations", PIPELINE), message)
        del annotations[PIPELINE]
    schedule = annotations.get(SCHEDULE)
    if schedule not in (None, NO_SCHEDULE) and not _is_schedule(schedule):
        message = "expected a cron expression such as '15 3 * * *', or none"
        resource.found.error(("metadata", "annotations", SCHEDULE), message)
        del annotations[SCHEDULE]
    return annotations


def _is_schedule(text: str) -> bool:
    """Say whether a cron expression has a next time, and the same in every process: croniter also draws lots."""
    if len(text) > _LONGEST_SCHEDULE or not _CRON.fullmatch(text) or _DRAWN.search(text):
        return False
    try:
        croniter(text, datetime(2024, 1, 1, tzinfo=UTC)).get_next()
    except (CroniterError, ValueError):
        return False
    return True


def _check_rest(warehouse: Warehouse, found: Findings) -> None:
    if warehouse.interval < _SHORTEST_INTERVAL:
        found.error(("spec", "interval"), "expected at least 1s", "a registry is asked that often")
    expression = warehouse.freight_creation_criteria.expression
    if not expression:
        return
    try:
        compile_expression(expression, declared("criteria"), DEFAULT_LIMITS)
    except ExpressionError as error:
        place = ("spec", "freightCreationCriteria", "expression")
        found.error(place, error.message, offset=error.offset)
