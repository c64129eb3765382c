"""Project and ProjectConfig (`kargo.md` §1.1, §1.2): which Stages promote by themselves."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from airfreight.model.base import LabelRequirement, Model, Name
from airfreight.model.patterns import name_pattern


class Project(Model):
    """A folder under `include/pipelines/`; its name is the folder's.

    `argocd_connection` comes from the annotation `airfreight/argocd-connection`; empty: the project has no Argo CD.
    """

    name: Name
    argocd_connection: str = ""


def _check_name_pattern(pattern: str) -> None:
    kind, colon, _ = pattern.partition(":")
    if colon and kind not in ("glob", "regex", "regexp"):
        raise ValueError(f"unknown prefix {kind + ':'!r}; expected glob:, regex: or a bare name")
    name_pattern(pattern)


class StageSelector(Model):
    """Name criterion and labels, all of which must fit."""

    name: str = ""
    match_labels: dict[str, str] = Field(default_factory=dict)
    match_expressions: tuple[LabelRequirement, ...] = ()

    @model_validator(mode="after")
    def _name_compiles(self) -> StageSelector:
        _check_name_pattern(self.name)
        return self

    def matches(self, name: str, labels: dict[str, str]) -> bool:
        """Say whether a Stage with this name and these labels is meant."""
        if self.name and not name_pattern(self.name)(name):
            return False
        if any(labels.get(key) != value for key, value in self.match_labels.items()):
            return False
        return all(requirement.matches(labels) for requirement in self.match_expressions)


class PromotionPolicy(Model):
    """Whether the Stages that it selects promote by themselves."""

    stage: str = ""
    stage_selector: StageSelector | None = None
    auto_promotion_enabled: bool = False

    @model_validator(mode="after")
    def _exactly_one_criterion(self) -> PromotionPolicy:
        if bool(self.stage) == (self.stage_selector is not None):
            raise ValueError("expected exactly one of stage and stageSelector")
        return self

    def matches(self, name: str, labels: dict[str, str]) -> bool:
        """Say whether this policy is about the Stage."""
        if self.stage_selector is None:
            return self.stage == name
        return self.stage_selector.matches(name, labels)


class ProjectConfig(Model):
    """The first policy in the list that matches a Stage decides; none: a person promotes."""

    name: Name
    promotion_policies: tuple[PromotionPolicy, ...] = ()

    def auto_promotes(self, stage: str, labels: dict[str, str]) -> bool:
        """Say whether the Stage promotes its candidate without a person."""
        for policy in self.promotion_policies:
            if policy.matches(stage, labels):
                return policy.auto_promotion_enabled
        return False


class ConfigMap(Model):
    """Plain data of a project, for people and expressions."""

    name: Name
    data: dict[str, str] = Field(default_factory=dict)


class RepositoryCredential(Model):
    """A Secret with a `kargo.akuity.io/cred-type` label: which Connection opens which repositories.

    `connection_id` comes from the annotation `airfreight/connection`; the Secret itself holds no value. `shared`: it
    lies in `_cluster/` and is every project's, after the project's own.
    """

    name: Name
    cred_type: Literal["git", "helm", "image", "generic"]
    repo_url: str = Field(default="", alias="repoURL")
    repo_url_is_regex: bool = Field(default=False, alias="repoURLIsRegex")
    connection_id: str
    shared: bool = False
