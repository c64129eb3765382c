"""Applications by Kubernetes' API: for deployments that may write to Argo CD's namespace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from airfreight.artifacts.argocd.api import Api
from airfreight.artifacts.argocd.application import REFRESH, Application
from airfreight.artifacts.argocd.applications import Sync, new_spec
from airfreight.errors import NotFoundError

_MERGE = "application/merge-patch+json"


@dataclass(frozen=True)
class KubernetesApplications:
    """Sets an Application's ``operation`` as Argo CD's own server does; its controller carries it out.

    Sources, refresh and operation change in one patch, which names the version that was read: what another has
    changed since is not overwritten, and the patch fails with TransientError.
    """

    api: Api
    default_namespace: str

    def get(self, namespace: str, name: str) -> Application | None:
        try:
            return Application(self.api.ask("GET", _path(namespace, name)))
        except NotFoundError:
            return None

    def select(self, namespace: str, selector: str) -> tuple[Application, ...]:
        answer = self.api.ask("GET", _path(namespace), params={"labelSelector": selector})
        found = (Application(item) for item in answer.get("items") or ())
        return tuple(sorted(found, key=lambda application: application.name))

    def sync(self, application: Application, sync: Sync) -> str:
        patch: dict[str, Any] = {
            "metadata": {
                "resourceVersion": application.version,
                "annotations": {REFRESH: "hard"},
            },
            "operation": _operation(application, sync),
        }
        spec = new_spec(application, sync)
        if spec is not None:
            patch["spec"] = spec
        if application.document.get("status"):
            # Argo CD's server does so too: else the last operation passes for this one until the controller begins.
            patch["status"] = {"operationState": None}
        self._patch(application, patch)
        return ""

    def refresh(self, application: Application) -> None:
        self._patch(application, {"metadata": {"annotations": {REFRESH: "hard"}}})

    def _patch(self, application: Application, patch: dict[str, Any]) -> None:
        path = _path(application.namespace, application.name)
        self.api.ask("PATCH", path, body=patch, content_type=_MERGE)


def _path(namespace: str, name: str | None = None) -> str:
    path = f"/apis/argoproj.io/v1alpha1/namespaces/{quote(namespace, safe='')}/applications"
    return path if name is None else f"{path}/{quote(name, safe='')}"


def _operation(application: Application, sync: Sync) -> dict[str, Any]:
    """Return the operation; a person's one is not `automated`, which sync windows tell apart."""
    policy = application.sync_policy
    wanted: dict[str, Any] = {"revisions": []}
    if policy.get("syncOptions"):
        wanted["syncOptions"] = policy["syncOptions"]
    operation = {
        "initiatedBy": {"username": sync.actor or "airfreight", "automated": not sync.actor},
        "info": sync.info,
        "sync": wanted,
    }
    return {**operation, "retry": policy["retry"]} if policy.get("retry") else operation
