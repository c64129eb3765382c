"""Argo CD's Applications of live tests, and what its controller does with them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from tests.live.world import World, eventually
from tests.repeating import repeating


def add_application(
    world: World, name: str, url: str, authorized: str, revision: str, **labels: str
) -> None:
    """Add an Application of the repository at `url` that Stage `authorized` (``project:stage``) may change."""
    annotations = {"kargo.akuity.io/authorized-stage": authorized}
    source = {"repoURL": url, "path": ".", "targetRevision": revision}
    metadata = {"annotations": annotations, "labels": labels}
    world.argocd.add(name, metadata=metadata, spec={"source": source})


def carry_out(
    world: World, application: str, repository: str, branch: str, health: str = "Healthy"
) -> None:
    """Do what Argo CD's controller does: take the sync that was asked for and end it at the branch's tip."""
    eventually(lambda: world.argocd.apps["argocd", application].get("operation"))
    world.argocd.begin(application)
    (tip, _), *_ = world.git.log(repository, branch)
    world.argocd.change({"status": {"health": {"status": health}}}, application)
    world.argocd.finish(name=application, syncResult={"revision": tip})


def controller(
    world: World, repository: str, branches: dict[str, str]
) -> AbstractContextManager[None]:
    """Carry out every sync of these Applications (name → branch) that is asked for meanwhile."""

    def look() -> None:
        for application, branch in branches.items():
            if world.argocd.apps["argocd", application].get("operation"):
                carry_out(world, application, repository, branch)

    return repeating(look, 0.3)


def syncs(world: World, name: str, stage: str) -> list[dict[str, Any]]:
    """Return the syncs that were begun for what the Stage holds."""
    register = world.register(f"airfreight://{name}/stages/{stage}/register")
    info = {"name": "kargo.akuity.io/promotion", "value": register["current"]["promotion"]}
    return [operation for operation in world.argocd.begun if info in operation["info"]]
