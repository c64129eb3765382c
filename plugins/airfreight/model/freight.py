"""Freight: artifacts that travel together, named by what they are (`kargo.md` §1.5)."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from airfreight.errors import RefusedError
from airfreight.model.base import Model, none_to_empty
from airfreight.model.urls import normalize_chart, normalize_git


class _Sparse(Model):
    """Leaves empty fields out of its JSON, as Kargo's own do."""

    @model_serializer(mode="wrap")
    def _omit_empty(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        empty: set[str | None] = set()
        for name, field in type(self).model_fields.items():
            if getattr(self, name) == field.get_default(call_default_factory=True):
                empty |= {name, field.alias}
        return {key: value for key, value in handler(self).items() if key not in empty}


class FreightOrigin(Model):
    """Where a Freight comes from."""

    kind: Literal["Warehouse"] = "Warehouse"
    name: str

    @property
    def key(self) -> str:
        """``Warehouse/<name>``, the origin's name in maps and in the register."""
        return f"{self.kind}/{self.name}"


class GitCommit(_Sparse):
    """A commit; `id` is its full SHA, `tag` the tag that led to it."""

    repo_url: str = Field(alias="repoURL")
    id: str = ""
    branch: str = ""
    tag: str = ""
    message: str = ""
    author: str = ""
    committer: str = ""
    subscription_name: str = ""


class ImageArtifact(_Sparse):
    """A container image; `digest` is ``sha256:<hex>``."""

    repo_url: str = Field(alias="repoURL")
    tag: str = ""
    digest: str = ""
    annotations: Annotated[dict[str, str], BeforeValidator(lambda value: value or {})] = Field(
        default_factory=dict
    )
    subscription_name: str = ""


class ChartArtifact(_Sparse):
    """A Helm chart; `name` is empty for an ``oci://`` repository."""

    repo_url: str = Field(alias="repoURL")
    name: str = ""
    version: str = ""
    subscription_name: str = ""


class GenericArtifact(_Sparse):
    """Anything else that has a version; `metadata` is free JSON."""

    artifact_type: str = ""
    subscription_name: str = ""
    version: str = ""
    metadata: Any = None


class FreightContent(_Sparse):
    """What makes a Freight the one it is."""

    origin: FreightOrigin
    commits: Annotated[tuple[GitCommit, ...], BeforeValidator(none_to_empty)] = ()
    images: Annotated[tuple[ImageArtifact, ...], BeforeValidator(none_to_empty)] = ()
    charts: Annotated[tuple[ChartArtifact, ...], BeforeValidator(none_to_empty)] = ()
    artifacts: Annotated[tuple[GenericArtifact, ...], BeforeValidator(none_to_empty)] = ()

    @property
    def name(self) -> str:
        """The Freight's name: see `freight_id`."""
        return freight_id(self)


def freight_id(content: FreightContent) -> str:
    """Return Kargo's name of a Freight: the SHA-1 (40 hex digits) of its origin and sorted artifacts.

    Only what identifies an artifact counts: messages, authors, branches, annotations and metadata
    do not.
    """
    artifacts = sorted(text.encode() for text in _artifact_ids(content))
    text = f"{content.origin.key}:".encode() + b"|".join(artifacts)
    return hashlib.sha1(text, usedforsecurity=False).hexdigest()


def _artifact_ids(content: FreightContent) -> Iterator[str]:
    for commit in content.commits:
        tag = f":{commit.tag}" if commit.tag else ""
        yield _named(f"{normalize_git(commit.repo_url)}{tag}:{commit.id}", commit.subscription_name)
    for image in content.images:
        yield _named(f"{image.repo_url}:{image.tag}@{image.digest}", image.subscription_name)
    for chart in content.charts:
        path = _join_paths(normalize_chart(chart.repo_url), chart.name)
        yield _named(f"{path}:{chart.version}", chart.subscription_name)
    for artifact in content.artifacts:
        yield f"{artifact.artifact_type}:{artifact.subscription_name}:{artifact.version}"


def _named(text: str, subscription_name: str) -> str:
    return f"{text}:{subscription_name}" if subscription_name else text


def _join_paths(*parts: str) -> str:
    # Go's path.Join: a URL loses one of its slashes, and Kargo's names rest on that.
    joined = "/".join(part for part in parts if part)
    if not joined:
        return ""
    clean = posixpath.normpath(joined)
    return clean[1:] if clean.startswith("//") else clean


def _to_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


class Freight(Model):
    """A Freight of the register: `name` is `content.name`, `alias` is for people.

    Its JSON is flat, as Kargo's references to Freight are: the content's fields stand beside
    `name`, `alias` and `discoveredAt` (UTC). Wherever that JSON is read, also within
    another model, the content is hashed again: a name that does not fit raises RefusedError.
    """

    name: str
    alias: str
    content: FreightContent
    discovered_at: Annotated[AwareDatetime, AfterValidator(_to_utc)]

    @model_validator(mode="before")
    @classmethod
    def _read_flat(cls, document: Any) -> Any:
        if not isinstance(document, dict) or "content" in document:
            return document
        # The content's own fields do not overlap with the Freight's.
        content = FreightContent.model_validate(document)
        claimed = document.get("name")
        if claimed != content.name:
            raise RefusedError(
                f"forged Freight: it is named {str(claimed)[:64]!r}, but its content has the name"
                f" {content.name}; take it from the register instead"
            )
        return {**document, "content": content}

    @model_serializer(mode="wrap")
    def _write_flat(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = handler(self)
        content = fields.pop("content")
        return {**fields, **content}

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document, fit for XCom and register."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Freight:
        """Read what `to_json` wrote.

        Raises RefusedError where the name is not the content's, pydantic's ValidationError where a
        field is amiss.
        """
        if "content" in document:
            raise RefusedError("not a Freight: artifacts belong beside its name, not in 'content'")
        return cls.model_validate(document)
