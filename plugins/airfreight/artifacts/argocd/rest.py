"""Applications by Argo CD's own REST API: for those who have a token of it and no access to the cluster."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from airfreight.artifacts.argocd.api import Api
from airfreight.artifacts.argocd.application import Application
from airfreight.artifacts.argocd.applications import Sync, new_spec
from airfreight.errors import NotFoundError, TransientError

_BLOCKED = "a sync window denies it now"


@dataclass(frozen=True)
class RestApplications:
    """Asks Argo CD's server, which allows what the token's account may.

    The server takes every sync for a person's. So the sync windows of an automatic promotion are asked first, and a
    window that would let only people through holds it.
    """

    api: Api
    default_namespace: str

    def get(self, namespace: str, name: str) -> Application | None:
        try:
            return Application(self.api.ask("GET", _path(name), params=_in(namespace)))
        except NotFoundError:
            return None

    def select(self, namespace: str, selector: str) -> tuple[Application, ...]:
        params = {**_in(namespace), "selector": selector}
        answer = self.api.ask("GET", _path(), params=params)
        found = (Application(item) for item in answer.get("items") or ())
        return tuple(sorted(found, key=lambda application: application.name))

    def sync(self, application: Application, sync: Sync) -> str:
        path, within = _path(application.name), _in(application.namespace)
        if not may_sync(self.api.ask("GET", f"{path}/syncwindows", params=within), sync.actor):
            return _BLOCKED
        patch = _patch(application, sync)
        if patch is not None:
            self.api.ask("PATCH", path, body={**_about(application), **patch})
        self.refresh(application)
        policy = application.sync_policy
        wanted: dict[str, Any] = {**_about(application), "infos": sync.info}
        if policy.get("syncOptions"):
            wanted["syncOptions"] = {"items": policy["syncOptions"]}
        if policy.get("retry"):
            wanted["retryStrategy"] = policy["retry"]
        self.api.ask("POST", f"{path}/sync", body=wanted)
        return ""

    def refresh(self, application: Application) -> None:
        params = {**_in(application.namespace), "refresh": "hard"}
        # The server answers when it has refreshed; a refresh that takes longer than we wait goes on all the same.
        with suppress(TransientError):
            self.api.ask("GET", _path(application.name), params=params)


def may_sync(windows: Mapping[str, Any], actor: str) -> bool:
    """Say whether sync windows let a sync begin, by Argo CD's own rule; an empty `actor` is an automatic promotion."""
    if actor:
        return bool(windows.get("canSync"))
    active = _kinds(windows.get("activeWindows"))
    if "deny" in active:
        return False
    return "allow" in active or "allow" not in _kinds(windows.get("assignedWindows"))


def _patch(application: Application, sync: Sync) -> dict[str, str] | None:
    """Return the change of the sources; it fails where they are no longer those that were read."""
    spec = new_spec(application, sync)
    if spec is None:
        return None
    ((field, value),) = spec.items()
    path, old = f"/spec/{field}", application.document["spec"][field]
    changes = [
        {"op": "test", "path": path, "value": old},
        {"op": "replace", "path": path, "value": value},
    ]
    return {"patchType": "json", "patch": json.dumps(changes)}


def _kinds(windows: Iterable[Mapping[str, Any]] | None) -> set[str]:
    return {str(window.get("kind")) for window in windows or ()}


def _path(name: str | None = None) -> str:
    path = "/api/v1/applications"
    return path if name is None else f"{path}/{quote(name, safe='')}"


def _in(namespace: str) -> dict[str, str]:
    return {"appNamespace": namespace}


def _about(application: Application) -> dict[str, Any]:
    return {"name": application.name, **_in(application.namespace)}
