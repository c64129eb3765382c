"""`freightCreationCriteria`: whether what a Warehouse has just found becomes Freight (`kargo.md` §3.5, §4.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from airfreight.errors import ExpressionError
from airfreight.expr.functions import Function
from airfreight.expr.limits import Limits
from airfreight.expr.program import compile_expression
from airfreight.expr.values import Moment, Struct, parse_bool
from airfreight.model.freight import ChartArtifact, GenericArtifact, GitCommit, ImageArtifact
from airfreight.model.urls import normalize_git
from airfreight.model.warehouse import Warehouse
from airfreight.runtime.discovery import Discovery
from airfreight.runtime.functions import freight_struct
from airfreight.sources.base import Discovered
from airfreight.steps.functions import declared


def why_no_freight(warehouse: Warehouse, found: Discovery, limits: Limits) -> str:
    """Return why no Freight comes of what was found, empty where one does (`kargo.md` §4.1).

    Raises ExpressionError where the criteria cannot say.
    """
    expression = warehouse.freight_creation_criteria.expression
    if found.lacking or not expression:
        return found.lacking
    try:
        holds = meets_criteria(expression, found.newest, limits)
    except ExpressionError as error:
        raise ExpressionError(f"freightCreationCriteria: {error}") from error
    return "" if holds else f"freightCreationCriteria is false: {expression}"


def meets_criteria(expression: str, newest: Iterable[Discovered], limits: Limits) -> bool:
    """Say whether `expression` holds for the newest artifact of every subscription.

    Raises ExpressionError where it fails or yields neither a bool nor a text that Go reads as one.
    """
    functions = _functions(tuple(newest))
    value = compile_expression(expression, functions, limits).run({}, limits)
    holds = parse_bool(value) if isinstance(value, str) else value
    if not isinstance(holds, bool):
        raise ExpressionError(f"expected true or false, got {type(value).__name__}", expression)
    return holds


def _functions(newest: tuple[Discovered, ...]) -> dict[str, Function]:
    def first(kind: type, fits: Callable[[Any], bool]) -> Struct | None:
        found = (d for d in newest if isinstance(d.artifact, kind) and fits(d.artifact))
        return next((_struct(one) for one in found), None)

    def image_from(repo: str, _: Any = None) -> Struct | None:
        return first(ImageArtifact, lambda image: image.repo_url == repo)

    def commit_from(repo: str, _: Any = None) -> Struct | None:
        wanted = normalize_git(repo)
        return first(GitCommit, lambda commit: normalize_git(commit.repo_url) == wanted)

    def chart_from(repo: str, *rest: Any) -> Struct | None:
        name = rest[0] if rest and isinstance(rest[0], str) else ""
        return first(ChartArtifact, lambda chart: (chart.repo_url, chart.name) == (repo, name))

    def artifact_from(name: str, _: Any = None) -> Struct | None:
        return first(GenericArtifact, lambda artifact: artifact.subscription_name == name)

    calls: dict[str, Callable[..., Any]] = {
        "imageFrom": image_from,
        "commitFrom": commit_from,
        "chartFrom": chart_from,
        "artifactFrom": artifact_from,
    }
    return {
        name: replace(function, call=calls.get(name, function.call))
        for name, function in declared("criteria").items()
    }


def _struct(found: Discovered) -> Struct:
    """Return the artifact as criteria see it: an image and a commit have not the fields that they have in Freight."""
    at = Moment.of(found.created_at) if found.created_at is not None else None
    match found.artifact:
        case ImageArtifact() as image:
            fields = {"Tag": image.tag, "Digest": image.digest, "CreatedAt": at}
            shown = {**fields, "Annotations": dict(image.annotations)}
            return Struct("DiscoveredImageReference", shown)
        case GitCommit() as commit:
            people = {"Author": commit.author, "Committer": commit.committer, "CreatorDate": at}
            refs = {"ID": commit.id, "Branch": commit.branch, "Tag": commit.tag}
            return Struct("DiscoveredCommit", {**refs, **people, "Subject": commit.message})
        case artifact:
            return freight_struct(artifact)
