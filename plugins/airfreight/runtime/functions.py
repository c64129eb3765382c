"""Kargo's own functions in a promotion's expressions (`kargo.md` §3.3); `quote` and its siblings are `expr`'s."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from airfreight.errors import ExpressionError
from airfreight.expr.functions import Function
from airfreight.expr.values import Struct
from airfreight.model.base import Model
from airfreight.model.freight import ChartArtifact, Freight, FreightContent, GenericArtifact
from airfreight.model.promotion import StepExecution, StepStatus
from airfreight.model.urls import normalize_git
from airfreight.runtime.version_functions import semver_diff, semver_parse
from airfreight.steps.functions import declared

Context = Literal["step", "vars"]
"""Where an expression stands: a step's `if` and `config`, or any `vars`."""

Data = Mapping[str, str]


def _no_connections(name: str) -> Data:
    raise ExpressionError(
        f"secret {name!r}: no Airflow Connection can be read here; let a step use the login by its Secret's repoURL"
    )


@dataclass(frozen=True)
class Sources:
    """Where functions read what is not the Promotion's own, by name.

    A Secret names an Airflow Connection: `secret` and `shared_secret` return its login as ``username`` and
    ``password``, nothing where there is no such Secret, and raise ExpressionError where it cannot be read. `redact`
    takes out of a message what they returned.
    """

    config_maps: Mapping[str, Data] = field(default_factory=dict)
    shared_config_maps: Mapping[str, Data] = field(default_factory=dict)
    secret: Callable[[str], Data] = _no_connections
    shared_secret: Callable[[str], Data] = _no_connections
    redact: Callable[[str], str] = lambda message: message
    stage_metadata: Callable[[str], Mapping[str, Any] | None] = lambda _: None
    freight_metadata: Callable[[str], Mapping[str, Any] | None] = lambda _: None
    freight: Callable[[str], Freight | None] = lambda _: None


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
    """What the functions look at: the Promotion's Freight by origin, its steps so far, what lies outside it.

    `task_alias` is that of the step whose expression it is; empty outside a task.
    """

    freight: Mapping[str, Freight] = field(default_factory=dict)
    executions: tuple[StepExecution, ...] = ()
    task_alias: str = ""
    sources: Sources = Sources()


def functions(scope: Scope, context: Context) -> dict[str, Function]:
    """Return the functions for expressions of `context`; a misplaced one says where it belongs."""
    calls = _lookups(scope) | _readers(scope) | _statuses(scope)
    return {
        name: replace(function, call=calls[name]) for name, function in declared(context).items()
    }


def has_failed(executions: Iterable[StepExecution]) -> bool:
    """Say whether a step that may not fail did."""
    return any(
        execution.status in (StepStatus.FAILED, StepStatus.ERRORED)
        and not execution.continue_on_error
        for execution in executions
    )


def _lookups(scope: Scope) -> dict[str, Callable[..., Any]]:
    artifacts = _Artifacts(scope.freight)
    return {
        "imageFrom": artifacts.image,
        "commitFrom": artifacts.commit,
        "chartFrom": artifacts.chart,
        "artifactFrom": artifacts.artifact,
        "warehouse": _warehouse,
        "semverDiff": semver_diff,
        "semverParse": semver_parse,
    }


def _readers(scope: Scope) -> dict[str, Callable[..., Any]]:
    sources = scope.sources

    def freight_of(name: str) -> Freight | None:
        own = (freight for freight in scope.freight.values() if freight.name == name)
        return next(own, None) or sources.freight(name)

    def freight_metadata(name: Any) -> dict[str, Any] | None:
        if not _text("freightMetadata", "name", name):
            raise ExpressionError("freightMetadata: the name of the Freight is empty")
        found = sources.freight_metadata(name)
        return dict(found) if found is not None else None

    def freight_status(name: Any) -> dict[str, Any] | None:
        freight = freight_of(_text("freightStatus", "name", name))
        if freight is None:
            return None
        return {"metadata": dict(sources.freight_metadata(freight.name) or {})}

    def stage_metadata(name: Any) -> dict[str, Any] | None:
        found = sources.stage_metadata(_text("stageMetadata", "name", name))
        return dict(found) if found is not None else None

    def data(function: str, read: Callable[[str], Data]) -> Callable[[Any], dict[str, Any]]:
        return lambda name: dict(read(_text(function, "name", name)))

    return {
        "freightMetadata": freight_metadata,
        "freightStatus": freight_status,
        "stageMetadata": stage_metadata,
        "configMap": data("configMap", lambda name: sources.config_maps.get(name, {})),
        "sharedConfigMap": data(
            "sharedConfigMap", lambda name: sources.shared_config_maps.get(name, {})
        ),
        "secret": data("secret", sources.secret),
        "sharedSecret": data("sharedSecret", sources.shared_secret),
    }


