"""The sources of an Application as a step wants them: revisions, images of Kustomize, parameters of Helm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field, model_validator

from airfreight.artifacts.argocd.application import Application
from airfreight.errors import RetryableStepError
from airfreight.model.urls import normalize_git
from airfreight.steps.base import StepConfig


class KustomizeImage(StepConfig):
    """One image, at a tag or a digest."""

    repo_url: str = Field(alias="repoURL", min_length=1)
    new_name: str | None = Field(default=None, min_length=1)
    tag: str = ""
    digest: str = ""

    @model_validator(mode="after")
    def _has_one_version(self) -> Self:
        if bool(self.tag) == bool(self.digest):
            raise ValueError("expected exactly one of tag and digest")
        return self

    def __str__(self) -> str:
        name = f"{self.repo_url}={self.new_name}" if self.new_name else self.repo_url
        return f"{name}@{self.digest}" if self.digest else f"{name}:{self.tag}"


class KustomizeUpdate(StepConfig):
    """The images of a source that Kustomize renders; they take the place of all that it had."""

    images: tuple[KustomizeImage, ...] = Field(default=(), min_length=1)


class HelmParameter(StepConfig):
    """One parameter and its new value."""

    key: str = Field(min_length=1)
    value: str


class HelmUpdate(StepConfig):
    """Parameters of a source that Helm renders; others stay."""

    images: tuple[HelmParameter, ...] = Field(min_length=1)


class SourceUpdate(StepConfig):
    """What changes in the source of this repository."""

    repo_url: str = Field(alias="repoURL", min_length=1)
    chart: str = Field(default="", min_length=1)
    desired_revision: str = Field(default="", min_length=1)
    update_target_revision: bool = False
    kustomize: KustomizeUpdate | None = None
    helm: HelmUpdate | None = None

    @model_validator(mode="after")
    def _knows_the_revision_to_set(self) -> Self:
        if self.update_target_revision and not self.desired_revision:
            raise ValueError("updateTargetRevision needs desiredRevision")
        return self

    def fits(self, source: Mapping[str, Any]) -> bool:
        """Whether it is meant for `source`: a chart's names compare exactly, a Git repository's in normal form."""
        url, chart = str(source.get("repoURL", "")), source.get("chart") or ""
        if chart or self.chart:
            return (url, chart) == (self.repo_url, self.chart)
        return normalize_git(url) == normalize_git(self.repo_url)

    def applied(self, source: Mapping[str, Any]) -> dict[str, Any]:
        """Return `source` with the changes."""
        changed = dict(source)
        if self.update_target_revision:
            changed["targetRevision"] = self.desired_revision
        if self.kustomize is not None and self.kustomize.images:
            images = [str(image) for image in self.kustomize.images]
            changed["kustomize"] = {**(source.get("kustomize") or {}), "images": images}
        if self.helm is not None:
            helm = source.get("helm") or {}
            parameters = _set_parameters(helm.get("parameters") or (), self.helm.images)
            changed["helm"] = {**helm, "parameters": parameters}
        return changed


def desired_revisions(application: Application, updates: Sequence[SourceUpdate]) -> list[str]:
    """Return for each source the revision that it has to be synced to; empty where any will do."""
    return [
        next((update.desired_revision for update in updates if update.fits(source)), "")
        for source in application.sources
    ]


def desired_sources(
    application: Application, updates: Sequence[SourceUpdate]
) -> tuple[Mapping[str, Any], ...]:
    """Return all sources, each update applied to the first that it fits.

    Raises RetryableStepError where one fits none.
    """
    sources = list(application.sources)
    for update in updates:
        index = next((i for i, source in enumerate(sources) if update.fits(source)), None)
        if index is None:
            chart = f' and chart "{update.chart}"' if update.chart else ""
            raise RetryableStepError(
                f"no source of {application} matched update for source with repoURL "
                f"{update.repo_url}{chart}"
            )
        sources[index] = update.applied(sources[index])
    return tuple(sources)


def _set_parameters(
    parameters: Sequence[Mapping[str, Any]], updates: Sequence[HelmParameter]
) -> list[dict[str, Any]]:
    """Return the parameters in their order, new ones last; what else one has, such as forceString, stays."""
    changed = {str(parameter.get("name")): dict(parameter) for parameter in parameters}
    for update in updates:
        known = changed.get(update.key, {"name": update.key})
        changed[update.key] = {**known, "value": update.value}
    return list(changed.values())
