"""What the author of a subscription kind needs: the base class and what it finds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from pydantic import ConfigDict

from airfreight.model.base import Model
from airfreight.sources.base import Access, Rejected


class SubscriptionConfig(Model):
    """Base of all configs: camelCase in manifests; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class ArtifactVersion:
    """A version that a subscription takes; `version` alone tells it from the others.

    `name`, `digest` and `link` are for people and steps. Where `created_at` is None, `undated` says why nobody can know
    what there was at an earlier moment.
    """

    version: str
    name: str
    link: str = ""
    digest: str = ""
    created_at: datetime | None = None
    undated: str = "nothing says when it was made"


ConfigT = TypeVar("ConfigT", bound=SubscriptionConfig)


class SubscriptionKind(ABC, Generic[ConfigT]):
    """One kind of subscription.

    `kind` is its name in manifests. `config_type` types `config`. `credential_kind` says which credentials of the
    project open the URL.
    """

    kind: ClassVar[str]
    config_type: type[ConfigT]
    credential_kind: ClassVar[str] = "generic"

    @abstractmethod
    def url(self, config: ConfigT) -> str:
        """Return what it looks at: what errors and tables call it."""

    def credential_url(self, config: ConfigT) -> str:
        """Return the URL by which credentials are found: that of a server that has many things, say."""
        return self.url(config)

    @abstractmethod
    def versions(
        self, config: ConfigT, access: Access
    ) -> AsyncGenerator[ArtifactVersion | Rejected]:
        """Yield what there is now, best first, and what is not taken; it is not asked for more than is wanted.

        Raises ArtifactError. All I/O is awaited: blocking work belongs in a thread.
        """