def _statuses(scope: Scope) -> dict[str, Callable[..., Any]]:
    def status(alias: Any) -> str:
        name = _text("status", "alias", alias)
        full = f"{scope.task_alias}::{name}" if scope.task_alias else name
        return next((e.status.value for e in scope.executions if e.alias == full), "")

    return {
        "always": lambda: True,
        "success": lambda: not has_failed(scope.executions),
        "failure": lambda: has_failed(scope.executions),
        "status": status,
    }


def _warehouse(name: Any) -> Struct:
    fields = {"Kind": "Warehouse", "Name": _text("warehouse", "name", name)}
    return Struct(_ORIGIN, fields, {"Kind": "kind", "Name": "name"})


@dataclass(frozen=True)
class _Artifacts:
    """Finds artifacts in the Promotion's Freight, by origin; what has no underscore is a function of expressions."""

    freight: Mapping[str, Freight]

    def image(self, repo: Any, origin: Any = None) -> Struct | None:
        wanted = _text("imageFrom", "repoURL", repo)

        def is_wanted(image: Any) -> bool:
            return bool(image.repo_url == wanted)

        return self._find("imageFrom", "Image", origin, lambda c: c.images, is_wanted)

    def commit(self, repo: Any, origin: Any = None) -> Struct | None:
        wanted = normalize_git(_text("commitFrom", "repoURL", repo))

        def is_wanted(commit: Any) -> bool:
            return normalize_git(commit.repo_url) == wanted

        return self._find("commitFrom", "GitCommit", origin, lambda c: c.commits, is_wanted)

    def chart(self, repo: Any, *rest: Any) -> Struct | None:
        # The last argument is the origin wherever it is one: the chart's name may be left out.
        origin = rest[-1] if rest and isinstance(rest[-1], Struct) else None
        names = rest[:-1] if origin is not None else rest
        if len(names) > 1:
            raise ExpressionError("chartFrom: the third argument must be an origin: warehouse(…)")
        name = _text("chartFrom", "chart name", names[0]) if names else ""
        wanted = (_text("chartFrom", "repoURL", repo), name)

        def is_wanted(chart: Any) -> bool:
            return (chart.repo_url, chart.name) == wanted

        return self._find("chartFrom", "Chart", origin, lambda c: c.charts, is_wanted)

    def artifact(self, subscription: Any, origin: Any = None) -> Struct | None:
        wanted = _text("artifactFrom", "subscription name", subscription)

        def is_wanted(artifact: Any) -> bool:
            return bool(artifact.subscription_name == wanted)

        name = "ArtifactReference"
        return self._find("artifactFrom", name, origin, lambda c: c.artifacts, is_wanted)

    def _find(
        self,
        function: str,
        type_name: str,
        origin: Any,
        artifacts: Callable[[FreightContent], Iterable[Model]],
        is_wanted: Callable[[Any], bool],
    ) -> Struct | None:
        """Return the artifact, or nil; two origins that have it need a word from the author."""
        found: dict[str, Model] = {}
        for freight in self._of(origin, function):
            match = next((a for a in artifacts(freight.content) if is_wanted(a)), None)
            if match is not None:
                found[freight.content.origin.name] = match
        if len(found) > 1:
            raise ExpressionError(
                f"{function}: several Warehouses have it ({', '.join(sorted(found))});"
                f" name one as last argument: warehouse({min(found)!r})"
            )
        return next((_struct(type_name, artifact) for artifact in found.values()), None)

    def _of(self, origin: Any, function: str) -> Iterator[Freight]:
        if origin is None:
            yield from self.freight.values()
            return
        if not isinstance(origin, Struct) or origin.type_name != _ORIGIN:
            raise ExpressionError(f"{function}: the last argument must be an origin: warehouse(…)")
        freight = self.freight.get(f"{origin.fields['Kind']}/{origin.fields['Name']}")
        if freight is not None:
            yield freight


def freight_struct(artifact: ChartArtifact | GenericArtifact) -> Struct:
    """Return a chart or another type's artifact as expressions see it."""
    is_chart = isinstance(artifact, ChartArtifact)
    return _struct("Chart" if is_chart else "ArtifactReference", artifact)


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
