"""Warehouse manifests: shape, and the rules of subscriptions (`kargo.md` §1.4)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from croniter import CroniterError, croniter

from airfreight.artifacts.semver import Constraint
from airfreight.errors import VersionError
from airfreight.manifests.findings import Findings
from airfreight.manifests.nodes import Path
from airfreight.manifests.pipelines import PIPELINE
from airfreight.manifests.resources import Resource
from airfreight.manifests.shapes import read_model
from airfreight.model.patterns import pattern_fault
from airfreight.model.urls import normalize_image
from airfreight.model.warehouse import ImageSubscription, Warehouse

SCHEDULE = "airfreight/schedule"
NO_SCHEDULE = "none"
_LONGEST_SCHEDULE = 200
_SHORTEST_INTERVAL = timedelta(seconds=1)
_LONGEST_CONSTRAINT = 500
_CRON = re.compile(r"@[a-z]+|[0-9A-Za-z*/,#?-]+( +[0-9A-Za-z*/,#?-]+){4}")
_DRAWN = re.compile(r"\b[hr]\b", re.IGNORECASE)
_WATCHED_STRATEGIES = ("SemVer", "Lexical")


def _where(path: Path) -> Path:
    return ("metadata", *path) if path[:1] in (("name",), ("annotations",)) else ("spec", *path)


def read_warehouse(resource: Resource) -> Warehouse:
    """Return the Warehouse; where errors were found it watches nothing and only keeps its place in the pipeline."""
    found = resource.found
    spec = resource.section("spec")
    annotations = _annotations(resource)
    known = _image_subscriptions(spec, found)
    data = {**spec, "name": resource.name, "annotations": annotations}
    warehouse = read_model(Warehouse, data, _where, found) if known else None
    if warehouse is not None:
        _check_images(warehouse, found)
    if warehouse is None or found.errors:
        return Warehouse.model_construct(
            name=resource.name, annotations=annotations, subscriptions=()
        )
    return warehouse


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


def _image_subscriptions(spec: dict[str, Any], found: Findings) -> bool:
    """Say whether all subscriptions are of the one type that this version watches."""
    subscriptions = spec.get("subscriptions")
    before = len(found.errors)
    for index, entry in enumerate(subscriptions if isinstance(subscriptions, list) else ()):
        path = ("spec", "subscriptions", index)
        types = sorted(set(entry) - {"name"}) if isinstance(entry, dict) else ["image"]
        if len(types) != 1:
            listed = ", ".join(types) or "none"
            found.error(path, f"expected exactly one type of subscription, found {listed}")
        elif types != ["image"]:
            message = f"{types[0]} subscriptions are not in this version; it watches image"
            found.error((*path, types[0]), message)
    return len(found.errors) == before


def _check_images(warehouse: Warehouse, found: Findings) -> None:
    if warehouse.freight_creation_criteria.expression:
        message = "freightCreationCriteria is not in this version; all Freight would be created"
        found.error(("spec", "freightCreationCriteria"), message, "remove it")
    if warehouse.interval < _SHORTEST_INTERVAL:
        found.error(("spec", "interval"), "expected at least 1s", "a registry is asked that often")
    seen: dict[str, int] = {}
    for index, subscription in enumerate(warehouse.subscriptions):
        path = ("spec", "subscriptions", index, "image")
        _check_image(subscription.image, path, found)
        repository = normalize_image(subscription.image.repo_url)
        first = seen.setdefault(repository, index)
        if first != index:
            message = f"the same repository as in spec.subscriptions[{first}]"
            found.error((*path, "repoURL"), message, "a Warehouse watches a repository once")


def _check_image(image: ImageSubscription, path: Path, found: Findings) -> None:
    strategy = image.image_selection_strategy
    if strategy not in _WATCHED_STRATEGIES:
        message = f"strategy {strategy} is not in this version; it knows SemVer and Lexical"
        found.error((*path, "imageSelectionStrategy"), message)
    if strategy == "SemVer" and image.constraint:
        _check_constraint(image.constraint, (*path, "constraint"), found)
    for name, patterns in (
        ("allowTagsRegexes", image.allow_tags_regexes),
        ("ignoreTagsRegexes", image.ignore_tags_regexes),
    ):
        for index, pattern in enumerate(patterns):
            fault = pattern_fault(pattern)
            if fault:
                found.error((*path, name, index), f"bad regular expression: {fault}")
    if image.platform and image.platform.count("/") not in (1, 2):
        found.error((*path, "platform"), "expected os/arch or os/arch/variant")


def _check_constraint(text: str, path: Path, found: Findings) -> None:
    if len(text) > _LONGEST_CONSTRAINT:
        found.error(path, f"expected at most {_LONGEST_CONSTRAINT} characters")
        return
    try:
        Constraint.parse(text)
    except VersionError as error:
        found.error(path, error.message, offset=error.offset)
