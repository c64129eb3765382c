"""An Application of Argo CD (``argoproj.io/v1alpha1``) as both doors give it: plain JSON, read with care."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

PROMOTION_INFO = "kargo.akuity.io/promotion"
"""The entry of an operation's `info` that names the Promotion which began it."""

REFRESH = "argocd.argoproj.io/refresh"
"""The annotation that asks Argo CD to compare again; ``hard`` also passes over its cache of manifests."""


@dataclass(frozen=True)
class Operation:
    """An operation that runs or has ended.

    `phase` is Running, Terminating, Succeeded, Failed or Error. `promotion` is None where no Promotion began it.
    `revisions` are what the sources were synced to, or None without a sync result.
    """

    phase: str
    promotion: str | None
    initiator: str
    message: str
    finished_at: datetime | None
    revisions: tuple[str, ...] | None

    @property
    def is_completed(self) -> bool:
        """Whether nothing more happens."""
        return self.phase in ("Succeeded", "Failed", "Error")


@dataclass(frozen=True)
class Application:
    """What the server said; a part that is missing reads as empty."""

    document: Mapping[str, Any]

    def __str__(self) -> str:
        return named(self.name, self.namespace)

    @property
    def name(self) -> str:
        return str(_mapping(self.document, "metadata").get("name", ""))

    @property
    def namespace(self) -> str:
        return str(_mapping(self.document, "metadata").get("namespace", ""))

    @property
    def version(self) -> str:
        """What changes with each change of it."""
        return str(_mapping(self.document, "metadata").get("resourceVersion", ""))

    @property
    def annotations(self) -> Mapping[str, Any]:
        return _mapping(self.document, "metadata", "annotations")

    @property
    def has_many_sources(self) -> bool:
        """Whether ``spec.sources`` counts, as it does wherever it has an entry, and not ``spec.source``."""
        return bool(_mapping(self.document, "spec").get("sources"))

    @property
    def sources(self) -> tuple[Mapping[str, Any], ...]:
        spec = _mapping(self.document, "spec")
        if self.has_many_sources:
            return tuple(spec["sources"])
        return (spec["source"],) if spec.get("source") else ()

    @property
    def sync_policy(self) -> Mapping[str, Any]:
        return _mapping(self.document, "spec", "syncPolicy")

    @property
    def requested(self) -> Operation | None:
        """The operation that was asked for and has not ended; Argo CD may not have begun it yet."""
        operation = self.document.get("operation")
        return _operation(operation, {"phase": "Running"}) if operation else None

    @property
    def operation(self) -> Operation | None:
        """The operation that runs, or the last one."""
        state = _mapping(self.document, "status", "operationState")
        return _operation(_mapping(state, "operation"), state) if state else None

    @property
    def conditions(self) -> tuple[tuple[str, str], ...]:
        """Type and message of each condition."""
        conditions = _mapping(self.document, "status").get("conditions") or ()
        return tuple((str(c.get("type", "")), str(c.get("message", ""))) for c in conditions)

    @property
    def health(self) -> str:
        return str(_mapping(self.document, "status", "health").get("status") or "")

    @property
    def sync_status(self) -> str:
        return str(_mapping(self.document, "status", "sync").get("status") or "")

    @property
    def reconciled_at(self) -> datetime | None:
        """When Argo CD last looked at its health."""
        return _moment(_mapping(self.document, "status").get("reconciledAt"))


def named(name: str, namespace: str) -> str:
    """Return how messages call an Application."""
    return f'Argo CD Application "{name}" in namespace "{namespace}"'


def _operation(operation: Mapping[str, Any], state: Mapping[str, Any]) -> Operation:
    info = [entry for entry in operation.get("info") or () if entry]
    promotions = [str(e.get("value", "")) for e in info if e.get("name") == PROMOTION_INFO]
    return Operation(
        phase=str(state.get("phase") or "unknown"),
        promotion=promotions[0] if promotions else None,
        initiator=str(_mapping(operation, "initiatedBy").get("username") or ""),
        message=str(state.get("message") or ""),
        finished_at=_moment(state.get("finishedAt")),
        revisions=_revisions(state.get("syncResult")),
    )


def _revisions(result: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    if result is None:
        return None
    return tuple(result.get("revisions") or (str(result.get("revision") or ""),))


def _mapping(document: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        document = document.get(key) or {}
    return document


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
