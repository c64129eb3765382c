"""Kargo's own functions in a promotion's expressions (`kargo.md` §3.3); `quote` and its siblings are `expr`'s."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from airfreight.errors import ExpressionError
from airfreight.expr.functions import Function
from airfreight.expr.values import Struct
from airfreight.model.base import Model
from airfreight.model.freight import Freight, FreightContent
from airfreight.model.promotion import StepExecution, StepStatus
from airfreight.model.urls import normalize_git

Context = Literal["step", "vars"]
"""Where an expression stands: a step's `if` and `config`, or any `vars`."""

_GO_NAMES = {
    "repo_url": "RepoURL",
    "id": "ID",
    "branch": "Branch",
    "tag": "Tag",
    "digest": "Digest",
    "annotations": "Annotations",
    "name": "Name",
    "version": "Version",
    "message": "Message",
    "author": "Author",
    "committer": "Committer",
    "artifact_type": "ArtifactType",
    "subscription_name": "SubscriptionName",
    "metadata": "Metadata",
}
_ORIGIN = "FreightOrigin"


@dataclass(frozen=True)
class Scope:
    """What the functions look at: the Promotion's Freight by origin, its steps so far, the project's ConfigMaps.

    `task_alias` is that of the step whose expression it is; empty outside a task.
    """

    freight: Mapping[str, Freight] = field(default_factory=dict)
    executions: tuple[StepExecution, ...] = ()
    task_alias: str = ""
    config_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def functions(scope: Scope, context: Context) -> dict[str, Function]:
    """Return the functions for expressions of `context`; in `vars` a status function says where it belongs."""
    status = _status_functions(scope)
    if context == "vars":
        status = [_misplaced(function) for function in status]
    return {function.name: function for function in (*_lookup_functions(scope), *status)}


def known_functions(context: Context) -> Mapping[str, Function]:
    """Return the functions that an expression of `context` may name, for checks before any Promotion is there."""
    status = _status_functions(Scope()) if context == "step" else []
    return {function.name: function for function in (*_lookup_functions(Scope()), *status)}


def has_failed(executions: Iterable[StepExecution]) -> bool:
    """Say whether a step that may not fail did."""
    return any(
        execution.status in (StepStatus.FAILED, StepStatus.ERRORED)
        and not execution.continue_on_error
        for execution in executions
    )


def _lookup_functions(scope: Scope) -> list[Function]:
    def image_from(repo: Any, origin: Any = None) -> Struct | None:
        wanted = _text("imageFrom", "repoURL", repo)
        return _find(
            scope, "imageFrom", "Image", origin, lambda c: c.images, lambda a: a.repo_url == wanted
        )

    def commit_from(repo: Any, origin: Any = None) -> Struct | None:
        wanted = normalize_git(_text("commitFrom", "repoURL", repo))

        def is_wanted(commit: Any) -> bool:
            return normalize_git(commit.repo_url) == wanted

        return _find(scope, "commitFrom", "GitCommit", origin, lambda c: c.commits, is_wanted)

    def chart_from(repo: Any, *rest: Any) -> Struct | None:
        # The last argument is the origin wherever it is one: the chart's name may be left out.
        origin = rest[-1] if rest and isinstance(rest[-1], Struct) else None
        names = rest[:-1] if origin is not None else rest
        if len(names) > 1:
            raise ExpressionError("chartFrom: the third argument must be an origin: warehouse(…)")
        name = _text("chartFrom", "chart name", names[0]) if names else ""
        wanted = (_text("chartFrom", "repoURL", repo), name)

        def is_wanted(chart: Any) -> bool:
            return (chart.repo_url, chart.name) == wanted

        return _find(scope, "chartFrom", "Chart", origin, lambda c: c.charts, is_wanted)

    def artifact_from(subscription: Any, origin: Any = None) -> Struct | None:
        wanted = _text("artifactFrom", "subscription name", subscription)

        def is_wanted(artifact: Any) -> bool:
            return bool(artifact.subscription_name == wanted)

        name = "ArtifactReference"
        return _find(scope, "artifactFrom", name, origin, lambda c: c.artifacts, is_wanted)

    def config_map(name: Any) -> dict[str, Any]:
        return dict(scope.config_maps.get(_text("configMap", "name", name), {}))

    return [
        Function("imageFrom", image_from, 1, 2),
        Function("commitFrom", commit_from, 1, 2),
        Function("chartFrom", chart_from, 1, 3),
        Function("artifactFrom", artifact_from, 1, 2),
        Function("warehouse", _warehouse, 1, 1),
        Function("configMap", config_map, 1, 1),
    ]


def _status_functions(scope: Scope) -> list[Function]:
    def status(alias: Any) -> str:
        name = _text("status", "alias", alias)
        full = f"{scope.task_alias}::{name}" if scope.task_alias else name
        return next((e.status.value for e in scope.executions if e.alias == full), "")

    return [
        Function("always", lambda: True, 0, 0),
        Function("success", lambda: not has_failed(scope.executions), 0, 0),
        Function("failure", lambda: has_failed(scope.executions), 0, 0),
        Function("status", status, 1, 1),
    ]


def _misplaced(function: Function) -> Function:
    def refuse(*_: Any) -> None:
        raise ExpressionError(
            f"{function.name}() is available in a step's if and config, not in vars"
        )

    return Function(function.name, refuse, function.min_args, function.max_args)


def _warehouse(name: Any) -> Struct:
    fields = {"Kind": "Warehouse", "Name": _text("warehouse", "name", name)}
    return Struct(_ORIGIN, fields, {"Kind": "kind", "Name": "name"})


def _find(
    scope: Scope,
    function: str,
    type_name: str,
    origin: Any,
    artifacts: Callable[[FreightContent], Iterable[Model]],
    is_wanted: Callable[[Any], bool],
) -> Struct | None:
    """Return the artifact in the Promotion's Freight, or nil; two origins that have it need a word from the author."""
    found: dict[str, Model] = {}
    for freight in _freight_of(scope, function, origin):
        match = next((a for a in artifacts(freight.content) if is_wanted(a)), None)
        if match is not None:
            found[freight.content.origin.name] = match
    if len(found) > 1:
        raise ExpressionError(
            f"{function}: several Warehouses have it ({', '.join(sorted(found))});"
            f" name one as last argument: warehouse({min(found)!r})"
        )
    return next((_struct(type_name, artifact) for artifact in found.values()), None)


def _freight_of(scope: Scope, function: str, origin: Any) -> Iterator[Freight]:
    if origin is None:
        yield from scope.freight.values()
        return
    if not isinstance(origin, Struct) or origin.type_name != _ORIGIN:
        raise ExpressionError(f"{function}: the last argument must be an origin: warehouse(…)")
    freight = scope.freight.get(f"{origin.fields['Kind']}/{origin.fields['Name']}")
    if freight is not None:
        yield freight


def _struct(type_name: str, artifact: Model) -> Struct:
    fields = type(artifact).model_fields
    values = {_GO_NAMES[name]: getattr(artifact, name) for name in fields}
    return Struct(
        type_name, values, {_GO_NAMES[name]: info.alias or name for name, info in fields.items()}
    )


def _text(function: str, argument: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ExpressionError(f"{function}: {argument} must be a string, not {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    return "nil (is the variable set?)" if value is None else type(value).__name__
