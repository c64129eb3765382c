"""What a Warehouse can do with a subscription, whatever its type: poll it cheaply, and discover."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from airfreight.expr.limits import DEFAULT_LIMITS, Limits
from airfreight.model.credential import Credential
from airfreight.model.freight import ChartArtifact, GenericArtifact, GitCommit, ImageArtifact

Artifact = GitCommit | ImageArtifact | ChartArtifact | GenericArtifact


class DeploymentSettings(Protocol):
    """The settings of a deployment, which also has values by the names that `SourceSettings` has."""

    def expression_limits(self) -> Limits:
        """Return what one expression may cost."""


@dataclass(frozen=True)
class SourceSettings:
    """Settings that sources obey, by the names of the deployment's own; all doors are closed by default."""

    allow_credentials_over_http: bool = False
    allow_loopback: bool = False
    allow_file_objects: bool = False
    image_registry_rate_limit: int = 20
    image_registry_concurrency: int = 16
    repository_backoff: float = 900.0
    repository_cache_size: int = 64 * 2**20
    newest_build_recheck: float = 3600.0
    cache_by_tag_policy: str = "Allow"
    git_poll_timeout: float = 60.0
    git_fetch_timeout: float = 1800.0
    git_mirror_expiry: int = 30 * 24 * 3600
    max_git_mirrors_size: int = 20 * 2**30
    max_git_memory: int = 2**31
    expression_limits: Limits = DEFAULT_LIMITS

    @classmethod
    def of(cls, settings: DeploymentSettings) -> SourceSettings:
        """Return those of a deployment's settings that concern sources."""
        names = {field.name for field in fields(cls)} - {"expression_limits"}
        values = {name: getattr(settings, name) for name in names}
        return cls(**values, expression_limits=settings.expression_limits())


@dataclass(frozen=True)
class Access:
    """What one look at a repository may use.

    `credential` is None for an anonymous visit. `cache` is a folder of this machine that outlives restarts; whoever
    keeps something there bounds its size and shares it with other processes.
    """

    credential: Credential | None
    settings: SourceSettings
    cache: Path


@dataclass(frozen=True)
class Discovered:
    """An artifact that meets a subscription; `created_at` is None where nothing tells when it came to be."""

    artifact: Artifact
    created_at: datetime | None = None


@dataclass(frozen=True)
class Rejected:
    """What a subscription does not take: a tag, a commit, a version; and the rule that drops it."""

    name: str
    rule: str


@dataclass(frozen=True)
class Fault:
    """What is wrong with a subscription in a manifest: at which of its fields, and where in a text that is parsed."""

    field: tuple[str | int, ...]
    message: str
    hint: str = ""
    offset: int | None = None


@dataclass(frozen=True)
class Found:
    """One look at a subscription, best first; `rejected` may leave out what lies beyond the discovery limit.

    `mark` is what a watcher that saw the same would say; see `Source.mark`. It may be empty for an earlier moment:
    nobody reads it there.
    """

    artifacts: tuple[Discovered, ...]
    mark: str
    rejected: tuple[Rejected, ...] = ()


class Source(Protocol):
    """One subscription, ready to be looked at. All I/O is awaited: blocking work belongs in a thread."""

    @property
    def name(self) -> str:
        """The subscription's name; may be empty."""

    @property
    def discovery_limit(self) -> int:
        """The most artifacts that one look returns, where nobody asks for fewer."""

    @property
    def url(self) -> str:
        """What errors, tables and the register call it; unique within a Warehouse."""

    @property
    def credential_url(self) -> str:
        """The URL by which its credentials are found."""

    @property
    def credential_kind(self) -> str:
        """The credentials that open it: image, git, helm or generic; empty where it takes none."""

    def stream_key(self) -> Hashable:
        """Return what makes two subscriptions share a poll: what `poll` depends on, but for the credential."""

    async def poll(self, access: Access) -> Any:
        """Return what the repository shows now, as plain JSON, as cheaply as it can be had.

        Raises ArtifactError. Shared: what is a subscription's own rule belongs in `mark`.
        """

    async def mark(self, seen: Any, access: Access) -> str:
        """Return a short text that changes when this subscription would take something else; empty: nothing at all."""

    async def discover(self, access: Access, *, limit: int, as_of: datetime | None) -> Found:
        """Look thoroughly and return at most `limit` artifacts, best first.

        `as_of`: only what existed at that moment counts; ArtifactError where nobody can know what did. Raises
        ArtifactError, which says what to do.
        """
