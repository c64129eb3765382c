"""The door to Applications, whichever API is behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from airfreight.artifacts.argocd.application import PROMOTION_INFO, Application


@dataclass(frozen=True)
class Sync:
    """What a Promotion asks of an Application.

    `actor` is the person who decided; empty: an automatic promotion. `sources` are all of the Application's, as they
    are to be.
    """

    promotion: str
    actor: str
    sources: tuple[Mapping[str, Any], ...]

    @property
    def info(self) -> list[dict[str, str]]:
        """By which the operation is known again."""
        reason = "A promotion asked for this sync."
        return [
            {"name": "Reason", "value": reason},
            {"name": PROMOTION_INFO, "value": self.promotion},
        ]


class Applications(Protocol):
    """Reads and syncs Applications; every method may raise ArtifactError, whose message holds no login."""

    @property
    def default_namespace(self) -> str:
        """Where Applications are that name no namespace."""
        ...

    def get(self, namespace: str, name: str) -> Application | None:
        """Return the Application, or None where there is none that the login may see."""
        ...

    def select(self, namespace: str, selector: str) -> tuple[Application, ...]:
        """Return those that Kubernetes' label selector fits, by name."""
        ...

    def sync(self, application: Application, sync: Sync) -> str:
        """Change the sources where they differ, and begin a sync; return "" or why it may not begin yet."""
        ...

    def refresh(self, application: Application) -> None:
        """Ask for a hard refresh."""
        ...


def new_spec(application: Application, sync: Sync) -> dict[str, Any] | None:
    """Return what of ``spec`` changes, or None where nothing does."""
    if sync.sources == application.sources:
        return None
    if application.has_many_sources:
        return {"sources": list(sync.sources)}
    return {"source": sync.sources[0]}
